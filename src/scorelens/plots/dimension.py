"""Local dimension over the noise level, by several estimators."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.transfer import SIGMA_TITLE

#: Variable -> label, colour, marker, dash.
LOOKS = {
    "flipd": ("FLIPD", style.BLUE, "circle", "solid"),
    "normal_bundle": ("normal bundle", style.GREEN, "square", "dash"),
    "jacobian_rank": ("rank of the Jacobian", style.VERMILION, "diamond", "dot"),
}
ALL_EVENTS = "mean of all"


def dimension(dataset: xr.Dataset) -> go.Figure:
    """The Dataset ``dimension`` of `studies.geometry`: views of the mean over events and of each event.

    Bars are two standard errors: of the scatter between events for the mean, of the estimate for an event.
    """
    names = [name for name in LOOKS if name in dataset]
    drawn = style.figure(height=460)
    shown = {ALL_EVENTS: [_mean(dataset, name) for name in names]}
    for point in range(dataset.sizes["point"]):
        shown[f"event {point + 1}"] = [_at(dataset, name, point) for name in names]
    for traces in shown.values():
        drawn.add_traces(traces)
    owners = [view for view, traces in shown.items() for _ in traces]
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, dataset["sigma"].values))
    drawn.update_yaxes(**style.linear_axis("local dimension", range=[-0.02 * _top(dataset), _top(dataset)]))
    style.legend_below(drawn)
    controls.add_views(drawn, "event", {view: ([owner == view for owner in owners], {}) for view in shown})
    return drawn


def _top(dataset: xr.Dataset) -> float:
    return 1.15 * dataset.attrs["dim"]


def _mean(dataset: xr.Dataset, name: str) -> go.Scatter:
    values = dataset[name]
    n = values.sizes["point"]
    error = values.std("point", ddof=1).values / np.sqrt(n) if n > 1 else np.zeros(values.sizes["sigma"])
    return _curve(dataset, name, values.mean("point").values, error)


def _at(dataset: xr.Dataset, name: str, point: int) -> go.Scatter:
    errors = dataset[f"{name}_standard_error"].isel(point=point).values
    return _curve(dataset, name, dataset[name].isel(point=point).values, np.nan_to_num(errors))


def _curve(dataset: xr.Dataset, name: str, values: np.ndarray, errors: np.ndarray) -> go.Scatter:
    label, colour, marker, dash = LOOKS[name]
    return go.Scatter(
        x=dataset["sigma"].values,
        y=values,
        error_y={"type": "data", "array": 2 * errors, "thickness": 1, "width": 3},
        customdata=2 * errors,
        name=label,
        mode="lines+markers",
        marker={"symbol": marker, "size": 7},
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate="σ %{x:.3g}: %{y:.3g} ± %{customdata:.2g}",
    )
