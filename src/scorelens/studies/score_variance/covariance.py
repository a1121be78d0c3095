"""The covariance of a score fitted at one noise level, by formulas and by refits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.estimators.features import Affine, Bins
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics import (
    MixtureFeatures,
    OneTime,
    StateFeatures,
    bin_score,
    linear_score_covariance,
)
from scorelens.instruments.labels import PURE, variable
from scorelens.studies.objective_scores import PER_SCORE
from scorelens.studies.score_variance.one_time_refits import bin_scores, refitted_scores
from scorelens.studies.score_variance.rows import Row, mean_and_error, table_of, variance_and_error

KNOWN, LEADING = "[G9], [G12], [G13]", "L/(nσ²)"
AFFINE, BINS, MIXTURE, POINTS = "affine", "bins", "mixture", "points"
EDGES = np.array([-0.5, 0.6])
#: Share of ``L / (n sigma^2)`` below which a squared deviation counts as none.
NONE = 2e-6


@final
@dataclass(frozen=True)
class Budget:
    """How many training sets are drawn for each case."""

    exact_fits: int = 40_000
    mixture_fits: int = 4_000


@final
@dataclass(frozen=True, eq=False)
class Fit:
    """One fit of ``n`` draws, looked at in the points ``at (p, d)``."""

    family: str
    name: str
    theory: OneTime
    n: int
    at: np.ndarray


def _affine(name: str, law: DataLaw, alpha: float, std: float, n: int, at: list[list[float]]) -> Fit:
    theory = OneTime(StateFeatures(Affine(law.dim)), law, alpha, std)
    return Fit(AFFINE, name, theory, n, np.array(at))


def _mixture(
    name: str, law: DataLaw, std: float, n: int, at: list[list[float]], family: str = MIXTURE
) -> Fit:
    return Fit(family, name, OneTime(MixtureFeatures(law), law, 0.95, std), n, np.array(at))


LINE = DataLaw.mixture(np.ones(3), [[-1.0], [0.0], [1.2]], np.full((3, 1, 1), 0.09))
CORNERS = DataLaw.mixture(
    np.ones(3), [[-1.0, 0.0], [1.0, 0.3], [0.2, 1.2]], np.tile(0.16 * np.eye(2), (3, 1, 1))
)
THREE_POINTS = DataLaw.points([[-1.0], [0.0], [1.2]])
FOUR_POINTS = DataLaw.points([[-1.0], [0.1], [0.3], [1.2]])

FITS: tuple[Fit, ...] = (
    _affine("1-D", DataLaw.gaussian([0.3], [[1.5]]), 0.9, 0.2, 12, [[0.3], [1.5]]),
    _affine(
        "2-D",
        DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]]),
        0.8,
        0.3,
        15,
        [[0.3, 0.2], [1.5, -1.0]],
    ),
    _mixture("σ 0.1", LINE, 0.1, 400, [[-1.0], [0.5], [2.0]]),
    _mixture("σ 0.3", LINE, 0.3, 400, [[-1.0], [0.5], [2.0]]),
    _mixture("2-D", CORNERS, 0.3, 600, [[0.9, 0.0], [-0.5, 0.8]]),
)
"""Affine scores of a Gaussian, and mixtures with features that hold their score."""

BIN_FIT = Fit(BINS, "1-D", OneTime(StateFeatures(Bins(EDGES)), FOUR_POINTS, 0.98, 0.2), 25, np.zeros((0, 1)))

POINT_FIT = _mixture("σ 0.1", THREE_POINTS, 0.1, 400, [[-0.95], [0.1], [1.2]], POINTS)
"""Point masses with features that hold their score."""


def score_covariance(budget: Budget | None = None) -> dict[str, xr.Dataset]:
    """``variances``: of the score at single points. ``covariances``: of points, components and bins apart.

    As `table_of` has them; predictions are exact where that is known, the sandwich [G9] otherwise, and the
    leading ``L / (n sigma^2)``, which is zero between components. ``points`` are the variances for point
    masses, where rare draws decide, with ``quiet``, the share of fits that deviate by next to nothing.
    """
    asked, variances, covariances = budget or Budget(), [], []
    for seed, fit in enumerate(FITS):
        fits = asked.exact_fits if fit.family == AFFINE else asked.mixture_fits
        scores = refitted_scores(fit.theory, fit.n, fit.at, fits, seed).reshape(fits, -1)
        for i, j, row in _entries(fit, scores):
            (variances if i == j else covariances).append(row)
    scores = bin_scores(BIN_FIT.theory, BIN_FIT.n, asked.exact_fits, len(FITS))
    variances += _of_bins(scores)
    covariances += _between_bins(scores)
    return {
        "variances": table_of(variances, "variance of the score", PER_SCORE),
        "covariances": table_of(covariances, "covariance of the score", PER_SCORE),
        "points": _of_points(asked.mixture_fits),
    }


def _of_points(fits: int) -> xr.Dataset:
    scores = refitted_scores(POINT_FIT.theory, POINT_FIT.n, POINT_FIT.at, fits, len(FITS) + 1)[..., 0]
    rows = [row for i, j, row in _entries(POINT_FIT, scores) if i == j]
    made = table_of(rows, "variance of the score", PER_SCORE)
    squares = (scores - POINT_FIT.theory.score(POINT_FIT.at)[:, 0]) ** 2
    quiet = (squares < NONE * made["predicted"].sel(prediction=LEADING).values).mean(axis=0)
    return made.assign(quiet=variable(("case",), quiet, f"Share of fits within {NONE:g} of L/(nσ²)", PURE))


def _entries(fit: Fit, scores: np.ndarray) -> list[tuple[int, int, Row]]:
    """Every entry of the covariance on and above the diagonal, as a row."""
    exact, theory, d = fit.family == AFFINE, fit.theory, fit.theory.law.dim
    level = (theory.alpha, theory.std)
    best = (
        linear_score_covariance(theory.law, *level, fit.n, fit.at)
        if exact
        else theory.covariance_of(fit.n, fit.at)
    ).reshape(scores.shape[1], -1)
    rows = theory.orthonormal(fit.at)
    leading = np.kron(rows @ rows.T, np.eye(d)) / (fit.n * theory.std**2) + 0.0  # [G11]
    apart, names = scores - scores.mean(axis=0), _names(fit)
    found = []
    for i, j in zip(*np.triu_indices(len(names)), strict=True):
        measured, error = mean_and_error(apart[:, i] * apart[:, j] * len(apart) / (len(apart) - 1))
        predicted = {KNOWN: best[i, j], LEADING: leading[i, j]}
        name = names[i] if i == j else f"{names[i]} {names[j].split(', ')[1]}"
        found.append((i, j, Row(fit.family, name, measured, error, predicted)))
    return found


def _names(fit: Fit) -> list[str]:
    """Points by letters, components by indices."""
    letters = "abc"[: len(fit.at)]
    indices = ("",) if fit.theory.law.dim == 1 else ("₁", "₂")
    return [f"{fit.family} {fit.name}, {letter}{index}" for letter in letters for index in indices]


def places() -> str:
    """Where the letters of the names are.

    >>> places().split("; ")[0]
    'affine 1-D: a 0.3, b 1.5'
    """

    def told(fit: Fit) -> str:
        at = [" ".join(f"{float(c):g}".replace("-", "−") for c in x) for x in fit.at]
        inner = (
            f"{letter} {x}" if " " not in x else f"{letter} ({x})"
            for letter, x in zip("abc", at, strict=False)
        )
        return f"{fit.family} {fit.name}: {', '.join(inner)}"

    return "; ".join(told(fit) for fit in (*FITS, POINT_FIT))


def _of_bins(scores: np.ndarray) -> list[Row]:
    theory, n = BIN_FIT.theory, BIN_FIT.n
    known = bin_score(theory.law, EDGES, theory.alpha, theory.std, n)
    rows = []
    for b in range(scores.shape[1]):
        measured, error = variance_and_error(scores[np.isfinite(scores[:, b]), b])
        predicted = {KNOWN: float(known.variance[b]), LEADING: float(known.leading[b])}
        rows.append(Row(BINS, f"{BINS}, bin {b + 1}", measured, error, predicted))
    return rows


def _between_bins(scores: np.ndarray) -> list[Row]:
    rows = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = scores[np.isfinite(scores[:, [i, j]]).all(axis=1)][:, [i, j]]
        measured, error = mean_and_error((both - both.mean(axis=0)).prod(axis=1))
        rows.append(Row(BINS, f"bins {i + 1} and {j + 1}", measured, error, {KNOWN: 0.0, LEADING: 0.0}))
    return rows
