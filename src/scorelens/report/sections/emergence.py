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
from scorelens.report.table import Table, left_out, text

TABLE_ROWS = 60
TIMES = ("emergence_step", "forecast_emergence_step")
SOURCES = {"measured": "measured", "law": "forecast"}


def emergence(evidence: Evidence) -> Section:
    """The section on emergence: measured and forecast steps against variance, and power laws."""
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
        tables=_tables(curves),
        panels=_panels(curves) if known else (),  # pyright: ignore[reportArgumentType]
        absent=() if known else ("Emergence needs a forecast, or measurements at two steps or more.",),
    )


def _threshold(curves: xr.Dataset | None) -> str:
    criterion = CRITERIA[0] if curves is None else curves.attrs.get("criterion", CRITERIA[0])
    if criterion == "band":
        return "into a band around the data's variance"
    return f"the {criterion} mean of where it started and the data's variance"


def _panels(curves: xr.Dataset) -> tuple[Panel, ...]:
    laws = _laws(curves)
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


def _tables(curves: xr.Dataset | None) -> tuple[Table, ...]:
    if curves is None or "n_fitted" not in curves or not (curves["n_fitted"].values > 0).any():
        return ()
    return (_power_laws(curves),)


def _power_laws(curves: xr.Dataset) -> Table:
    """Fitted exponents by criterion and branch, measured beside forecast."""
    sources = [str(source) for source in curves["source"].values]
    rows = [
        (str(criterion), str(branch), *_exponents(curves.sel(criterion=criterion, branch=branch), sources))
        for criterion in curves["criterion"].values
        for branch in curves["branch"].values
        if int(curves["n_fitted"].sel(criterion=criterion, branch=branch).max()) > 0
    ]
    header = ("threshold", "modes", "fitted", *(SOURCES.get(source, source) for source in sources))
    note = (
        f"Exponents of emergence time against variance, with {LEVEL:.0%} intervals: −1 means that half "
        f"the variance takes twice as long. Thresholds lie between start and target: harmonic, geometric "
        f"and arithmetic means, or a band around the target. Gray, early and late modes are left out of "
        f"all fits, measured and forecast."
    )
    return Table("Power laws of emergence", header, tuple(rows), note)


def _exponents(fits: xr.Dataset, sources: list[str]) -> tuple[str, ...]:
    """Number of modes, then the exponent with its interval for each source."""
    each = (fits.sel(source=source) for source in sources)
    ends = ("exponent", "exponent_low", "exponent_high")
    texts = [_with_interval(*(float(fit[end]) for end in ends)) for fit in each]
    return (text(int(fits["n_fitted"].max())), *texts)


def _with_interval(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return text(value)
    shown, least, most = (f"{number:.2f}".replace("-0.00", "0.00") for number in (value, low, high))
    return f"{shown} ({least} to {most})".replace("-", "−")


def _laws(curves: xr.Dataset) -> list[FittedLaw]:
    """The fits to what was measured, by the criterion that the points are drawn with (the first)."""
    if "n_fitted" not in curves or "measured" not in curves["source"].values:
        return []
    names = ("prefactor", "exponent", "smallest_variance", "largest_variance")
    fits = curves.isel(criterion=0).sel(source="measured")
    return [
        FittedLaw(str(branch), *(float(fits[name].sel(branch=branch)) for name in names))
        for branch in fits["branch"].values
        if int(fits["n_fitted"].sel(branch=branch)) > 0
    ]


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
