"""Generated variance of selected modes over training, measured over forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.selection import log_spaced
from scorelens.plots.time_axis import TimeAxis, time_name, time_title

N_MODES = 8
BAND = (0.8, 1.25)
#: Modes with less than this share of the largest variance are not chosen: hardly anything hangs on them.
LEAST_VARIANCE = 1e-3
#: The axis of relative variance ends here; curves may come from beyond.
FARTHEST = 100.0
RELATIVE, ABSOLUTE = "relative to the data", "absolute"


def trajectories(dataset: xr.Dataset) -> go.Figure:
    """Variance of at most eight log-spaced modes over training time, relative to the data's or absolute.

    ``dataset`` has the coordinate ``eigenvalue(mode)`` and ``measured(step, mode)``, ``forecast(step, mode)``
    or both; a forecast alone may run over ``flow_time`` instead. Markers are measured (error bars: two
    standard errors, if ``standard_error`` is there), dashed lines are forecast.
    """
    chosen = _with_variance(dataset)
    axis = TimeAxis.over(chosen[time_name(chosen)].values)
    drawn = style.figure(height=480)
    relative = _traces(chosen, axis, relative=True)
    absolute = _traces(chosen, axis, relative=False)
    drawn.add_traces([*relative, *absolute])
    drawn.update_xaxes(**axis.settings(time_title(chosen)))
    style.legend_below(drawn)
    first = [True] * len(relative) + [False] * len(absolute)
    views = {
        RELATIVE: (first, _layout("generated variance / data variance", _near(relative), band_shapes())),
        ABSOLUTE: ([not shown for shown in first], _layout("generated variance", _heights(absolute), [])),
    }
    controls.add_views(drawn, "variance", views)
    return drawn


def _with_variance(dataset: xr.Dataset) -> xr.Dataset:
    variance = dataset["eigenvalue"].values
    alive = dataset.isel(mode=np.flatnonzero((variance > 0) & (variance >= LEAST_VARIANCE * variance.max())))
    return alive.isel(mode=log_spaced(alive.sizes["mode"], N_MODES))


def _traces(dataset: xr.Dataset, axis: TimeAxis, *, relative: bool) -> list[go.Scatter]:
    colours = style.mode_colours(dataset.sizes["mode"])
    symbols = style.mode_symbols(dataset.sizes["mode"])
    traces = []
    for i in range(dataset.sizes["mode"]):
        one = dataset.isel(mode=i)
        scale = float(one["eigenvalue"]) if relative else 1.0
        if "forecast" in one:
            traces.append(_forecast(one, axis, scale, colours[i], alone="measured" not in one))
        if "measured" in one:
            traces.append(_measured(one, axis, scale, colours[i], symbols[i]))
    return traces if relative else [*traces, *_targets(dataset, axis, colours)]


def _measured(one: xr.Dataset, axis: TimeAxis, scale: float, colour: str, symbol: str) -> go.Scatter:
    error = 2 * one["standard_error"].values / scale if "standard_error" in one else None
    return go.Scatter(
        x=axis.position(one["step"].values),
        y=one["measured"].values / scale,
        error_y={"type": "data", "array": error, "thickness": 1, "width": 0, "visible": error is not None},
        customdata=one["step"].values,
        name=_name(one),
        legendgroup=_name(one),
        mode="lines+markers",
        line={"color": colour, "width": 1},
        marker={"color": colour, "symbol": symbol, "size": 8},
        hovertemplate="measured at step %{customdata:,}: %{y:.3g}",
    )


def _forecast(one: xr.Dataset, axis: TimeAxis, scale: float, colour: str, *, alone: bool) -> go.Scatter:
    time = one[time_name(one)]
    return go.Scatter(
        x=axis.position(time.values),
        y=one["forecast"].values / scale,
        customdata=time.values,
        name=_name(one),
        legendgroup=_name(one),
        showlegend=alone,
        mode="lines",
        line={"color": colour, "width": 2, "dash": "dash"},
        hovertemplate=f"forecast at {time.name} %{{customdata:,.4g}}: %{{y:.3g}}",
    )


def _targets(dataset: xr.Dataset, axis: TimeAxis, colours: list[str]) -> list[go.Scatter]:
    times = dataset[time_name(dataset)].values
    ends = axis.position([times.min(), times.max()])
    return [
        go.Scatter(
            x=ends,
            y=[float(variance)] * 2,
            mode="lines",
            line={"color": colour, "width": 1, "dash": "dot"},
            name="data variance",
            showlegend=False,
            hovertemplate="data variance %{y:.3g}<extra></extra>",
        )
        for variance, colour in zip(dataset["eigenvalue"].values, colours, strict=True)
    ]


def _name(one: xr.Dataset) -> str:
    return f"mode {int(one['mode']) + 1}"


def band_shapes() -> list[dict[str, object]]:
    """Shapes of the band within which a variance counts as right, and of the line at 1."""
    band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": BAND[0], "y1": BAND[1]}
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": 1, "y1": 1}
    return [
        {**band, "fillcolor": style.GREY, "opacity": 0.18, "line": {"width": 0}, "layer": "below"},
        {**line, "line": {"color": style.GREY, "width": 1}, "layer": "below"},
    ]


def _near(traces: list[go.Scatter]) -> list[Any]:
    """Heights that the axis spans: those near 1, or all if no curve comes near."""
    heights = _heights(traces)
    comes_near = any(((y >= 1 / FARTHEST) & (y <= FARTHEST)).any() for y in heights)
    return [np.clip(y, 1 / FARTHEST, FARTHEST) if comes_near else y for y in (*heights, np.array(BAND))]


def _heights(traces: list[go.Scatter]) -> list[np.ndarray]:
    return [np.asarray(trace.y, dtype=float) for trace in traces]


def _layout(title: str, values: list[Any], shapes: list[dict[str, object]]) -> dict[str, object]:
    return {**controls.axis_change("yaxis", style.log_axis(title, np.concatenate(values))), "shapes": shapes}
