"""When each mode emerges by the law, for every threshold, and the power laws fitted to that."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.dynamics.emergence.times import EMERGED
from scorelens.plots import FittedLaw
from scorelens.plots.selection import log_spaced
from scorelens.report.panel import Panel, Section
from scorelens.report.sections.power_laws import fitted, power_law_tables
from scorelens.report.table import Table, left_out

TABLE_ROWS = 60
NEVER = "By this law no mode emerges that does not start near its target; the summary says why."


def forecast_emergence(forecast: xr.Dataset) -> Section:
    """The section on emergence of a forecast that stands alone."""
    known = (forecast["emergence_status_by_criterion"].values == EMERGED).any()
    return Section(
        name="emergence",
        short_title="Emergence",
        title="When each mode emerges",
        lead=(
            "A mode emerges when its generated variance crosses a threshold between where it starts and the "
            "data's variance. Where that threshold lies is a choice, and it changes the answer: the table "
            "below holds the exponents of all of them. Rising modes start too weak, falling modes too strong."
        ),
        tables=power_law_tables(forecast),
        panels=(_panel(forecast),) if known else (),
        absent=() if known else (NEVER,),
    )


def _panel(forecast: xr.Dataset) -> Panel:
    laws = {str(name): _laws(forecast, str(name)) for name in forecast["criterion"].values}
    parts = [
        "Each point is a mode: to the right its variance in the data, upwards the dose at which it emerges. "
        "Choose the threshold: a mean of start and target, or a band around the target.",
    ]
    if any(laws.values()):
        parts.append("Straight lines are power laws fitted to the points.")
    if forecast["gray"].values.any():
        parts.append("In the gray band modes start within a factor two of their target; they are not timed.")
    figure = plots.forecast_emergence(forecast, laws)
    return Panel("emergence-law", "Emergence against variance", " ".join(parts), figure, _table(forecast))


def _laws(forecast: xr.Dataset, criterion: str) -> list[FittedLaw]:
    return fitted(forecast.sel(criterion=criterion), "law")


def _table(forecast: xr.Dataset) -> Table:
    rows = log_spaced(forecast.sizes["mode"], TABLE_ROWS)
    small = forecast.isel(mode=rows)
    columns = {"mode": rows + 1, "variance": small["eigenvalue"].values}
    columns["direction"] = np.where(small["rising"].values, "rising", "falling")
    for name in small["criterion"].values:
        columns[f"dose, {name}"] = small["emergence_time_by_criterion"].sel(criterion=name).values
    columns["status"] = small["emergence_status"].values
    note = left_out("modes", rows, forecast.sizes["mode"], "datasets.zarr/forecast (there, mode 1 is mode 0)")
    return Table.of_columns("When each mode emerges (status: by the first threshold)", columns, note)
