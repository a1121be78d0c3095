"""Transfer function: what the denoiser passes on of each mode at each noise level, over training."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_axis import ModeAxis, thinned
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.time_axis import edges

N_MODES, N_STEPS = 64, 16
SIGMA_TITLE = "noise level σ (data units)"


def transfer(dataset: xr.Dataset) -> go.Figure:
    """Heatmap over (sigma, mode) of the measured transfer function, with a slider over steps.

    ``dataset`` has ``transfer(step, sigma, mode)`` and ``optimal_transfer(sigma, mode)``; views show the
    measurement, its difference to the optimal linear denoiser, and the optimum itself. At most 64
    log-spaced modes and 16 evenly spaced measurements are kept.
    """
    axis = ModeAxis(dataset.sizes["mode"])
    small = thinned(dataset, N_MODES).isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS)).sortby("sigma")
    measured = small["transfer"].transpose("step", "mode", "sigma").values
    optimal = _last(small["optimal_transfer"]).transpose("mode", "sigma").values
    grid = {"x": edges(small["sigma"].values, log=True), "y": axis.cells(small["mode"].values)}
    limit = max(0.1, float(np.nanmax(np.abs(measured - optimal), initial=0.0)))
    drawn = style.figure(height=540)
    drawn.add_traces(
        [
            go.Heatmap(z=measured[-1], **grid, **_gain("transfer function")),
            go.Heatmap(z=measured[-1] - optimal, **grid, **_difference(min(limit, 1.0))),
            go.Heatmap(z=optimal, **grid, **_gain("optimal transfer function")),
        ]
    )
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, grid["x"], margin=0), showgrid=False)
    drawn.update_yaxes(**axis.settings(), showgrid=False)
    controls.add_slider(drawn, "training step", _frames(small, measured, optimal), traces=(0, 1))
    drawn.update_layout(margin={"t": 72})
    controls.add_views(drawn, "show", _views())
    return drawn


def _views() -> dict[str, tuple[list[bool], dict[str, Any]]]:
    titles = {
        "measured": "measured transfer function",
        "measured − optimal": "measured − optimal transfer function",
        "optimal": "transfer function of the best linear denoiser",
    }
    return {
        label: ([label == other for other in titles], {"annotations": [style.colour_title(title)]})
        for label, title in titles.items()
    }


def _frames(dataset: xr.Dataset, measured: np.ndarray, optimal: np.ndarray) -> dict[str, list[go.Heatmap]]:
    return {
        f"step {step:,}": [go.Heatmap(z=z), go.Heatmap(z=z - optimal)]
        for step, z in zip(dataset["step"].values.tolist(), measured, strict=True)
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
