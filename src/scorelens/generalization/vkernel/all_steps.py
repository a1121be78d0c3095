"""What all steps of a time-binned sampler add to a sample's covariance, not only the last one ([G22])."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.statistics import Level, OneTime
from scorelens.generalization.validity import Validity, warn_outside
from scorelens.generalization.vkernel.time_binned import Order, TimeBinned

SMOOTH_FACTOR = math.pi**2 / 6
"""All steps over the last one, for smooth data: the sum of ``1 / k^2``."""
POINT_FACTOR = 4 * (4 / math.pi - 1)
"""The same if every step contracted as towards a point mass, 1.0930; but then there is no such noise."""
_STEP = 1e-4
"""Of the difference quotient, in units of the noise."""


class AddedCovariance(NamedTuple):
    """Where each trajectory ends ``(p, d)`` and the covariance that the fits add there ``(p, d, d)``.

    ``validity`` is that of the step at which the order neglects most.
    """

    end: np.ndarray
    covariance: np.ndarray
    validity: Validity


def added_covariance(binned: TimeBinned, x_start: ArrayLike, order: Order = "leading") -> AddedCovariance:
    """``sum_k S_k`` carried to the end by the linearised Euler steps, along each noise-free trajectory.

    ``x_start (p, d)`` are the starting points at the last of the times. To first order in the noise, the mean
    of the covariances over trajectories is what the fits add to the covariance of the samples ([G22]); where
    the fits are biased (`OneTime.bias`), the bias moves it at the same order. Warns and refuses as
    `step_covariance` does, for the step that is worst off.
    """
    x = np.asarray(x_start, dtype=float)
    found = binned.worst_validity(order)
    if order != "exact":
        warn_outside(found)
    covariance = np.zeros((*x.shape, x.shape[1]))
    for step in range(binned.n_steps, 0, -1):
        fit, (shrink, push) = binned.fit(step), binned.rate(step)
        grow = (1 + shrink) * np.eye(x.shape[1]) + push * score_jacobian(fit, x)
        noise = push**2 * binned.score_covariance(step, x, order)
        covariance = grow @ covariance @ grow.transpose(0, 2, 1) + noise
        x = (1 + shrink) * x + push * fit.score(x)
    return AddedCovariance(x, covariance, found)


def earlier_steps_factor(n_steps: int, *, point_mass: bool = False) -> float:
    """All steps over the last one with ``g^2 dt / sigma^2 = 1 / k``: a partial sum of `SMOOTH_FACTOR`.

    With ``point_mass`` each step contracts by ``1 - 1 / (2 j)``, and the sum tends to `POINT_FACTOR`.

    >>> round(earlier_steps_factor(50), 4), round(earlier_steps_factor(10**5, point_mass=True), 4)
    (1.6251, 1.093)
    """
    checks.whole("n_steps", n_steps, 1)
    k = np.arange(1, n_steps + 1)
    carried = np.cumprod(np.r_[1.0, 1 - 1 / (2 * k[:-1])]) if point_mass else np.ones(n_steps)
    return float((carried**2 / k**2).sum())


def score_jacobian(fit: OneTime, x: np.ndarray) -> np.ndarray:
    """``d s_i / d x_j`` of the optimal score at ``x (p, d)``, ``(p, d, d)``, by central differences.

    Of features that jump, the slope between the jumps: 0, wherever ``x`` is.
    """
    if fit.features.breaks(Level(fit.alpha, fit.std)):
        return np.zeros((*x.shape, x.shape[1]))  # a difference across a jump would be the jump over its width
    h = _STEP * fit.std
    columns = [(fit.score(x + h * e) - fit.score(x - h * e)) / (2 * h) for e in np.eye(x.shape[1])]
    return np.stack(columns, axis=-1)
