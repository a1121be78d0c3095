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


@final
@dataclass(frozen=True)
class FittedLaw:
    """``time = coefficient * variance ** exponent``, fitted to ``kind`` modes from ``low`` to ``high``."""

    kind: str
    coefficient: float
    exponent: float
    low: float
    high: float


def emergence(dataset: xr.Dataset, laws: Sequence[FittedLaw] = ()) -> go.Figure:
    """Emergence step over data variance (log-log): measured, forecast and fitted.

    ``dataset`` has the coordinate ``eigenvalue(mode)``, ``rising(mode)`` (whether the variance has to grow),
    ``gray(mode)``, and ``emergence_step(mode)`` with ``emergence_status(mode)``,
    ``forecast_emergence_step(mode)`` or both. Censored modes are hollow arrows at the last step; times are
    in steps, or in dose for a forecast alone.
    """
    alive = dataset.isel(mode=np.flatnonzero(dataset["eigenvalue"].values > 0))
    axis = TimeAxis.over(_times(alive))
    drawn = style.figure(height=500)
    drawn.add_traces([*_measured(alive, axis), *_forecast(alive, axis), *_fits(laws)])
    drawn.update_xaxes(**style.log_axis("variance of the mode in the data", alive["eigenvalue"].values))
    drawn.update_yaxes(**axis.settings(f"emergence, {time_title(dataset)}"))
    style.legend_below(drawn)
    _gray_zone(drawn, alive)
    return drawn


def _times(dataset: xr.Dataset) -> np.ndarray:
    names = [name for name in ("emergence_step", "forecast_emergence_step") if name in dataset]
    found = np.concatenate([dataset[name].values for name in names])
    waiting = "emergence_status" in dataset and (dataset["emergence_status"].values == "censored").any()
    end = dataset[time_name(dataset)].values[-1:] if waiting else []
    return np.concatenate([found[np.isfinite(found)], end])


def _measured(dataset: xr.Dataset, axis: TimeAxis) -> list[go.Scatter]:
    if "emergence_step" not in dataset:
        return []
    status, rising, gray = (dataset[name].values for name in ("emergence_status", "rising", "gray"))
    times = axis.position(dataset["emergence_step"].values)
    traces = []
    for kind, chosen in (("rising", rising), ("falling", ~rising)):
        look = {"color": COLOURS[kind], "symbol": SYMBOLS[kind], "size": 8}
        seen = chosen & ~gray & (status == "emerged")
        traces.append(_points(dataset, seen, times, f"measured, {kind}", look))
        waiting = chosen & ~gray & (status == "censored")
        end = np.full(len(times), axis.last)
        arrow = {"color": COLOURS[kind], "symbol": "triangle-up-open", "size": 10, "line": {"width": 1.5}}
        traces.append(_points(dataset, waiting, end, f"not yet emerged, {kind}", arrow))
    pale = {"color": style.GREY, "symbol": "circle-open", "size": 7}
    traces.append(_points(dataset, gray & (status == "emerged"), times, "measured, gray zone", pale))
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


def _forecast(dataset: xr.Dataset, axis: TimeAxis) -> list[go.Scatter]:
    if "forecast_emergence_step" not in dataset:
        return []
    times = np.where(dataset["gray"].values, np.nan, dataset["forecast_emergence_step"].values)
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


def _fits(laws: Sequence[FittedLaw]) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=[law.low, law.high],
            y=[law.coefficient * law.low**law.exponent, law.coefficient * law.high**law.exponent],
            name=f"power law, {law.kind}: exponent {law.exponent:.2f}".replace("-", "−"),
            mode="lines",
            line={"color": COLOURS[law.kind], "width": 2},
            hoverinfo="skip",
        )
        for law in laws
    ]


def _gray_zone(drawn: go.Figure, dataset: xr.Dataset) -> None:
    gray = dataset["eigenvalue"].values[dataset["gray"].values]
    if not gray.size:
        return
    band = {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 0},
    }
    ends = {"x0": float(gray.min()) / 1.02, "x1": float(gray.max()) * 1.02}
    drawn.add_shape(band | ends | {"fillcolor": style.GREY, "opacity": 0.15})
