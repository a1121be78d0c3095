"""Posterior means and what varies around them, for events that are no images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_curves import Facet

NOISE = Facet("sigma", "noise level", "σ = {:.3g}")
N_DATA = 600
_COLOURS = (style.VERMILION, style.PURPLE)


def posterior_plane(posterior: xr.Dataset, measured: xr.Dataset, data: np.ndarray) -> go.Figure:
    """Events of two numbers: noisy, denoised, and two standard deviations along each component.

    ``posterior`` and ``measured`` are the Datasets of `studies.geometry`, ``data (n, 2)`` is drawn behind.
    The slider is over the noise level.
    """
    drawn = style.figure(height=540)
    drawn.add_trace(_dots(data[:N_DATA], "data", style.GREY, "circle-open", 5))
    frames = {
        label: _in_the_plane(posterior.isel(sigma=k), measured.isel(sigma=k))
        for k, label in enumerate(NOISE.labels(posterior))
    }
    last = list(frames.values())[-1]
    drawn.add_traces(last)
    controls.add_slider(drawn, NOISE.name, frames, traces=range(1, 1 + len(last)))
    for name, axis, update in (("first", 0, drawn.update_xaxes), ("second", 1, drawn.update_yaxes)):
        update(**style.linear_axis(f"{name} number", range=_range(posterior, measured, data, axis)))
    drawn.update_yaxes(scaleanchor="x")
    style.legend_below(drawn)
    return drawn


def posterior_lines(posterior: xr.Dataset, measured: xr.Dataset) -> go.Figure:
    """Events of more numbers, number by number: clean, mean, and two standard deviations along component 1.

    Views are the events, the slider is over the noise level.
    """
    drawn = style.figure(height=460)
    points = range(posterior.sizes["point"])
    frames = {}
    for k, label in enumerate(NOISE.labels(posterior)):
        frames[label] = [
            trace
            for point in points
            for trace in _numbers(posterior.isel(sigma=k, point=point), measured.isel(sigma=k, point=point))
        ]
    last = list(frames.values())[-1]
    drawn.add_traces(last)
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(last)))
    owners = [point for point in points for _ in range(len(last) // len(points))]
    views = {f"event {point + 1}": ([owner == point for owner in owners], {}) for point in points}
    controls.add_views(drawn, "event", views)
    drawn.update_xaxes(**style.linear_axis("number of the event"))
    drawn.update_yaxes(**style.linear_axis("data units"))
    style.legend_below(drawn)
    return drawn


def _in_the_plane(posterior: xr.Dataset, measured: xr.Dataset) -> list[go.Scatter]:
    drawn = [
        _dots(measured["clean"].values, "clean", style.GREEN, "diamond", 9),
        _dots(measured["noisy"].values, "noisy", style.OCHRE, "x", 9),
        _dots(posterior["mean"].values, "posterior mean", style.BLUE, "circle", 9),
    ]
    for component, colour in zip(range(posterior.sizes["component"]), _COLOURS, strict=False):
        one = posterior.isel(component=component)
        drawn.append(_joined(one["walk"].values, f"± 2 s.d., component {component + 1}", colour, "solid"))
        if component == 0:
            walks = one["denoised_walk"].values
            drawn.append(_joined(walks, "the denoiser's own walk", colour, "dot"))
    return drawn


def _joined(walks: np.ndarray, name: str, colour: str, dash: str) -> go.Scatter:
    """Walks ``(point, deviation, 2)`` as lines with gaps between."""
    apart = np.concatenate([walks, np.full_like(walks[:, :1], np.nan)], axis=1).reshape(-1, 2)
    line = {"color": colour, "width": 2.5, "dash": dash}
    hover = f"{name}: (%{{x:.3g}}, %{{y:.3g}})<extra></extra>"
    return go.Scatter(x=apart[:, 0], y=apart[:, 1], name=name, mode="lines", line=line, hovertemplate=hover)


def _dots(points: np.ndarray, name: str, colour: str, symbol: str, size: int) -> go.Scatter:
    return go.Scatter(
        x=points[:, 0],
        y=points[:, 1],
        name=name,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": size},
        hovertemplate=f"{name}: (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
    )


def _range(posterior: xr.Dataset, measured: xr.Dataset, data: np.ndarray, axis: int) -> list[float]:
    """One range for all slider positions: the data and the walks; far noisy events may lie outside."""
    walks = posterior["walk"].values[..., axis]
    values = np.concatenate([data[:, axis], walks.ravel(), measured["clean"].values[:, axis]])
    values = values[np.isfinite(values)]
    margin = 0.1 * max(float(np.ptp(values)), 1e-12)
    return [float(values.min()) - margin, float(values.max()) + margin]


def _numbers(posterior: xr.Dataset, measured: xr.Dataset) -> list[go.Scatter]:
    walk = posterior["walk"].isel(component=0).values
    lines: Sequence[tuple[np.ndarray, str, str, str]] = (
        (measured["clean"].values, "clean", style.GREEN, "solid"),
        (posterior["mean"].values, "posterior mean", style.BLUE, "solid"),
        (walk[-1], "+ 2 s.d. along component 1", style.VERMILION, "dash"),
        (walk[0], "− 2 s.d. along component 1", style.VERMILION, "dot"),
    )
    return [
        go.Scatter(
            x=np.arange(1, len(values) + 1),
            y=values,
            name=name,
            mode="lines+markers" if len(values) < 40 else "lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate="%{x}: %{y:.4g}",
        )
        for values, name, colour, dash in lines
    ]
