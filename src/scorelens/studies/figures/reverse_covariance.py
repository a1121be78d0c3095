"""What fresh fits at every step add to the covariance of samples: exact recursion, and all steps over the "
"last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import xarray as xr

from scorelens.generalization.vkernel import SMOOTH_FACTOR
from scorelens.plots.measured import measured_ratios, over_cutoff
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table, text
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.score_variance.reverse import EXACT, LAST, LEADING, Budget, reverse_covariance
from scorelens.studies.score_variance.rows import ratios, span, z_scores
from scorelens.studies.score_variance.source import CITATION, COMPUTED, SOURCE

if TYPE_CHECKING:
    import plotly.graph_objects as go

SUM = "Σ 1/k²"


@final
class ReverseCovariance(FigureStudy):
    """Findings 5 and 6 of the generalisation theory: [G23] against fresh regressions, and [G22]."""

    name = "reverse-covariance"
    title = "What fresh fits add to the samples"
    claim = Claim(
        "What the variance of the score adds to the samples is a convolution with the kernel of the last "
        "step",
        "Sec. 5, Eqs. (20) to (24)",
        "generalisation [G12], [G20] to [G23]",
        source=SOURCE,
        citation=CITATION,
        computed=COMPUTED,
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return reverse_covariance(self.budget)

    def findings(self, data: Data) -> Findings:
        added, factor = data["added"], data["factor"]
        return Findings(
            (_recursion(added), _limit(factor)),
            (_last(added), _leading(added), _few(factor)),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        added, factor = data["added"], data["factor"]
        lead = (
            "Gaussian data, a variance-preserving process to time 1, eight Euler steps backwards; every "
            "step of every trajectory fits its own affine score, to 10 draws in one dimension and 14 in two."
        )
        caption = (
            "Covariance of the displacement from the noise-free run of the same start, measured over "
            "predicted, with 95% intervals. Indices are components."
        )
        smooth = (
            "Variance that all steps add, by the exact recursion, over what the last one adds to leading "
            "order, for N(0.4, 0.7) and Brownian noise, times of density σ². A line per number of draws of "
            f"the last step's fit; the limit of many draws and small steps is π²/6 = {SMOOTH_FACTOR:.3f}."
        )
        return (
            Section(
                "added",
                "Added covariance",
                "Added covariance",
                lead,
                (Panel("ratios", "Measured over predicted", caption, measured_ratios(added), _table(added)),),
            ),
            Section(
                "factor",
                "All steps",
                "All steps over the last one",
                "",
                (Panel("factor", "The factor of [G22]", smooth, _figure(factor), _factor_table(factor)),),
            ),
        )


def _figure(factor: xr.Dataset) -> go.Figure:
    lines = {str(name): factor["factor"].sel(case=name) for name in factor["case"].values}
    lines[SUM] = factor["leading"]
    title = "all steps / last step"
    return over_cutoff(lines, {}, title, "step Δt", log=False)


def _table(added: xr.Dataset) -> Table:
    columns = {
        "entry": added["case"].values.tolist(),
        "measured": added["measured"].values,
        "standard error": added["stderr"].values,
    }
    for name in added["prediction"].values.tolist():
        columns[name] = added["predicted"].sel(prediction=name).values
        columns["z" if name == EXACT else f"z, {name}"] = [
            text(float(f"{z:.1f}")) for z in z_scores(added, name).values
        ]
    return Table.of_columns(
        "Covariance that the fits add", columns, "z: measured less predicted, in standard errors."
    )


def _factor_table(factor: xr.Dataset) -> Table:
    columns = {"Δt": factor["cutoff"].values}
    columns |= {str(name): factor["factor"].sel(case=name).values for name in factor["case"].values}
    return Table.of_columns("All steps over the last one", columns | {SUM: factor["leading"].values})


def _recursion(added: xr.Dataset) -> str:
    z = np.abs(z_scores(added, EXACT).values)
    return (
        f"[G23] is exact: all {z.size} entries of the added covariance, in one and two dimensions, within "
        f"{z.max():.1f} standard errors of whole runs with fresh regressions, at "
        f"{span(ratios(added).sel(prediction=EXACT))} times it."
    )


def _at(factor: xr.Dataset, case: int, step: float) -> float:
    return float(factor["factor"].isel(case=case).sel(cutoff=step, method="nearest"))


def _limit(factor: xr.Dataset) -> str:
    return (
        f"with {int(factor['first_samples'][0]):,} draws for the last step all steps together add "
        f"{_at(factor, 0, 0.02):.2f} times what the last one does at Δt 1/50, {_at(factor, 0, 0.005):.2f} "
        f"at 1/200 and {_at(factor, 0, 0.001):.2f} at 1/1000, towards π²/6 = {SMOOTH_FACTOR:.3f}."
    )


def _excluded(added: xr.Dataset, name: str) -> str:
    z = np.abs(z_scores(added, name).values)
    times = span(ratios(added).sel(prediction=name))
    return f"{times} times it, {z.min():.0f} to {z.max():.0f} standard errors off"


def _last(added: xr.Dataset) -> str:
    none = np.abs(added["measured"].values / added["stderr"].values)
    return (
        f"the last step is not all: measured entries are {_excluded(added, LAST)}. No noise at all is "
        f"excluded by {none.min():.0f} to {none.max():.0f}."
    )


def _leading(added: xr.Dataset) -> str:
    return (
        f"L/(nσ²) at every step has neither size nor shape: measured entries are {_excluded(added, LEADING)}."
    )


def _few(factor: xr.Dataset) -> str:
    last = int(factor.sizes["case"]) - 1
    few = [
        f"{_at(factor, case, 0.001):.2f} with {int(factor['first_samples'][case])}"
        for case in (last - 1, last)
    ]
    return (
        "at a fixed c the last step runs out of draws as Δt → 0, and the factor goes beyond any constant: "
        f"at Δt 1/1000 it is {' and '.join(few)} draws for the last step; with two there is no fit ([G21])."
    )
