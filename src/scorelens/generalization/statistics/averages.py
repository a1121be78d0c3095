"""Averages over the noised law of the data, with a rule that suits the features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scorelens.generalization.laws import ComponentNodes, DataLaw, pieces
from scorelens.generalization.quadrature import GaussHermite, Rule, Trapezoid, refined
from scorelens.generalization.statistics.features import Level, ScoreFeatures

Integrand = Callable[[ComponentNodes, np.ndarray], np.ndarray]
"""From nodes ``(n, ...)`` and features ``(n, F)`` there to their weighted sum, an array of any shape."""

ACCURACY = 1e-10
"""Two quadratures must agree to this, relative to the largest entry; the finer one is then far closer."""
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

    if features.breaks:
        edges = np.asarray(features.breaks)
        rules = [pieces(law.dim, width, edges) for width in _WIDTHS]
    elif features.frequency is None or (smooth_score and law.n_components > 1):
        rules = [Trapezoid(step) for step in _STEPS]
    elif features.degree is not None:
        return by(GaussHermite(factors * max(features.degree, 1) // 2 + 1))
    else:
        return by(Trapezoid(_resolving(features.frequency * factors * _largest_scale(law, level))))
    return refined(by, rules, ACCURACY, f"the average of {features.name} features over the data", sizes)


def _resolving(frequency: float) -> float:
    """Step at which the wave's alias lies outside the transform of the Gaussian."""
    return 2 * np.pi / (frequency + _MARGIN)


def _largest_scale(law: DataLaw, level: Level) -> float:
    largest = np.linalg.eigvalsh(law.covariances).max()
    return float(np.sqrt(level.alpha**2 * max(largest, 0.0) + level.std**2))
