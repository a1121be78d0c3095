"""Figures of the data's spectrum."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from scorelens.plots import style
from scorelens.plots.mode_axis import rank_axis


def spectrum(dataset: xr.Dataset) -> go.Figure:
    """Variance of each mode (log-log) over the share of the total that the leading modes hold together.

    ``dataset`` has the coordinate ``eigenvalue(mode)`` and ``cumulative_share(mode)`` (0 to 1). Modes without
    variance have no place on a logarithmic axis and are left out there.
    """
    rank = dataset["mode"].values + 1
    variance = dataset["eigenvalue"].values
    panes = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09, row_heights=[0.62, 0.38])
    drawn = style.dressed(panes, height=460)
    drawn.add_trace(
        _line(rank, np.where(variance > 0, variance, np.nan), "variance", style.BLUE, "%{y:.4g}"), 1, 1
    )
    share = 100 * dataset["cumulative_share"].values
    drawn.add_trace(_line(rank, share, "share of total variance", style.VERMILION, "%{y:.1f}%"), 2, 1)
    drawn.update_layout(showlegend=False)
    axis = rank_axis(len(rank))
    drawn.update_xaxes(**{key: value for key, value in axis.items() if key != "title"})
    drawn.update_xaxes(title=axis["title"], row=2, col=1)
    drawn.update_yaxes(**style.log_axis("variance", variance), row=1, col=1)
    drawn.update_yaxes(**style.linear_axis("share of total, %", range=[0, 104]), row=2, col=1)
    return drawn


def _line(x: np.ndarray, y: np.ndarray, name: str, colour: str, value: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) <= 128 else "lines",
        line={"color": colour, "width": 2},
        marker={"size": 5, "color": colour},
        hovertemplate=f"mode %{{x}}<br>{name} {value}<extra></extra>",
    )
