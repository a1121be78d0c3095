"""Where the variance of a fitted score lives: over a line, a plane, or leverage, with a slider over noise."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_curves import Facet
from scorelens.plots.plane import dress_plane

NOISE = Facet("sigma", "noise level", "σ = {:.3g}")
#: Quantities of places, their titles and marks; in this order.
QUANTITIES = {
    "target": ("target: C(x)", style.VERMILION, "dash"),
    "predicted": ("model, predicted", style.BLUE, "solid"),
    "measured": ("model, measured", style.GREEN, "dot"),
    "leverage": ("leverage / n", style.OCHRE, "dash"),
}
#: Variances are drawn down to this power of ten below the largest.
DECADES = 3.0


def score_variance(dataset: xr.Dataset) -> go.Figure:
    """The Dataset ``places`` of `studies.generalize`: lines over ``x``, a map over ``x, y``, or points.

    The reader chooses the features (and, for maps, the quantity) and moves the noise level; the smallest is
    shown first. Variances are times ``sigma^2``: 1 is the variance of the noise.
    """
    if "y" in dataset.dims:
        return _maps(dataset)
    return _curves(dataset, "x" if "x" in dataset.dims else "leverage")


def _scaled(dataset: xr.Dataset, name: str) -> xr.DataArray:
    return dataset[name] if name == "leverage" else dataset[name] * dataset["sigma"] ** 2


def _log(values: np.ndarray, top: float) -> np.ndarray:
    """log10, two decimals, no deeper than `DECADES` below the largest."""
    return np.round(np.log10(np.maximum(values, 10.0 ** (top - DECADES))), 2)


def _maps(dataset: xr.Dataset) -> go.Figure:
    drawn = style.figure(height=520)
    panels = _panels(dataset)
    for label, values in panels.items():
        top = float(np.ceil(np.log10(float(values.max()))))
        drawn.add_trace(_heat(dataset, values.isel(sigma=-1).values, top, label))
    drawn.add_trace(
        go.Scatter(
            x=dataset["event_x"].values,
            y=dataset["event_y"].values,
            name="data",
            mode="markers",
            marker={
                "color": style.PAPER,
                "size": 4,
                "opacity": 0.9,
                "line": {"color": style.INK, "width": 0.8},
            },
            hoverinfo="skip",
        )
    )
    frames = {}
    for k, label in enumerate(NOISE.labels(dataset)):
        frames[label] = [
            go.Heatmap(z=_log(values.isel(sigma=k).values, float(np.ceil(np.log10(float(values.max()))))))
            for values in panels.values()
        ]
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(panels)))
    views = {
        label: ([*(other == label for other in panels), True], {"annotations": _titles(label)})
        for label in panels
    }
    dress_plane(drawn, dataset)
    controls.add_views(drawn, "shown", views)
    return drawn


def _panels(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """What can be chosen: the target once, the other quantities for each of the features."""
    specs = dataset["features"].values.tolist()
    found = {}
    for name in ("measured", "predicted", "leverage"):
        for spec in specs:
            found[f"{spec} · {QUANTITIES[name][0]}"] = _scaled(dataset, name).sel(features=spec)
    found[QUANTITIES["target"][0]] = _scaled(dataset, "target")
    return {label: values.transpose("sigma", "y", "x") for label, values in found.items()}


def _heat(dataset: xr.Dataset, values: np.ndarray, top: float, label: str) -> go.Heatmap:
    ticks = list(np.arange(top - DECADES, top + 1))
    return go.Heatmap(
        x=dataset["x"].values,
        y=dataset["y"].values,
        z=_log(values, top),
        zmin=top - DECADES,
        zmax=top,
        zsmooth="best",
        colorscale=style.SEQUENTIAL,
        colorbar=style.colour_bar(tickvals=ticks, ticktext=[f"{10.0**t:g}" for t in ticks]),
        hovertemplate=f"(%{{x:.3g}}, %{{y:.3g}}): {label} 10^%{{z:.2f}}<extra></extra>",
    )


def _titles(label: str) -> list[dict[str, object]]:
    unit = "" if "leverage" in label else ", times σ²"
    place = {"xref": "x domain", "x": 0.5, "yref": "y domain", "y": 0.0, "yanchor": "top", "yshift": -24}
    below = {"text": "x, data units", "showarrow": False, "font": {"size": 13}, **place}
    return [style.colour_title(f"{label}{unit}"), below]


def _curves(dataset: xr.Dataset, axis: str) -> go.Figure:
    """Lines over ``x``, or points over the leverage."""
    drawn = style.figure(height=480)
    specs = dataset["features"].values.tolist()
    names = [name for name in QUANTITIES if name != axis]
    for spec in specs:
        drawn.add_traces(_at(dataset.sel(features=spec).isel(sigma=-1), names, axis))
    frames = {
        label: [
            trace for spec in specs for trace in _at(dataset.sel(features=spec).isel(sigma=k), names, axis)
        ]
        for k, label in enumerate(NOISE.labels(dataset))
    }
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(specs) * len(names)))
    owners = [spec for spec in specs for _ in names]
    every = [True] if axis == "x" else []
    if axis == "x":
        drawn.add_trace(_rug(dataset))
    views = {spec: ([*(owner == spec for owner in owners), *every], {}) for spec in specs}
    values = np.concatenate([_scaled(dataset, name).values.ravel() for name in names])
    top = float(np.nanmax(values))
    title = "variance × σ²; leverage / n" if axis == "x" else "variance × σ²"
    drawn.update_yaxes(**style.log_axis(title, [top * 10**-DECADES, top]))
    if axis == "x":
        drawn.update_xaxes(**style.linear_axis("x, data units"))
        drawn.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False})
    else:
        title = "leverage / n: share of the fit that one sample here has"
        drawn.update_xaxes(**style.log_axis(title, dataset["leverage"].values.ravel()))
    style.legend_below(drawn)
    controls.add_views(drawn, "features", views)
    return drawn


def _at(one: xr.Dataset, names: list[str], axis: str) -> list[go.Scatter]:
    drawn = []
    x = one[axis].values
    for name in names:
        label, colour, dash = QUANTITIES[name]
        values = _scaled(one, name).values
        look = (
            {"mode": "lines", "line": {"color": colour, "width": 2, "dash": dash}}
            if axis == "x"
            else {"mode": "markers", "marker": {"color": colour, "size": 6, "opacity": 0.8}}
        )
        drawn.append(
            go.Scatter(
                x=x,
                y=np.where(values > 0, values, np.nan),
                name=label,
                hovertemplate="%{x:.3g}: %{y:.3g}",
                **look,
            )
        )
    return drawn


def _rug(dataset: xr.Dataset) -> go.Scatter:
    """The data as ticks along the lower edge."""
    return go.Scatter(
        x=dataset["event_x"].values,
        y=np.full(dataset.sizes["event"], 0.03),
        yaxis="y2",
        name="data",
        mode="markers",
        marker={"symbol": "line-ns-open", "color": style.GREY, "size": 9},
        hovertemplate="data: %{x:.3g}",
    )
