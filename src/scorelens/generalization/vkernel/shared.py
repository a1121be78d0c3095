"""Weights shared over all times: reading A of the V kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics import SharedWeights
from scorelens.generalization.statistics.regression import Target
from scorelens.generalization.validity import Kernel, Validity, validity, warn_outside


@final
@dataclass(frozen=True, eq=False)
class SharedKernel:
    """``V(x, t; x', t') = g_t^2 / 2 Cov[s(x, t), s(x', t')] g_t'^2 / 2`` of one fit ([G19]).

    The covariance is [G9] over ``n_samples``, the number of draws of (time, data, noise). At ``N dt = c`` and
    ``dt -> 0`` it goes to zero, like ``dt log(1 / dt)`` for ``lambda_*`` ([G16]).

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.laws import DataLaw
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures, TimeFunction, TrainingTimes
    >>> times = TrainingTimes(TimeFunction.of_variance(BROWNIAN), TimeFunction.constant(), 0.05, 1.0)
    >>> law = DataLaw.gaussian([0.0], [[1.0]])
    >>> kernel = SharedKernel(SharedWeights(StateFeatures(Affine(1)), law, BROWNIAN, times), 400)
    >>> kernel.velocity_covariance([[0.0]], 0.5).covariance.ravel().round(6)
    array([0.001658])
    """

    fit: SharedWeights
    n_samples: int

    def __post_init__(self) -> None:
        checks.whole("n_samples", self.n_samples, 1)

    @property
    def validity(self) -> Validity:
        """Whether there are samples enough; ``smear_share`` has no meaning between steps, and is NaN.

        Raises ``ValueError`` for no more samples than features.
        """
        return validity(self.n_samples, self.fit.n_features, np.nan)

    def velocity_covariance(
        self,
        x: ArrayLike,
        t: ArrayLike,
        other_x: ArrayLike | None = None,
        other_t: ArrayLike | None = None,
        *,
        target: Target = "dsm",
    ) -> Kernel:
        """``V`` between ``x (p, d)`` at ``t`` and ``other_x (q, d)`` at ``other_t``, ``(p, d, q, d)``.

        Another point or time is that of the first if left out. Unit ``x^2 / T^2``; times ``dt dt'`` it is the
        covariance of two displacements. Warns (`OutsideLeadingOrder`) where there are too few samples for the
        leading order.
        """
        found = self.validity
        warn_outside(found)
        first = _push(self.fit.schedule, t, x)
        second = _push(
            self.fit.schedule, t if other_t is None else other_t, x if other_x is None else other_x
        )
        score = self.fit.covariance(x, t, other_x, other_t, target=target) / self.n_samples
        return Kernel(first[:, None, None, None] * score * second[:, None], found)


def _push(schedule: Schedule, t: ArrayLike, x: ArrayLike) -> np.ndarray:
    """``g^2 / 2`` at the time of each point."""
    times = np.broadcast_to(np.asarray(t, dtype=float), (len(np.asarray(x)),))
    return schedule.diffusion_squared(times) / 2
