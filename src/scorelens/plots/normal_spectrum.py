"""Eigenvalues of the matrices that feature estimators solve, level by level."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style
from scorelens.plots.mode_curves import Facet

NOISE = Facet("sigma", "noise level", "σ = {:.3g}")
#: Smallest ratio to the largest eigenvalue that is drawn.
SMALLEST = 1e-18


def normal_spectrum(dataset: xr.Dataset) -> go.Figure:
    """Eigenvalues over their index, both logarithmic, of `scorelens.analysis.normal_spectrum`.

    One line per estimator, with a diamond at its rank; a slider moves the noise level (the smallest is shown
    first). Eigenvalues below 1e-18 of the largest are left out.
    """
    drawn = style.figure(height=440)
    n = dataset.sizes["estimator"]
    for i in range(n):
        drawn.add_traces(_traces(dataset.isel(estimator=i, sigma=-1), i))
    shown = np.where(dataset["eigenvalue"].values >= SMALLEST, dataset["eigenvalue"].values, np.nan)
    drawn.update_xaxes(**style.log_axis("eigenvalue number", dataset["index"].values + 1))
    drawn.update_yaxes(**style.log_axis("eigenvalue / the largest", [*shown.ravel(), 1.0]))
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    frames = {
        label: [
            go.Scatter(x=t.x, y=t.y) for i in range(n) for t in _traces(dataset.isel(estimator=i, sigma=k), i)
        ]
        for k, label in enumerate(NOISE.labels(dataset))
    }
    if len(frames) > 1:
        controls.add_slider(drawn, NOISE.name, frames, traces=range(2 * n))
    return drawn


def _traces(one: xr.Dataset, i: int) -> list[go.Scatter]:
    colour, _, dash = line_style(i)
    name, number = str(one["estimator"].values), one["index"].values + 1
    value = np.where(one["eigenvalue"].values >= SMALLEST, one["eigenvalue"].values, np.nan)
    line = go.Scatter(
        x=number,
        y=value,
        name=name,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"{name}<br>eigenvalue %{{x}}: %{{y:.3g}} of the largest<extra></extra>",
    )
    rank = int(one["rank"])
    seen = np.flatnonzero((number <= rank) & np.isfinite(value))
    mark = go.Scatter(
        x=number[seen[-1:]],
        y=value[seen[-1:]],
        name="rank",
        legendgroup="rank",
        showlegend=i == 0,
        mode="markers",
        marker={"color": colour, "symbol": "diamond", "size": 10, "line": {"color": style.PAPER, "width": 1}},
        hovertemplate=f"{name}<br>rank {rank} of {int(one['count'])}<extra></extra>",
    )
    return [line, mark]
