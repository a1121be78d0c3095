"""What two modes of an unaligned network learn, and how their overlap rises and decays."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from scorelens.plots import controls, style
from scorelens.plots.mode_curves import Facet, row_titles

COSINE, NOISE = Facet("cosine", "cosine at the start", "{:g}"), Facet("sigma", "noise level", "sigma {:g}")
OVERLAP = "overlap of the two"


def overlaps(dataset: xr.Dataset) -> go.Figure:
    """Share learned of both modes above, their overlap (logarithmic) below, of `analysis.overlap_curves`.

    The reader chooses how much the modes overlap at the start and moves the noise level (the last is shown
    first). A diamond marks the largest overlap.
    """
    drawn = style.dressed(make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.09), height=540)
    owners = []
    for i, label in enumerate(COSINE.labels(dataset)):
        traces = _traces(dataset.isel(cosine=i, sigma=-1))
        drawn.add_traces(traces, rows=[1, 1, 2, 2], cols=[1] * len(traces))
        owners += [label] * len(traces)
    drawn.update_xaxes(**style.linear_axis("training dose T (flow time)"), row=2, col=1)
    drawn.update_yaxes(**style.linear_axis("gain / optimum", range=[-0.05, 1.1]), row=1, col=1)
    low = float(dataset["overlap"].isel(flow_time=0).min()) * 1e-4
    shown = np.maximum(dataset["overlap"].values, low)
    drawn.update_yaxes(**style.log_axis("overlap", shown), row=2, col=1)
    row_titles(drawn, ["share learned", OVERLAP])
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    frames = {
        label: [
            go.Scatter(x=t.x, y=t.y)
            for i in range(dataset.sizes["cosine"])
            for t in _traces(dataset.isel(cosine=i, sigma=k))
        ]
        for k, label in enumerate(NOISE.labels(dataset))
    }
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(owners)))
    views = {label: ([owner == label for owner in owners], {}) for label in COSINE.labels(dataset)}
    controls.add_views(drawn, COSINE.name, views)
    return drawn


def _traces(one: xr.Dataset) -> list[go.Scatter]:
    colours = style.mode_colours(one.sizes["mode"])
    modes = [
        _line(one, one["learned"].isel(mode=i).values, f"variance {float(one['eigenvalue'][i]):g}", colour)
        for i, colour in enumerate(colours)
    ]
    peak = float(one["peak_time"])
    largest = go.Scatter(
        x=[peak],
        y=[float(one["overlap"].sel(flow_time=peak))],
        name="largest overlap",
        mode="markers",
        marker={"color": style.PURPLE, "symbol": "diamond", "size": 10},
        hovertemplate="largest at dose %{x:.3g}: %{y:.3g}<extra></extra>",
    )
    return [*modes, _line(one, one["overlap"].values, OVERLAP, style.PURPLE), largest]


def _line(one: xr.Dataset, y: np.ndarray, name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=one["flow_time"].values,
        y=y,
        name=name,
        mode="lines",
        line={"color": colour, "width": 2},
        hovertemplate=f"{name}<br>dose %{{x:.3g}}: %{{y:.4g}}<extra></extra>",
    )
