"""Whole reverse runs with fresh fits at every step, and the Euler scheme with noise that stands for them."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import xarray as xr

from scorelens.plots.measured import measured_ratios
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table, text
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.score_variance.dynamics import (
    BIAS_SAMPLES,
    BIASED,
    SAMPLES,
    UNBIASED,
    Budget,
    effective_dynamics,
)
from scorelens.studies.score_variance.rows import ratios, span, z_scores
from scorelens.studies.score_variance.source import CITATION, COMPUTED, SOURCE

AFFINE = "1-D affine"


@final
class EffectiveDynamics(FigureStudy):
    """Finding 7 of the generalisation theory: section 7 with [G9] and [G10] against fresh regressions."""

    name = "effective-dynamics"
    title = "Samplers of fitted scores as a scheme with noise"
    claim = Claim(
        "Averaged over training sets, the sampler is a stochastic equation with the drift of the optimal "
        "score",
        "Prop. 4, Eqs. (11), (14), (51)",
        "generalisation [G9], [G10], section 7",
        source=SOURCE,
        citation=CITATION,
        computed=COMPUTED,
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return effective_dynamics(self.budget)

    def findings(self, data: Data) -> Findings:
        displacement, change, bias = data["displacement"], data["change"], data["bias"]
        agrees = (_noise(displacement), _changes(change), _bias(bias))
        return Findings(agrees, (_drift(change), _order(displacement)))

    def sections(self, data: Data) -> tuple[Section, ...]:
        lead = (
            "Mixtures of two Gaussians, Brownian noise from time 1, eight Euler steps; every step of every "
            f"run fits its own score to {SAMPLES} draws. The scheme adds noise of covariance [G9] over n "
            "to the optimal score, and the bias [G10] over n to its drift or not."
        )
        caption = (
            "Variance of the displacement from the noise-free run of the same start, measured over "
            "predicted, with 95% intervals. Indices are components."
        )
        moved = data["displacement"]
        note = "Standard errors are of runs and scheme together; z in units of them."
        what = "Variance of the displacement"
        panel = Panel(
            "ratios", "Measured over predicted", caption, measured_ratios(moved), _table(moved, what, note)
        )
        change = _table(data["change"], "Change of the variance of the samples", note)
        caption = f"Bias of affine scores of one time, of {BIAS_SAMPLES} draws of another mixture"
        bias = _table(data["bias"], caption, "Its error is of the fits alone.")
        tables = (change, bias)
        return (Section("dynamics", "Dynamics", "Fresh fits against the scheme", lead, (panel,), tables),)


def _table(table: xr.Dataset, caption: str, note: str) -> Table:
    columns = {
        "case": table["case"].values.tolist(),
        "measured": table["measured"].values,
        "standard error": table["stderr"].values,
    }
    for name in (BIASED, UNBIASED):
        columns[name] = table["predicted"].sel(prediction=name).values
        columns[f"z, {name}"] = [text(float(f"{z:.1f}")) for z in z_scores(table, name).values]
    return Table.of_columns(caption, columns, note)


def _noise(displacement: xr.Dataset) -> str:
    return (
        "the displacement that fresh fits cause is that of the scheme up to the order F/n that [G9] leaves "
        f"out: variances {span(ratios(displacement).sel(prediction=BIASED))} times it over "
        f"{displacement.sizes['case']} components of six fits."
    )


def _changes(change: xr.Dataset) -> str:
    z = np.abs(z_scores(change, BIASED).values)
    return (
        "with the bias in its drift the scheme has the variance of the samples: its change in all "
        f"{z.size} components within {z.max():.1f} standard errors."
    )


def _bias(bias: xr.Dataset) -> str:
    z = np.abs(z_scores(bias, BIASED).values)
    found = [
        f"{float(one['measured']):.5f} ± {float(one['stderr']):.5f}, by [G10] "
        f"{float(one['predicted'].sel(prediction=BIASED)):.5f}"
        for one in (bias.sel(case=name) for name in ("constant", "slope"))
    ]
    return (
        f"at one time, the bias of an affine score of {BIAS_SAMPLES} draws is close to that of [G10] over n: "
        f"constant {found[0]}; slope {found[1]}; within {z.max():.1f} standard errors."
    )


def _drift(change: xr.Dataset) -> str:
    one = change.sel(case=AFFINE)
    with_bias, without = (float(one["predicted"].sel(prediction=name)) for name in (BIASED, UNBIASED))
    z = float(z_scores(change, UNBIASED).sel(case=AFFINE))
    return (
        "the drift is the mean of the fitted score, not the optimal one: for affine scores of a mixture "
        f"the variance of the samples changes by {float(one['measured']):.4f} ± "
        f"{float(one['stderr']):.4f}, by the scheme {with_bias:.4f} with the bias and {without:.4f} "
        f"without, {z:.1f} standard errors off (the theory's own run, whose mixture it does not give, has "
        "0.0093)."
    )


def _order(displacement: xr.Dataset) -> str:
    z = np.abs(z_scores(displacement, BIASED).values)
    return (
        "the noise of the estimator is Gaussian with the sandwich only for many draws: at "
        f"{SAMPLES} draws {int((z > 3).sum())} of {z.size} variances are more than 3 standard errors off, "
        f"the worst {z.max():.1f}."
    )
