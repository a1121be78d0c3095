"""How weight and bias of one mode move in their plane, by the mean of the data and the noise level."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_curves import Facet

MEAN, NOISE = Facet("overlap", "mean", "{:g}"), Facet("sigma", "noise level", "sigma {:g}")
#: Longest arrow of the field, in steps of its grid.
REACH = 0.8


def phase_portraits(dataset: xr.Dataset) -> go.Figure:
    """Field, nullclines, paths and fixed point of a Dataset of `scorelens.analysis.portraits`.

    The reader chooses the mean of the data along the mode and moves the noise level (the last is shown
    first). Arrows show the direction of the field, and its size by the square root.
    """
    drawn = style.figure(height=560)
    views = [(label, i) for i, label in enumerate(MEAN.labels(dataset))]
    last = dataset.isel(sigma=-1)
    owners = []
    for label, i in views:
        traces = _traces(last.isel(overlap=i))
        drawn.add_traces(traces)
        owners += [label] * len(traces)
    weights, biases = (dataset[name].values for name in ("weight", "bias"))
    drawn.update_xaxes(**style.linear_axis("weight", range=[weights[0], weights[-1]]))
    drawn.update_yaxes(**style.linear_axis("bias, data units", range=[biases[0], biases[-1]]))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    frames = {
        label: [go.Scatter(x=t.x, y=t.y) for _, i in views for t in _traces(dataset.isel(sigma=k, overlap=i))]
        for k, label in enumerate(NOISE.labels(dataset))
    }
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(owners)))
    shown = {label: ([owner == label for owner in owners], {}) for label, _ in views}
    controls.add_views(drawn, MEAN.name, shown)
    return drawn


def _traces(one: xr.Dataset) -> list[go.Scatter]:
    weights, biases = one["weight"].values, one["bias"].values
    return [
        _arrows(one),
        _curve(one["weight_nullcline"].values, biases, "weight stands still", style.BLUE),
        _curve(weights, one["bias_nullcline"].values, "bias stands still", style.GREEN),
        *(_path(one.isel(start=i), first=i == 0) for i in range(one.sizes["start"])),
        go.Scatter(
            x=[float(one["optimal_weight"])],
            y=[float(one["optimal_bias"])],
            name="optimum",
            mode="markers",
            marker={"color": style.OCHRE, "symbol": "star", "size": 14},
            hovertemplate="optimum: weight %{x:.4g}, bias %{y:.4g}<extra></extra>",
        ),
    ]


def _arrows(one: xr.Dataset) -> go.Scatter:
    """The field as arrows, one line with gaps; the head is a marker that points away from the tail."""
    weights, biases = np.meshgrid(one["weight"].values, one["bias"].values)
    steps = [float(np.diff(one[name].values[:2])[0]) for name in ("weight", "bias")]
    along = [one["field_weight"].values / steps[0], one["field_bias"].values / steps[1]]
    size = np.hypot(*along)
    scale = REACH / np.sqrt(np.where(size > 0, size, 1.0) * size.max())
    gap = np.full(weights.shape, np.nan)
    x = np.stack([weights, weights + along[0] * scale * steps[0], gap], axis=-1).ravel()
    y = np.stack([biases, biases + along[1] * scale * steps[1], gap], axis=-1).ravel()
    return go.Scatter(
        x=x,
        y=y,
        name="direction of learning",
        mode="lines+markers",
        line={"color": style.GREY, "width": 1},
        marker={
            "color": style.GREY,
            "symbol": "arrow",
            "angleref": "previous",
            "size": np.tile([0, 7, 0], weights.size),
        },
        opacity=0.7,
        hoverinfo="skip",
    )


def _curve(x: np.ndarray, y: np.ndarray, name: str, colour: str) -> go.Scatter:
    line = {"color": colour, "width": 2, "dash": "dash"}
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=line, hoverinfo="skip")


def _path(one: xr.Dataset, *, first: bool) -> go.Scatter:
    return go.Scatter(
        x=one["path_weight"].values,
        y=one["path_bias"].values,
        customdata=one["flow_time"].values,
        name="path of training",
        legendgroup="path",
        showlegend=first,
        mode="lines",
        line={"color": style.VERMILION, "width": 2},
        hovertemplate="dose %{customdata:.3g}: weight %{x:.3g}, bias %{y:.3g}<extra></extra>",
    )
