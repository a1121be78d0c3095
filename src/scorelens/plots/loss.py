"""Loss at each noise level against its floors, and over training."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.time_axis import TimeAxis
from scorelens.plots.transfer import SIGMA_TITLE

N_STEPS = 24
RELATIVE, ABSOLUTE = "relative to the best linear denoiser", "absolute"

_TRAIN: dict[str, Any] = {
    "name": "training data",
    "mode": "lines+markers",
    "line": {"color": style.BLUE, "width": 2},
    "marker": {"symbol": "circle", "size": 6},
}
_HELD_OUT: dict[str, Any] = {
    "name": "held-out data",
    "mode": "lines+markers",
    "line": {"color": style.VERMILION, "width": 2},
    "marker": {"symbol": "diamond", "size": 7},
}
_FLOORS = {
    "linear_floor": ("floor: best linear denoiser", style.GREEN, "dash"),
    "linear_held_out_loss": ("the same on held-out data", style.OCHRE, "dashdot"),
    "memorization_floor": ("floor: memorising", style.PURPLE, "dot"),
}


def loss_per_sigma(dataset: xr.Dataset) -> go.Figure:
    """Denoising loss over the noise level, on training and held-out data, with a slider over steps.

    ``dataset`` has ``train_loss(step, sigma)``, ``held_out_loss(step, sigma)``, the floors ``linear_floor``
    (best linear denoiser) and ``memorization_floor`` (best denoiser of the training set itself), and
    optionally ``held_out_standard_error`` and ``linear_held_out_loss``. Views: relative to the linear floor,
    and absolute.
    """
    small = dataset.isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS)).sortby("sigma")
    relative = small / _last(small["linear_floor"])
    drawn = style.figure(height=480)
    each = [_curves(view.isel(step=-1)) for view in (relative, small)]
    drawn.add_traces([trace for traces in each for trace in traces])
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, small["sigma"].values))
    style.legend_below(drawn)
    labels = [f"step {int(step):,}" for step in small["step"].values]
    frames = {
        label: [*_losses(relative.isel(step=i)), *_losses(small.isel(step=i))]
        for i, label in enumerate(labels)
    }
    controls.add_slider(drawn, "training step", frames, traces=(0, 1, len(each[0]), len(each[0]) + 1))
    first = [True] * len(each[0]) + [False] * len(each[1])
    views = {
        RELATIVE: (first, _axis("loss / loss of the best linear denoiser", relative)),
        ABSOLUTE: ([not shown for shown in first], _axis("denoising loss", small)),
    }
    controls.add_views(drawn, "loss", views)
    return drawn


def loss_over_training(dataset: xr.Dataset) -> go.Figure:
    """EDM-weighted loss, averaged over the training law of the noise level, against the step.

    ``dataset`` has ``train_edm_loss(step)`` and ``held_out_edm_loss(step)``, optionally
    ``linear_edm_loss(step)``.
    """
    steps = dataset["step"].values
    axis = TimeAxis.over(steps)
    losses = {name: dataset[name].values for name in ("train_edm_loss", "held_out_edm_loss")}
    drawn = style.figure(height=360)
    for values, look in zip(losses.values(), (_TRAIN, _HELD_OUT), strict=True):
        hover = "step %{customdata:,}: %{y:.4g}"
        drawn.add_trace(
            go.Scatter(x=axis.position(steps), y=values, customdata=steps, hovertemplate=hover, **look)
        )
    if "linear_edm_loss" in dataset:
        losses["linear_edm_loss"] = dataset["linear_edm_loss"].values
        drawn.add_trace(_floor(axis.position(steps), losses["linear_edm_loss"], "linear_held_out_loss"))
        drawn.update_traces(name="best linear denoiser, held-out data", selector=-1)
    drawn.update_xaxes(**axis.settings("training step"))
    drawn.update_yaxes(**style.log_axis("EDM-weighted loss", np.concatenate(list(losses.values()))))
    style.legend_below(drawn)
    return drawn


def _curves(one: xr.Dataset) -> list[go.Scatter]:
    sigma = one["sigma"].values
    return [*_losses(one), *(_floor(sigma, one[name].values, name) for name in _FLOORS if name in one)]


def _losses(one: xr.Dataset) -> list[go.Scatter]:
    hover = "σ %{x:.3g}: %{y:.4g}"
    sigma = one["sigma"].values
    error = one["held_out_standard_error"].values if "held_out_standard_error" in one else None
    bars = {"type": "data", "array": None if error is None else 2 * error, "thickness": 1, "width": 0}
    held_out = one["held_out_loss"].values
    return [
        go.Scatter(x=sigma, y=one["train_loss"].values, hovertemplate=hover, **_TRAIN),
        go.Scatter(x=sigma, y=held_out, error_y=bars, hovertemplate=hover, **_HELD_OUT),
    ]


def _floor(x: np.ndarray, values: np.ndarray, name: str) -> go.Scatter:
    label, colour, dash = _FLOORS[name]
    return go.Scatter(
        x=x,
        y=np.where(values > 0, values, np.nan),
        name=label,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate="%{x:.3g}: %{y:.4g}",
    )


def _axis(title: str, dataset: xr.Dataset) -> dict[str, Any]:
    """One axis for all slider positions; the memorising denoiser may fall below it at small noise."""
    names = [name for name in ("train_loss", "held_out_loss", "linear_floor") if name in dataset]
    values = np.concatenate([np.ravel(dataset[name].values) for name in names])
    return controls.axis_change("yaxis", style.log_axis(title, [*values, 0.5 * np.nanmin(values)]))


def _last(variable: xr.DataArray) -> xr.DataArray:
    return variable.isel(step=-1) if "step" in variable.dims else variable
