"""Several learning laws in one figure: when each lets the modes of the data emerge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style
from scorelens.plots.forecast_emergence import EMERGED
from scorelens.plots.time_axis import TimeAxis, time_title


def emergence_of_laws(forecasts: Mapping[str, xr.Dataset]) -> go.Figure:
    """Emergence dose over data variance (log-log), one colour per law, a view for each ``criterion``.

    Each Dataset is what `forecast_emergence` takes. Rising modes are filled, falling ones hollow; modes that
    never emerge, or are not timed, are left out.
    """
    first = next(iter(forecasts.values()))
    criteria = [str(name) for name in first["criterion"].values]
    drawn = style.figure(height=520)
    names = []
    for criterion in criteria:
        for i, (label, forecast) in enumerate(forecasts.items()):
            drawn.add_trace(_points(forecast.sel(criterion=criterion), label, i))
            names.append(criterion)
    variances = np.concatenate([forecast["eigenvalue"].values for forecast in forecasts.values()])
    drawn.update_xaxes(**style.log_axis("variance of the mode in the data", variances[variances > 0]))
    drawn.update_yaxes(**_axis(forecasts).settings(f"emergence, {time_title(first)}"))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    views = {criterion: ([criterion == name for name in names], {}) for criterion in criteria}
    controls.add_views(drawn, "threshold", views)
    return drawn


def _axis(forecasts: Mapping[str, xr.Dataset]) -> TimeAxis:
    times = [
        one["emergence_time_by_criterion"].values[one["emergence_status_by_criterion"].values == EMERGED]
        for one in forecasts.values()
    ]
    every = np.concatenate(times)
    return TimeAxis.over(every if every.size else next(iter(forecasts.values()))["flow_time"].values)


def _points(one: xr.Dataset, label: str, i: int) -> go.Scatter:
    colour, symbol, _ = line_style(i)
    emerged = (one["emergence_status_by_criterion"].values == EMERGED) & (one["eigenvalue"].values > 0)
    rising = one["rising"].values[emerged]
    return go.Scatter(
        x=one["eigenvalue"].values[emerged],
        y=one["emergence_time_by_criterion"].values[emerged],
        customdata=one["mode"].values[emerged] + 1,
        name=label,
        mode="markers",
        marker={
            "color": colour,
            "symbol": np.where(rising, symbol, f"{symbol}-open"),
            "size": 8 if emerged.sum() <= 64 else 5,
        },
        hovertemplate=(
            f"mode %{{customdata}}, variance %{{x:.3g}}<br>{label}: dose %{{y:,.4g}}<extra></extra>"
        ),
    )
