"""Averages over the noised law of the data, with a rule that suits the features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scorelens.generalization.laws import ComponentNodes, DataLaw, pieces
from scorelens.generalization.quadrature import GaussHermite, Pieces, Rule, Trapezoid, refined
from scorelens.generalization.statistics.features import Level, ScoreFeatures

Integrand = Callable[[ComponentNodes, np.ndarray], np.ndarray]
"""From nodes ``(n, ...)`` and features ``(n, F)`` there to their weighted sum, an array of any shape."""

ACCURACY = 1e-10
"""Two quadratures must agree to this, relative to the largest entry; the finer one is then far closer."""
DRAWS = 2**14
"""Draws in an average over a data set where no rule is exact: good to a percent or two."""
FEW_DRAWS = 2**11
"""The same where the score of the data set enters, a sum over all of its points."""
_STEPS = tuple(0.4 * 2 ** (-n / 2) for n in range(10))
_WIDTHS = tuple(2.5 / 2**n for n in range(8))
_MARGIN = 9.0
"""``exp(-z^2 / 2)`` beyond it is below rounding."""


def average(
    law: DataLaw,
    features: ScoreFeatures,
    level: Level,
    integrand: Integrand,
    factors: int,
    smooth_score: bool = False,
    sizes: int = 0,
) -> np.ndarray:
    """``E[integrand]`` over ``law`` at ``level``.

    The integrand is of degree ``factors`` in the features and in the component's target mean, which is
    affine. Polynomials and waves need one rule that is exact; ``smooth_score`` says that the score of a
    mixture enters, whose poles no rule knows. For ``sizes`` see `refined`.
    """

    def by(rule: Rule) -> np.ndarray:
        parts = law.component_nodes(level.alpha, level.std, rule)
        return np.sum([integrand(part, features.value(part.x, level)) for part in parts], axis=0)

    edges = np.asarray(features.breaks(level))
    if law.is_data_set and edges.size and not smooth_score:
        part = law.step_nodes(level.alpha, level.std, edges)
        return integrand(part, features.value(part.x, level))
    if law.is_data_set and (features.degree is None or smooth_score):
        parts = law.drawn_nodes(level.alpha, level.std, FEW_DRAWS if smooth_score else DRAWS)
        return np.sum([integrand(part, features.value(part.x, level)) for part in parts], axis=0)
    if edges.size:
        rules = _split(law, edges)
    elif features.frequency is None or (smooth_score and law.n_components > 1):
        rules = [Trapezoid(step) for step in _STEPS]
    elif features.degree is not None:
        return by(GaussHermite(factors * max(features.degree, 1) // 2 + 1))
    else:
        return by(Trapezoid(_resolving(features.frequency * factors * _largest_scale(law, level))))
    return refined(by, rules, ACCURACY, f"the average of {features.name} features over the data", sizes)


def _split(law: DataLaw, edges: np.ndarray) -> list[Rule]:
    """Rules that split at ``edges``: on a line, or every axis where all components are isotropic."""
    isotropic = law.covariances[:, :1, :1] * np.eye(law.dim)
    if law.dim > 1 and np.array_equal(law.covariances, isotropic):
        return [Pieces(width, tuple(edges.tolist())) for width in _WIDTHS]
    return [pieces(law.dim, width, edges) for width in _WIDTHS]


def _resolving(frequency: float) -> float:
    """Step at which the wave's alias lies outside the transform of the Gaussian."""
    return 2 * np.pi / (frequency + _MARGIN)


def _largest_scale(law: DataLaw, level: Level) -> float:
    largest = np.linalg.eigvalsh(law.covariances).max()
    return float(np.sqrt(level.alpha**2 * max(largest, 0.0) + level.std**2))
