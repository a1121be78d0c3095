"""When each mode emerges, and the laws fitted to that."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis import CRITERIA
from scorelens.analysis.power_laws import LEVEL
from scorelens.plots import FittedLaw
from scorelens.plots.selection import log_spaced
from scorelens.report.evidence import Evidence
from scorelens.report.panel import Panel, Section
from scorelens.report.sections.forecast_emergence import forecast_emergence
from scorelens.report.sections.power_laws import fitted, power_law_tables
from scorelens.report.table import Table, left_out

TABLE_ROWS = 60
TIMES = ("emergence_step", "forecast_emergence_step")


def emergence(evidence: Evidence) -> Section:
    """The section on emergence: measured and forecast steps against variance, and power laws."""
    if evidence.is_forecast and evidence.forecast is not None:
        return forecast_emergence(evidence.forecast)
    curves = evidence.curves
    known = curves is not None and any(name in curves for name in TIMES) and "gray" in curves
    return Section(
        name="emergence",
        short_title="Emergence",
        title="When each mode emerges",
        lead=(
            f"A mode emerges when its generated variance crosses {_threshold(curves)}. Rising modes start "
            f"too weak, falling modes too strong."
        ),
        tables=power_law_tables(curves),
        panels=_panels(curves) if known else (),  # pyright: ignore[reportArgumentType]
        absent=() if known else ("Emergence needs a forecast, or measurements at two steps or more.",),
    )


def _threshold(curves: xr.Dataset | None) -> str:
    criterion = CRITERIA[0] if curves is None else curves.attrs.get("criterion", CRITERIA[0])
    if criterion == "band":
        return "into a band around the data's variance"
    return f"the {criterion} mean of where it started and the data's variance"


def _panels(curves: xr.Dataset) -> tuple[Panel, ...]:
    laws = _measured_laws(curves)
    parts = ["Each point is a mode: to the right its variance in the data, upwards when it emerged."]
    if "emergence_step" in curves:
        parts.append("Hollow triangles are bounds: not yet by the last step, or before the first one.")
    if "forecast_emergence_low" in curves:
        parts.append(f"The dashed curve is the forecast, the shade around it its {LEVEL:.0%} interval.")
    parts.append("In the gray band modes start within a factor two of their target.")
    if laws:
        parts.append("Straight lines are power laws fitted to the measured points.")
    figure = plots.emergence(curves, laws)
    main = Panel("emergence-law", "Emergence against variance", " ".join(parts), figure, _table(curves))
    return (main,)


def _measured_laws(curves: xr.Dataset) -> list[FittedLaw]:
    """The fits to what was measured, by the criterion that the points are drawn with (the first)."""
    if "n_fitted" not in curves or "measured" not in curves["source"].values:
        return []
    return fitted(curves.isel(criterion=0), "measured")


def _table(curves: xr.Dataset) -> Table:
    rows = log_spaced(curves.sizes["mode"], TABLE_ROWS)
    small = curves.isel(mode=rows)
    columns = {"mode": small["mode"].values + 1, "variance": small["eigenvalue"].values}
    columns["direction"] = np.where(small["rising"].values, "rising", "falling")
    if "emergence_step" in small:
        columns["measured"] = small["emergence_step"].values
        columns["status"] = small["emergence_status"].values
    for name, label in (
        ("forecast_emergence_step", "forecast"),
        ("forecast_emergence_low", "lower end"),
        ("forecast_emergence_high", "upper end"),
    ):
        if name in small:
            columns[label] = small[name].values
    note = left_out("modes", rows, curves.sizes["mode"], "the run folder (there, mode 1 is mode 0)")
    return Table.of_columns("When each mode emerges", columns, note)
