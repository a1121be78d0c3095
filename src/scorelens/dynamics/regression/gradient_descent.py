"""Gradient descent with finite steps, exactly, and the learning rates at which it converges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.regression.linear_regression import AffineMap, LinearRegression
from scorelens.dynamics.values import Values


class Stability(NamedTuple):
    """Which learning rates converge: below ``largest_rate``; without overshooting up to half of it."""

    largest_rate: float
    learning_rate: float

    @property
    def is_stable(self) -> bool:
        """Whether every direction converges."""
        return self.learning_rate < self.largest_rate

    @property
    def is_monotone(self) -> bool:
        """Whether no direction overshoots its optimum."""
        return self.learning_rate <= 0.5 * self.largest_rate


class Descent(NamedTuple):
    """Where gradient descent is after some steps, and whether it will converge."""

    point: AffineMap
    stability: Stability


def remaining_factors(curvature: Values, learning_rate: float, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Fraction ``(1 - 2 learning_rate curvature)^n_steps`` of the start that is left, and 1 less it, of one
    quadratic direction (learning dynamics (2.4)).

    ``curvature >= 0`` is the second moment of the input, any shape: ``eigenvalue + sigma**2`` for a weight,
    1 for the bias of centred data. Exact for every learning rate, also one that diverges.

    >>> kept, learned = remaining_factors(np.array([1.0, 4.0]), learning_rate=0.25, n_steps=3)
    >>> kept
    array([ 0.125, -1.   ])
    """
    checks.non_negative("curvature", curvature)
    checks.positive("learning_rate", learning_rate)
    checks.at_least("n_steps", n_steps, 0)
    step = 2.0 * learning_rate * np.asarray(curvature, dtype=float)
    if n_steps == 0:
        return np.ones(step.shape), np.zeros(step.shape)
    with np.errstate(divide="ignore", over="ignore"):
        exponent = n_steps * np.where(
            step < 1.0, np.log1p(-np.minimum(step, 1.0)), np.log(np.abs(step - 1.0))
        )
        kept = np.where((step > 1.0) & (n_steps % 2 == 1), -1.0, 1.0) * np.exp(exponent)
        return kept, np.where(step < 1.0, -np.expm1(exponent), 1.0 - kept)


def stability(regression: LinearRegression, learning_rate: float) -> Stability:
    """Whether gradient descent with this rate converges on this regression.

    The bound is ``1 / largest eigenvalue`` of the second moment of input and constant: for centred data ``1 /
    (sigma**2 + largest eigenvalue)`` and at most 1, so about 1.6e-4 at sigma 80.
    """
    checks.positive("learning_rate", learning_rate)
    return Stability(1.0 / float(regression.second_moment.values[-1]), learning_rate)


def gradient_descent(
    regression: LinearRegression, weight: np.ndarray, bias: np.ndarray, learning_rate: float, n_steps: int
) -> Descent:
    """Weight and bias after ``n_steps`` of full-batch gradient descent, exactly (learning dynamics (2.4)).

    A rate beyond the stability limit is computed all the same and said in ``stability``. Raises
    ``ValueError`` where it has left the range of float64.
    """
    kept, learned = remaining_factors(regression.second_moment.values, learning_rate, n_steps)
    limits = stability(regression, learning_rate)
    if not np.isfinite(kept).all():
        bound = f"the bound is {limits.largest_rate:.6g}"
        raise ValueError(
            f"gradient descent at learning_rate {learning_rate:g} overflows after {n_steps} steps; {bound}"
        )
    return Descent(regression.relaxed(weight, bias, kept, learned), limits)
