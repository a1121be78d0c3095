"""The variance of a score with weights shared over times, as training reaches smaller times."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import xarray as xr

from scorelens.plots.measured import over_cutoff
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.score_variance.small_time import (
    NAIVE,
    POINT,
    POINT_NAIVE,
    PROXY,
    SAMPLES_TIME,
    UNWEIGHTED,
    WEIGHTED,
    Budget,
    small_time,
)
from scorelens.studies.score_variance.source import CITATION, COMPUTED, SOURCE

if TYPE_CHECKING:
    import plotly.graph_objects as go

MEASURED, SANDWICH, PRINTED = "measured", "[G9]", "Eq. (49), prefactor restored"


@final
class SmallTime(FigureStudy):
    """Findings 3 and 4 of the generalisation theory: what happens to the variance at small times."""

    name = "small-time"
    title = "The variance of a fitted score and small times"
    claim = Claim(
        "With weights shared over times, the covariance of the score tends to a constant as Δt → 0 at N Δt "
        "= c; the naive objective has none",
        "Prop. 3, Thm. 1, Cor. 1.1, Eqs. (16), (17), (46) to (50)",
        "generalisation [G9], [G14] to [G18]",
        source=SOURCE,
        citation=CITATION,
        computed=COMPUTED,
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return {"growth": small_time(self.budget)}

    def findings(self, data: Data) -> Findings:
        growth = data["growth"]
        return Findings(
            (_sandwich(growth), _logarithm(growth), _flat(growth)),
            (_constant(growth), _naive(growth), _points(growth)),
            (_unweighted(growth),),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        growth = data["growth"]
        lead = (
            "Affine scores over σ, Brownian noise (σ² = t) up to time 1, the score at x 1 and t 0.5. "
            f"Training draws N times, data and noises, none below Δt, with N Δt = {SAMPLES_TIME:g}: "
            f"N from {int(growth['samples'].min()):,} to {int(growth['samples'].max()):,}."
        )
        one = (
            "Variance of the score over training sets at N Δt = 20, Gaussian data, times of density σ²: "
            "measured with 95% intervals, the sandwich [G9] over N, and the printed limit."
        )
        all_cases = (
            "N times the variance, by [G9] (lines) and measured (points, 95% intervals). Times have the "
            "density σ² and no weight unless the name says otherwise. A logarithm of 1/Δt is a curve that "
            "flattens; a finite variance is level."
        )
        panels = (
            Panel("limit", "At N Δt = 20", one, _limit_figure(growth), _limit_table(growth)),
            Panel("growth", "N times the variance", all_cases, _growth_figure(growth), _growth_table(growth)),
        )
        return (Section("times", "Small times", "Variance against the smallest time", lead, panels),)


def _limit_figure(growth: xr.Dataset) -> go.Figure:
    lines = {SANDWICH: _per_sample(growth, "predicted"), PRINTED: _per_sample(growth, "printed")}
    points = xr.Dataset(
        {"measured": _per_sample(growth, "measured"), "stderr": _per_sample(growth, "stderr")}
    )
    return over_cutoff(lines, {MEASURED: points}, "variance of the score", "smallest time Δt")


def _growth_figure(growth: xr.Dataset) -> go.Figure:
    names = [str(name) for name in growth["case"].values]
    lines = {name: growth["predicted"].sel(case=name) for name in names}
    points = {name: growth[["measured", "stderr"]].sel(case=name) for name in names}
    return over_cutoff(lines, points, "N × variance of the score", "smallest time Δt")


def _per_sample(growth: xr.Dataset, name: str) -> xr.DataArray:
    """Over ``N``, of the first case."""
    whole = growth[name]
    return (whole.sel(case=PROXY.name) if "case" in whole.dims else whole) / growth["samples"]


def _limit_table(growth: xr.Dataset) -> Table:
    columns = {
        "Δt": growth["cutoff"].values,
        "N": growth["samples"].values,
        "measured": _per_sample(growth, "measured").values,
        "standard error": _per_sample(growth, "stderr").values,
        SANDWICH: _per_sample(growth, "predicted").values,
        PRINTED: _per_sample(growth, "printed").values,
    }
    return Table.of_columns(f"Variance of the score at N Δt = {SAMPLES_TIME:g}", columns)


def _growth_table(growth: xr.Dataset) -> Table:
    cutoffs = [float(t) for t in growth["cutoff"].values]
    rows = []
    for name in growth["case"].values.tolist():
        one = growth.sel(case=name)
        told = [
            f"{float(m):.3g}({float(e):.2g}), {float(p):.3g}"
            for m, e, p in zip(one["measured"], one["stderr"], one["predicted"], strict=True)
        ]
        rows.append((str(name), *told))
    header = ("case", *(f"Δt {t:g}" for t in cutoffs))
    return Table("N × variance: measured(standard error), [G9]", header, tuple(rows))


def _slope(growth: xr.Dataset, case: str, name: str = "predicted") -> float:
    """Growth of ``N`` times the variance per unit of ``log(1/Δt)`` over the last decade."""
    ends = growth[name].sel(case=case).sel(cutoff=[0.01, 0.001], method="nearest")
    steps = np.log(ends["cutoff"].values)
    return float((ends.values[1] - ends.values[0]) / (steps[0] - steps[1]))


def _told(growth: xr.Dataset, case: str) -> str:
    """[G9] at the cut-offs 0.1, 0.01, 0.001."""
    found = growth["predicted"].sel(case=case).sel(cutoff=[0.1, 0.01, 0.001], method="nearest")
    return ", ".join(f"{float(one):.2g}" for one in found)


def _sandwich(growth: xr.Dataset) -> str:
    z = (growth["measured"] - growth["predicted"]) / growth["stderr"]
    return (
        f"[G9] is what is measured: all {z.size} variances, over {growth.sizes['case']} ways to train, "
        f"within {float(np.abs(z).max()):.1f} standard errors."
    )


def _logarithm(growth: xr.Dataset) -> str:
    return (
        "the growth is a logarithm: per unit of log(1/Δt), N times the variance grows by "
        f"{_slope(growth, PROXY.name):.2f} between Δt 0.01 and 0.001, towards the coefficient of [G15], "
        f"{float(growth['slope'].sel(case=PROXY.name)):.2f}."
    )


def _flat(growth: xr.Dataset) -> str:
    return (
        "uniform times with σ² as weight, the usual practice, have a finite variance: N times it is "
        f"{_told(growth, WEIGHTED.name)} at Δt 0.1, 0.01, 0.001."
    )


def _constant(growth: xr.Dataset) -> str:
    variance, printed = _per_sample(growth, "measured").values, _per_sample(growth, "printed").values
    return (
        "there is no constant limit: a factor Δt is lost in Eq. (47). At N Δt = 20 the measured variance "
        f"falls from {variance[0]:.3g} to {variance[-1]:.2g} between Δt {float(growth['cutoff'][0]):g} and "
        f"{float(growth['cutoff'][-1]):g}, where Eq. (49) has {printed[0]:.2g} to {printed[-1]:.2g}."
    )


def _naive(growth: xr.Dataset) -> str:
    return (
        "the naive objective, told the true score, has a variance too: N times it is "
        f"{_told(growth, NAIVE.name)} at Δt 0.1, 0.01, 0.001, and grows like the logarithm (Cor. 1.1 holds "
        "for models without misfit)."
    )


def _points(growth: xr.Dataset) -> str:
    slope = growth["slope"]
    return (
        "for point masses the true score is as noisy as the proxy at small times: N times the variance is "
        f"{_told(growth, POINT.name)} with the proxy and {_told(growth, POINT_NAIVE.name)} with the true "
        f"score, both towards {float(slope.sel(case=POINT.name)):.2f} and "
        f"{float(slope.sel(case=POINT_NAIVE.name)):.2f} per unit of log(1/Δt)."
    )


def _unweighted(growth: xr.Dataset) -> str:
    return (
        "uniform times without a weight are the worst: N times the variance is "
        f"{_told(growth, UNWEIGHTED.name)}, about 1/Δt over the square of its logarithm."
    )
