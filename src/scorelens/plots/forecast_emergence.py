"""When each mode emerges by a learning law: one view per threshold, with the fitted power laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.emergence import COLOURS, SYMBOLS, FittedLaw, fitted_lines, mark_gray_zone
from scorelens.plots.time_axis import TimeAxis, time_title

EMERGED = "emerged"


def forecast_emergence(dataset: xr.Dataset, laws: Mapping[str, Sequence[FittedLaw]]) -> go.Figure:
    """Emergence dose over data variance (log-log), a view for each ``criterion``, with its fits ``laws``.

    ``dataset`` has the coordinates ``eigenvalue(mode)`` and ``flow_time``, ``rising(mode)``, ``gray(mode)``,
    and ``emergence_time_by_criterion`` and ``emergence_status_by_criterion``, both ``(criterion, mode)``.
    Modes that never emerge, or are not timed, are left out.
    """
    alive = dataset.isel(mode=np.flatnonzero(dataset["eigenvalue"].values > 0))
    views = {
        str(name): _traces(alive.sel(criterion=name), laws.get(str(name), ()))
        for name in alive.criterion.values
    }
    drawn = style.figure(height=500)
    drawn.add_traces([trace for traces in views.values() for trace in traces])
    drawn.update_xaxes(**style.log_axis("variance of the mode in the data", alive["eigenvalue"].values))
    drawn.update_yaxes(**_axis(alive).settings(f"emergence, {time_title(dataset)}"))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    names = [name for name, traces in views.items() for _ in traces]
    controls.add_views(drawn, "threshold", {name: ([name == other for other in names], {}) for name in views})
    mark_gray_zone(drawn, alive)
    return drawn


def _axis(dataset: xr.Dataset) -> TimeAxis:
    emerged = dataset["emergence_status_by_criterion"].values == EMERGED
    times = dataset["emergence_time_by_criterion"].values[emerged]
    return TimeAxis.over(times if times.size else dataset["flow_time"].values)


def _traces(one: xr.Dataset, laws: Sequence[FittedLaw]) -> list[go.Scatter]:
    emerged = one["emergence_status_by_criterion"].values == EMERGED
    rising = one["rising"].values.astype(bool)
    points = [
        _points(one, emerged & side, branch) for branch, side in (("rising", rising), ("falling", ~rising))
    ]
    return [*points, *fitted_lines(laws)]


def _points(one: xr.Dataset, chosen: np.ndarray, branch: str) -> go.Scatter:
    return go.Scatter(
        x=one["eigenvalue"].values[chosen],
        y=one["emergence_time_by_criterion"].values[chosen],
        customdata=one["mode"].values[chosen] + 1,
        name=f"{branch} modes",
        showlegend=bool(chosen.any()),
        mode="markers",
        marker={"color": COLOURS[branch], "symbol": SYMBOLS[branch], "size": 8 if chosen.sum() <= 64 else 5},
        hovertemplate="mode %{customdata}, variance %{x:.3g}<br>emerges at dose %{y:,.4g}<extra></extra>",
    )
