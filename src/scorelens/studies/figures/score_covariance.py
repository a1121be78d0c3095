"""The covariance of a score fitted at one noise level, against fits to many training sets."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import xarray as xr

from scorelens.plots.measured import measured_ratios
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table, text
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.score_variance.covariance import (
    AFFINE,
    BINS,
    KNOWN,
    LEADING,
    MIXTURE,
    NONE,
    POINT_FIT,
    Budget,
    places,
    score_covariance,
)
from scorelens.studies.score_variance.rows import ratios, span, z_scores
from scorelens.studies.score_variance.source import CITATION, COMPUTED, SOURCE

#: A larger z says only that the draws that decide are too rare to have been seen.
TELLING = 1e3
Z_NOTE = "z: measured less predicted, in standard errors."


@final
class ScoreCovariance(FigureStudy):
    """Findings 1 and 2 of the generalisation theory: [G12], [G13] and [G9] against refits."""

    name = "score-covariance"
    title = "How much a fitted score varies"
    claim = Claim(
        "A score fitted to n draws of one noise level varies over training sets with the covariance "
        "L/(nσ²) times the identity, also where the data are points",
        "Eqs. (6), (20), (25) to (28), Cor. 1.4",
        "generalisation [G9], [G11] to [G13], [G29], [G30]",
        source=SOURCE,
        citation=CITATION,
        computed=COMPUTED,
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return score_covariance(self.budget)

    def findings(self, data: Data) -> Findings:
        variances, covariances, points = data["variances"], data["covariances"], data["points"]
        return Findings(
            (_exact(variances, covariances), _bins(variances, covariances), _sandwich(variances)),
            (_leading(variances), _isotropy(covariances), _points(points)),
            (_largest(variances),),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        lead = (
            "Affine scores of Gaussian data (12 and 15 draws), bins (25 draws), and mixtures of Gaussians "
            "with features that hold their score (400 and 600 draws), each fitted to many drawn training "
            "sets. L is the leverage of the point, n the number of draws, σ the noise level."
        )
        caption = (
            "Variance of the fitted score over training sets, divided by what formulas say, with its 95% "
            "interval. Blue: [G12] for affine scores and [G13] for bins, exact at any number of draws, and "
            "the sandwich [G9] for mixtures. Letters are points, indices components of the score."
        )
        variances = data["variances"]
        panel = Panel(
            "ratios", "Measured over predicted", caption, measured_ratios(variances), _table(variances)
        )
        others = (
            _table(data["covariances"], "Covariance of the score between points, components and bins"),
            _table(data["points"], "Point masses, features that hold their score", _note(data["points"])),
        )
        return (Section("variance", "Variance", "Variance of a fitted score", lead, (panel,), others),)


def _of(table: xr.Dataset, family: str) -> xr.Dataset:
    return table.isel(case=np.flatnonzero(table["family"].values == family))


def _worst(*tables: xr.Dataset) -> str:
    """Number of entries, and the largest distance from the prediction in standard errors."""
    z = np.concatenate([np.abs(z_scores(table, KNOWN).values) for table in tables])
    return f"all {z.size} entries within {z.max():.1f} standard errors"


def _span(table: xr.Dataset, family: str, prediction: str) -> str:
    return span(ratios(_of(table, family)).sel(prediction=prediction))


def _exact(variances: xr.Dataset, covariances: xr.Dataset) -> str:
    return (
        "[G12] for affine scores of Gaussian data is exact at 12 and 15 draws: "
        f"{_worst(_of(variances, AFFINE), _of(covariances, AFFINE))}, variances "
        f"{_span(variances, AFFINE, KNOWN)} times it."
    )


def _bins(variances: xr.Dataset, covariances: xr.Dataset) -> str:
    return (
        f"[G13] for bins is exact too: {_worst(_of(variances, BINS), _of(covariances, BINS))}, variances "
        f"{_span(variances, BINS, KNOWN)} times it; different bins are uncorrelated."
    )


def _sandwich(variances: xr.Dataset) -> str:
    return (
        f"the sandwich [G9] for mixtures: variances {_span(variances, MIXTURE, KNOWN)} times it, over two "
        "noise levels and one and two dimensions."
    )


def _leading(variances: xr.Dataset) -> str:
    return (
        f"L/(nσ²) is the limit of many draws and little noise: measured variances are "
        f"{_span(variances, AFFINE, LEADING)} times it for affine scores, "
        f"{_span(variances, BINS, LEADING)} for bins, and {_span(variances, MIXTURE, LEADING)} for "
        "mixtures, whose noise is not far below their width."
    )


def _isotropy(covariances: xr.Dataset) -> str:
    affine = _of(covariances, AFFINE)
    z = np.abs(z_scores(affine, LEADING).values)
    return (
        f"nor is the covariance a multiple of the identity: {int((z > 4.5).sum())} of {z.size} covariances "
        "of affine scores between points and components are more than 4.5 standard errors off, the worst "
        f"{z.max():.0f}."
    )


def _points(points: xr.Dataset) -> str:
    return (
        "point masses with features that hold their score have no such variance: in "
        f"{float(points['quiet'].min()):.2%} or more of the fits the squared deviation is below {NONE:g} "
        "of L/(nσ²); a sample shows no smear (Cor. 1.4)."
    )


def _largest(variances: xr.Dataset) -> str:
    mixtures = _of(variances, MIXTURE)
    z = np.abs(z_scores(mixtures, KNOWN).values)
    worst = mixtures.isel(case=int(z.argmax()))
    return (
        f"what [G9] leaves out is of the order of L/n: {worst['case'].item()} is the farthest from it, by "
        f"{z.max():.1f} standard errors."
    )


def _note(points: xr.Dataset) -> str:
    quiet = ", ".join(f"{float(share):.2%}" for share in points["quiet"])
    return (
        f"Share of fits whose squared deviation is below {NONE:g} of L/(nσ²): {quiet}. The rest of the "
        f"variance is of rare draws half-way between two points, {POINT_FIT.n} draws each."
    )


def _table(table: xr.Dataset, caption: str = "Variance of the score", note: str = "") -> Table:
    z = z_scores(table, KNOWN).values
    columns = {
        "case": table["case"].values.tolist(),
        "measured": table["measured"].values,
        "standard error": table["stderr"].values,
        KNOWN: table["predicted"].sel(prediction=KNOWN).values,
        "z": [text(float(f"{one:.1f}")) for one in np.where(np.abs(z) < TELLING, z, np.nan)],
        LEADING: table["predicted"].sel(prediction=LEADING).values,
    }
    return Table.of_columns(caption, columns, note or f"{Z_NOTE} {places()}.")
