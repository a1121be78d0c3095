"""Transfer function: what the denoiser passes on of each mode at each noise level, over training."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_axis import ModeAxis, thinned
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.time_axis import edges, slider_name, time_labels, time_name

N_MODES, N_TIMES = 64, 16
SIGMA_TITLE = "noise level σ (data units)"


def transfer(dataset: xr.Dataset) -> go.Figure:
    """Heatmap over (sigma, mode) of the transfer function, with a slider over steps.

    ``dataset`` has ``transfer(step, sigma, mode)`` and ``optimal_transfer(sigma, mode)``; views show it, its
    difference to the optimal linear denoiser, and the optimum itself. A forecast runs over ``flow_time``
    instead. At most 64 log-spaced modes and 16 evenly spaced times are kept.
    """
    time, modes = time_name(dataset), ModeAxis(dataset.sizes["mode"])
    small = (
        thinned(dataset, N_MODES).isel({time: evenly_spaced(dataset.sizes[time], N_TIMES)}).sortby("sigma")
    )
    found = small["transfer"].transpose(time, "mode", "sigma").values
    optimal = _last(small["optimal_transfer"]).transpose("mode", "sigma").values
    drawn = style.figure(height=540)
    drawn.add_traces(_maps(small, modes, found, optimal))
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, _columns(small), margin=0), showgrid=False)
    drawn.update_yaxes(**modes.settings(), showgrid=False)
    drawn.update_layout(margin={"t": 72})
    each = zip(time_labels(small), found, strict=True)
    frames = {label: [go.Heatmap(z=z), go.Heatmap(z=z - optimal)] for label, z in each}
    controls.add_slider(drawn, slider_name(small), frames, traces=(0, 1))
    controls.add_views(drawn, "show", _views("measured" if time == "step" else "forecast"))
    return drawn


def _maps(dataset: xr.Dataset, modes: ModeAxis, found: np.ndarray, optimal: np.ndarray) -> list[go.Heatmap]:
    """The last of ``found``, its difference to ``optimal``, and that; one scale for all times."""
    limit = max(0.1, float(np.nanmax(np.abs(found - optimal), initial=0.0)))
    place = {"x": _columns(dataset), "y": modes.cells(dataset["mode"].values)}
    return [
        go.Heatmap(z=found[-1], **place, **_gain("transfer function")),
        go.Heatmap(z=found[-1] - optimal, **place, **_difference(min(limit, 1.0))),
        go.Heatmap(z=optimal, **place, **_gain("optimal transfer function")),
    ]


def _columns(dataset: xr.Dataset) -> np.ndarray:
    return edges(dataset["sigma"].values, log=True)


def _views(kind: str) -> dict[str, controls.View]:
    titles = {
        kind: f"{kind} transfer function",
        f"{kind} − optimal": f"{kind} − optimal transfer function",
        "optimal": "transfer function of the best linear denoiser",
    }
    return {
        label: ([label == other for other in titles], {"annotations": [style.colour_title(title)]})
        for label, title in titles.items()
    }


def _gain(title: str) -> dict[str, Any]:
    return {
        "zmin": 0,
        "zmax": 1,
        "colorscale": style.SEQUENTIAL,
        "colorbar": style.colour_bar(),
        "hovertemplate": f"σ %{{x:.3g}}, mode %{{y:.0f}}<br>{title} %{{z:.3f}}<extra></extra>",
    }


def _difference(limit: float) -> dict[str, Any]:
    return {
        "zmin": -limit,
        "zmax": limit,
        "colorscale": style.DIVERGING,
        "colorbar": style.colour_bar(),
        "hovertemplate": "σ %{x:.3g}, mode %{y:.0f}<br>difference %{z:+.3f}<extra></extra>",
    }


def _last(variable: xr.DataArray) -> xr.DataArray:
    return variable.isel(step=-1) if "step" in variable.dims else variable
