"""When each mode emerges, against its variance, with the fitted power laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.time_axis import TimeAxis, time_name, time_title

COLOURS = {"rising": style.BLUE, "falling": style.VERMILION}
SYMBOLS = {"rising": "circle", "falling": "square"}
#: A forecast later than so many times the last step is not drawn: the measured part would shrink to nothing.
FARTHEST = 30.0
#: Status of an emergence step -> what the reader is told, and the symbol where it is not the step itself.
BOUNDS = {"censored": ("not yet emerged", "triangle-up-open"), "earlier": ("earlier", "triangle-down-open")}


@final
@dataclass(frozen=True)
class FittedLaw:
    """``time = prefactor * variance ** exponent``, fitted to the ``branch`` between ``low`` and ``high``."""

    branch: str
    prefactor: float
    exponent: float
    low: float
    high: float


def emergence(dataset: xr.Dataset, laws: Sequence[FittedLaw] = ()) -> go.Figure:
    """Emergence step over data variance (log-log): measured, forecast and fitted.

    ``dataset`` has the coordinate ``eigenvalue(mode)``, ``rising(mode)`` (whether the variance has to grow),
    ``gray(mode)``, and ``emergence_step(mode)`` with ``emergence_status(mode)``, or
    ``forecast_emergence_step(mode)`` (optionally with ``forecast_emergence_low`` and ``_high``), or both.
    Bounds are hollow triangles; times are in steps, or in dose for a forecast alone.
    """
    alive = dataset.isel(mode=np.flatnonzero(dataset["eigenvalue"].values > 0))
    axis = TimeAxis.over(_times(alive))
    drawn = style.figure(height=500)
    measured, forecast = _measured(alive, axis), _forecast(alive, axis)
    drawn.add_traces([*_interval(alive, axis), *measured, *forecast, *fitted_lines(laws)])
    drawn.update_xaxes(**style.log_axis("variance of the mode in the data", alive["eigenvalue"].values))
    drawn.update_yaxes(**axis.settings(f"emergence, {time_title(dataset)}"))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    mark_gray_zone(drawn, alive)
    return drawn


def _times(dataset: xr.Dataset) -> np.ndarray:
    """What the axis of time spans: all that was measured, and of the forecast what is not far beyond."""
    measured = dataset["emergence_step"].values if "emergence_step" in dataset else np.zeros(0)
    forecast = np.zeros(0)
    if "forecast_emergence_step" in dataset:
        forecast = _forecast_times(dataset, "forecast_emergence_step")
    if measured.size:
        forecast = forecast[forecast <= FARTHEST * dataset["step"].values[-1]]
    every = np.concatenate([measured, forecast])
    every = every[np.isfinite(every)]
    return every if every.size else dataset[time_name(dataset)].values


def _measured(dataset: xr.Dataset, axis: TimeAxis) -> list[go.Scatter]:
    if "emergence_step" not in dataset:
        return []
    status, rising, gray = (dataset[name].values for name in ("emergence_status", "rising", "gray"))
    times = axis.position(dataset["emergence_step"].values)
    traces = []
    for branch, side in (("rising", rising), ("falling", ~rising)):
        look = {"color": COLOURS[branch], "symbol": SYMBOLS[branch], "size": 8 if len(times) <= 64 else 5}
        traces.append(_points(dataset, side & (status == "emerged"), times, f"measured, {branch}", look))
        for bound, (told, symbol) in BOUNDS.items():
            hollow = {"color": COLOURS[branch], "symbol": symbol, "size": 10, "line": {"width": 1.5}}
            traces.append(_points(dataset, side & (status == bound), times, f"{told}, {branch}", hollow))
    pale = {"color": style.GREY, "symbol": "circle-open", "size": 7}
    crossed = gray & (dataset["emergence_step"].values < dataset["step"].values[-1])
    traces.append(_points(dataset, crossed, times, "measured, gray zone", pale))
    return [trace for trace in traces if len(trace.x)]


def _points(
    dataset: xr.Dataset, chosen: np.ndarray, times: np.ndarray, name: str, marker: dict[str, Any]
) -> go.Scatter:
    return go.Scatter(
        x=dataset["eigenvalue"].values[chosen],
        y=times[chosen],
        customdata=dataset["mode"].values[chosen] + 1,
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate=f"mode %{{customdata}}, variance %{{x:.3g}}<br>{name}: %{{y:,.3g}}<extra></extra>",
    )


def _forecast_times(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Forecast times where they mean something: not in the gray zone, not at the start, not never."""
    times = dataset[name].values
    return np.where(dataset["gray"].values | ~np.isfinite(times) | (times <= 0), np.nan, times)


