"""Which noise levels teach which mode."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.mode_axis import ModeAxis, thinned
from scorelens.plots.time_axis import edges
from scorelens.plots.transfer import SIGMA_TITLE

N_MODES = 64


def responsibility(dataset: xr.Dataset) -> go.Figure:
    """Heatmap over (sigma, mode) of the share that each noise level has in what a mode still has to learn.

    ``dataset`` has ``responsibility(sigma, mode)`` (density per unit of ``ln sigma``) and the coordinate
    ``eigenvalue(mode)``; the line marks the noise level that equals the mode's standard deviation.
    """
    axis = ModeAxis(dataset.sizes["mode"])
    small = thinned(dataset, N_MODES).sortby("sigma")
    sigma, rank = small["sigma"].values, small["mode"].values + 1
    borders = edges(sigma, log=True)
    drawn = style.figure(height=500)
    drawn.add_trace(
        go.Heatmap(
            x=borders,
            y=axis.cells(small["mode"].values),
            z=small["responsibility"].transpose("mode", "sigma").values,
            colorscale=style.SEQUENTIAL,
            zmin=0,
            colorbar=style.colour_bar(),
            hovertemplate="σ %{x:.3g}, mode %{y:.0f}<br>%{z:.3g} per unit of ln σ<extra></extra>",
        )
    )
    drawn.add_trace(_own_level(np.sqrt(small["eigenvalue"].values), rank, sigma))
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, borders, margin=0), showgrid=False)
    drawn.update_yaxes(**axis.settings(), showgrid=False)
    drawn.update_layout(showlegend=True, margin={"t": 72})
    drawn.add_annotation(style.colour_title("responsibility per unit of ln σ"))
    style.legend_below(drawn)
    return drawn


def _own_level(deviation: np.ndarray, rank: np.ndarray, sigma: np.ndarray) -> go.Scatter:
    inside = (deviation >= sigma.min()) & (deviation <= sigma.max())
    return go.Scatter(
        x=np.where(inside, deviation, np.nan),
        y=rank,
        name="σ = the mode's own standard deviation",
        mode="lines",
        line={"color": style.VERMILION, "width": 2.5},
        hovertemplate="mode %{y}: standard deviation %{x:.3g}<extra></extra>",
    )
