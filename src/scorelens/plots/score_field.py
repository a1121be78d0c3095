"""The score over the plane of two-dimensional data: arrows over the density of the noised law."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_curves import Facet
from scorelens.plots.plane import dress_plane

ESTIMATOR, NOISE = Facet("estimator", "estimator"), Facet("sigma", "noise level", "σ = {:.3g}")
#: Arrows along each axis, at most; length of the longest in steps between arrows.
N_ARROWS, REACH = 17, 0.95
#: The density is shown down to this power of ten below its largest at the data.
DECADES = 3
HEAD = 6


def score_field(dataset: xr.Dataset) -> go.Figure:
    """Arrows of ``sigma * score`` over the density, of a Dataset of `scorelens.analysis.score_field`.

    The reader chooses the estimator and moves the noise level (the smallest is shown first). An arrow of
    length ``u = sigma |s|`` is drawn ``u / sqrt(1 + u^2)`` times as long as the step between arrows.
    """
    drawn = style.figure(height=500)
    owners = []
    for i, label in enumerate(ESTIMATOR.labels(dataset)):
        traces = _traces(dataset.isel(estimator=i, sigma=-1))
        drawn.add_traces(traces)
        owners += [label] * len(traces)
    drawn.add_trace(_events(dataset))
    dress_plane(drawn, dataset)
    frames = {
        label: [
            part
            for i in range(dataset.sizes["estimator"])
            for part in _moving(dataset.isel(estimator=i, sigma=k))
        ]
        for k, label in enumerate(NOISE.labels(dataset))
    }
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(owners)))
    views = {
        label: ([*(owner == label for owner in owners), True], {"annotations": _titles(dataset, i)})
        for i, label in enumerate(ESTIMATOR.labels(dataset))
    }
    controls.add_views(drawn, ESTIMATOR.name, views)
    return drawn


def _titles(dataset: xr.Dataset, estimator: int) -> list[dict[str, object]]:
    """Of the colours, and of the x axis: plotly's own would not follow the square upwards."""
    whose = str(dataset["density"].values[estimator])
    place = {"xref": "x domain", "x": 0.5, "yref": "y domain", "y": 0.0, "yanchor": "top", "yshift": -24}
    below = {"text": "x, data units", "showarrow": False, "font": {"size": 13}, **place}
    return [style.colour_title(f"density / largest at data ({whose})"), below]


def _traces(one: xr.Dataset) -> list[go.Heatmap | go.Scatter]:
    density = go.Heatmap(
        x=one["x"].values,
        y=one["y"].values,
        z=_relative(one),
        zmin=-DECADES,
        zmax=0,
        zsmooth="best",
        colorscale=style.SEQUENTIAL,
        colorbar=style.colour_bar(
            tickvals=list(range(-DECADES, 1)), ticktext=[f"{10.0**p:g}" for p in range(-DECADES, 1)]
        ),
        hovertemplate="(%{x:.3g}, %{y:.3g}): density / largest at the data 10^%{z:.2f}<extra></extra>",
    )
    x, y = _arrows(one)
    arrows = go.Scatter(
        x=x,
        y=y,
        name="σ × score",
        mode="lines+markers",
        line={"color": style.VERMILION, "width": 1.4},
        marker={
            "color": style.VERMILION,
            "opacity": 1,
            "symbol": "arrow",
            "angleref": "previous",
            "size": np.tile([0, HEAD, 0], len(x) // 3),
            "line": {"width": 0},
        },
        hoverinfo="skip",
    )
    return [density, arrows]


def _moving(one: xr.Dataset) -> list[go.Heatmap | go.Scatter]:
    """What a position of the slider changes in the traces of one estimator."""
    x, y = _arrows(one)
    return [go.Heatmap(z=_relative(one)), go.Scatter(x=x, y=y)]


def _relative(one: xr.Dataset) -> np.ndarray:
    """log10 of the density over its largest at an event, two decimals."""
    decades = (one["log_density"].values - float(one["log_peak"])) / np.log(10.0)
    return np.round(np.clip(decades, -DECADES, 0), 2)


def _arrows(one: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Tail, head and a gap for every arrow, one after the other; each is centred on its place."""
    every = -(-one.sizes["x"] // N_ARROWS)
    first = (one.sizes["x"] - 1) % every // 2
    few = one.isel(x=slice(first, None, every), y=slice(first, None, every))
    x, y = np.meshgrid(few["x"].values, few["y"].values)
    step = float(np.diff(few["x"].values[:2])[0])
    u, v = float(one["sigma"]) * few["score_x"].values, float(one["sigma"]) * few["score_y"].values
    half = 0.5 * REACH * step / np.sqrt(1.0 + u**2 + v**2)
    gap = np.full(x.shape, np.nan)
    return (
        np.stack([x - half * u, x + half * u, gap], axis=-1).ravel(),
        np.stack([y - half * v, y + half * v, gap], axis=-1).ravel(),
    )


def _events(dataset: xr.Dataset) -> go.Scatter:
    return go.Scatter(
        x=dataset["event_x"].values,
        y=dataset["event_y"].values,
        name="data",
        mode="markers",
        marker={"color": style.PAPER, "size": 4, "opacity": 0.9, "line": {"color": style.INK, "width": 0.8}},
        hovertemplate="data: (%{x:.3g}, %{y:.3g})<extra></extra>",
    )