def _forecast(dataset: xr.Dataset, axis: TimeAxis) -> list[go.Scatter]:
    if "forecast_emergence_step" not in dataset:
        return []
    times = _forecast_times(dataset, "forecast_emergence_step")
    line = go.Scatter(
        x=dataset["eigenvalue"].values,
        y=axis.position(times),
        customdata=dataset["mode"].values + 1,
        name="forecast",
        mode="lines+markers" if np.isfinite(times).sum() <= 40 else "lines",
        line={"color": style.PURPLE, "width": 2, "dash": "dash"},
        marker={"symbol": "diamond-open", "size": 5},
        hovertemplate="mode %{customdata}, variance %{x:.3g}<br>forecast: %{y:,.3g}<extra></extra>",
    )
    return [line] if np.isfinite(times).any() else []


def _interval(dataset: xr.Dataset, axis: TimeAxis) -> list[go.Scatter]:
    """The forecast's interval as one filled outline per branch (a line across the gray zone would lie)."""
    if "forecast_emergence_low" not in dataset:
        return []
    variance, rising = dataset["eigenvalue"].values, dataset["rising"].values
    ends = [_forecast_times(dataset, f"forecast_emergence_{end}") for end in ("low", "high")]
    known = np.isfinite(ends[0]) & np.isfinite(ends[1])
    outlines = []
    for side in (rising, ~rising):
        chosen = known & side
        x = np.concatenate([variance[chosen], variance[chosen][::-1]])
        y = np.concatenate([ends[0][chosen], ends[1][chosen][::-1]])
        outlines.append(_filled(x, axis.position(y), first=not outlines))
    return [outline for outline in outlines if len(outline.x)]


def _filled(x: np.ndarray, y: np.ndarray, *, first: bool) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        name="interval of the forecast",
        legendgroup="interval",
        showlegend=first,
        mode="lines",
        line={"width": 0, "color": style.PURPLE},
        fill="toself",
        fillcolor="rgba(155, 104, 192, 0.18)",
        hoverinfo="skip",
    )


def fitted_lines(laws: Sequence[FittedLaw]) -> list[go.Scatter]:
    """Straight lines of the fits, in the colours of their branches."""
    return [
        go.Scatter(
            x=[law.low, law.high],
            y=[law.prefactor * law.low**law.exponent, law.prefactor * law.high**law.exponent],
            name=f"power law, {law.branch}: exponent {law.exponent:.2f}".replace("-", "−"),
            mode="lines",
            line={"color": COLOURS[law.branch], "width": 2},
            hoverinfo="skip",
        )
        for law in laws
    ]


def mark_gray_zone(drawn: go.Figure, dataset: xr.Dataset) -> None:
    """Shade the variances between which modes start within a factor two of their target."""
    gray = dataset["eigenvalue"].values[dataset["gray"].values.astype(bool)]
    if not gray.size:
        return
    band = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    ends = {"x0": float(gray.min()) / 1.02, "x1": float(gray.max()) * 1.02, "line": {"width": 0}}
    drawn.add_shape(band | ends | {"fillcolor": style.GREY, "opacity": 0.15})
