"""Single formulas of the early text as printed and as the library has them, against independent numbers."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import xarray as xr

from scorelens.plots.measured import errors_in_rows
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table, text
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.score_variance.printed import (
    BINS,
    FEW,
    LAST_STEP,
    LIBRARY,
    MANY,
    PRINTED,
    SAMPLED,
    SCORE,
    SPREAD,
    VARIANCE_OF_NOISE,
    WAVES,
    Budget,
    printed_formulas,
)
from scorelens.studies.score_variance.rows import ratios, span, z_scores
from scorelens.studies.score_variance.source import CITATION, COMPUTED, SOURCE

ROUNDING = float(np.finfo(float).eps)
"""Errors are drawn no smaller: a logarithm has no 0."""


@final
class PrintedFormulas(FigureStudy):
    """Finding 8 of the generalisation theory: formulas printed and true, and a number that uses neither."""

    name = "printed-formulas"
    title = "Formulas as printed"
    claim = Claim(
        "The variance of the noise, the kernel of the last step, and the moments and characteristic function "
        "of the smeared law",
        "Eqs. (3), (6), (10), (20), (22), (24), (25)",
        "generalisation [G1], [G4], [G5], [G12], [G20], [G25], [G27], [G28]",
        source=SOURCE,
        citation=CITATION,
        computed=COMPUTED,
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return {"formulas": printed_formulas(self.budget)}

    def findings(self, data: Data) -> Findings:
        table = data["formulas"]
        return Findings(
            (_computed(table), _sampled(table), _derivatives(table), _affine(table)),
            (
                _noise(table),
                _last_step(table),
                _features(table),
                _waves(table),
                _bins(table),
                _spread(table),
            ),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        table = data["formulas"]
        lead = (
            "Independent numbers use neither formula: the equation of the variance integrated, fresh "
            "regressions, draws, the trapezoidal rule, error functions, and differences of log densities."
        )
        caption = (
            "Relative error against the independent number, drawn at rounding where it is below. For Eqs. "
            "(20) and (22) that number is an average over draws, and the library's error is of the size of "
            "its standard error."
        )
        figure = errors_in_rows(xr.Dataset({"error": _errors(table).clip(min=ROUNDING)}), "relative error")
        panel = Panel("errors", "Relative errors", caption, figure, _table(table))
        return (Section("formulas", "Formulas", "Library and print against a third number", lead, (panel,)),)


def _errors(table: xr.Dataset) -> xr.DataArray:
    """Relative to the independent number, ``(case, prediction)``."""
    return abs(table["predicted"] / table["measured"] - 1)


def _of(table: xr.Dataset, *families: str) -> xr.Dataset:
    return table.isel(case=np.flatnonzero(np.isin(table["family"].values, families)))


def _table(table: xr.Dataset) -> Table:
    sampled = np.isin(table["family"].values, SAMPLED)
    z = np.abs(z_scores(table.where(table["stderr"] > 0), LIBRARY).values)
    columns = {
        "formula": table["case"].values.tolist(),
        "independent": table["measured"].values,
        "standard error": np.where(sampled, table["stderr"].values, np.nan),
    }
    for name in (LIBRARY, PRINTED):
        columns[name] = table["predicted"].sel(prediction=name).values
        columns[f"error, {name}"] = [_short(e, ".2g") for e in _errors(table).sel(prediction=name).values]
    columns["z, library"] = [_short(one, ".1f") for one in z]
    note = "Errors are relative. A dash: not sampled, or printed as it is."
    return Table.of_columns("Formulas", columns, note)


def _short(value: float, form: str) -> str:
    return text(np.nan) if np.isnan(value) else f"{value:{form}}"


def _largest(table: xr.Dataset, *families: str) -> str:
    return f"{float(_errors(_of(table, *families)).sel(prediction=LIBRARY).max()):.0e}"


def _times(table: xr.Dataset, family: str) -> xr.DataArray:
    """Printed over independent."""
    return 1 / ratios(_of(table, family).sel(prediction=PRINTED))


def _computed(table: xr.Dataset) -> str:
    families = (VARIANCE_OF_NOISE, WAVES, BINS)
    return (
        f"[G1], [G28] and [G25] are right to rounding: all {_of(table, *families).sizes['case']} numbers "
        f"within {_largest(table, *families)} of integrated equations, sums and error functions."
    )


def _sampled(table: xr.Dataset) -> str:
    found = _of(table, LAST_STEP, MANY)
    z = np.abs(z_scores(found, LIBRARY).values)
    return (
        f"[G20] with [G12], and [G27], are what is drawn: all {z.size} variances within {z.max():.1f} "
        "standard errors of fresh regressions and of draws from the smeared law."
    )


def _derivatives(table: xr.Dataset) -> str:
    return (
        f"[G4] and [G5] are derivatives of the log density: within {_largest(table, SPREAD)} of second and "
        f"within {_largest(table, SCORE)} of first differences; Eq. 10 is printed as it is."
    )


def _affine(table: xr.Dataset) -> str:
    z = np.abs(z_scores(_of(table, FEW), PRINTED).values)
    return f"Eq. 22 holds for affine features, whose F is D: {z.max():.1f} standard errors off."


def _noise(table: xr.Dataset) -> str:
    return (
        f"Eq. 3 gives {span(_times(table, VARIANCE_OF_NOISE))} times the variance of sub-VP noise and of "
        "β 1, g² 2t: its integrand lacks the later shrinking, α at t over α at u, not α at u."
    )


def _last_step(table: xr.Dataset) -> str:
    one, other = (f"{float(f'{v:.2g}'):g}" for v in _times(table, LAST_STEP).values)
    return (
        f"Eq. 20 has the units wrong: Z divides, and should multiply. It is {one} and {other} times the "
        "measured variance at Z 0.5 and 8."
    )


def _features(table: xr.Dataset) -> str:
    z = np.abs(z_scores(_of(table, MANY), PRINTED).values)
    return (
        f"Eq. 22 counts dimensions, not features: with two and three powers of one coordinate it is "
        f"{z.min():.0f} to {z.max():.0f} standard errors off."
    )


def _waves(table: xr.Dataset) -> str:
    return (
        f"Eq. 24 lacks exp(−κu²/2): it is {span(_times(table, WAVES))} times the characteristic function "
        "at u 0.5 and 1.5."
    )


def _bins(table: xr.Dataset) -> str:
    return f"Eq. 25 is L − 1 and not L: {span(_times(table, BINS))} times the leverage of three bins."


def _spread(table: xr.Dataset) -> str:
    found = _of(table, SPREAD)
    c, identity = (found["measured"].values, found["predicted"].sel(prediction=PRINTED).values)
    entries = ", ".join(f"{one:.2f}".replace("-", "−") for one in c)
    return (
        f"Eq. 6 is the covariance of the target once the data point is known, {identity[0]:g} times the "
        f"identity at σ 0.5; once the noisy point is known, as for a fit, it has the entries {entries}."
    )
