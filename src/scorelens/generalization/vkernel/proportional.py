"""As many features as a share of the samples: reading C of the V kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.places import standardised
from scorelens.generalization.schedules import Schedule


def proportional_factor(share: ArrayLike) -> np.ndarray:
    """``kappa / (1 - kappa)``: covariance of an affine score over ``C`` with ``F = kappa n`` ([G12]).

    The mean over the data in the limit of many features. Raises ``ValueError`` outside ``[0, 1)``: with as
    many features as samples no fit is unique.

    >>> proportional_factor(0.5)
    array(1.)
    """
    kappa = np.asarray(share, dtype=float)
    checks.non_negative("share of features", kappa)
    if (kappa >= 1).any():
        raise ValueError(
            f"the share of features must be below 1, got {kappa.max():g}: with as many features as samples "
            "the fit is not unique; take more samples"
        )
    return np.asarray(kappa / (1 - kappa))


@final
@dataclass(frozen=True, eq=False)
class ProportionalKernel:
    """Affine scores of one Gaussian in many dimensions, ``d = share n``, a fit at every time ([G12]).

    The covariance stays of order one as ``n`` grows: the regime of the published version of 001. Whether such
    a limit exists for other features is not established; use `SharedKernel` or `TimeBinned` at the finite
    sizes.

    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> kernel = ProportionalKernel(DataLaw.gaussian(np.zeros(2), np.eye(2)), BROWNIAN, share=0.5)
    >>> kernel.typical_velocity_covariance(1.0)
    array([[0.125, 0.   ],
           [0.   , 0.125]])
    """

    law: DataLaw
    schedule: Schedule
    share: float

    def __post_init__(self) -> None:
        proportional_factor(self.share)
        if self.law.n_components != 1:
            raise ValueError(
                f"the law must be one Gaussian, got {self.law.n_components} components: for others the limit "
                "of many features is not established"
            )

    def typical_velocity_covariance(self, t: float) -> np.ndarray:
        """``V`` at a typical point of the noised data, ``(d, d)``: ``(g^2 / 2)^2 kappa / (1 - kappa) C``."""
        checks.positive("t", t)
        push = float(self.schedule.diffusion_squared(t)) / 2
        return push**2 * float(proportional_factor(self.share)) * self._target_covariance(t)

    def velocity_covariance(self, t: float, x: ArrayLike, other_x: ArrayLike | None = None) -> np.ndarray:
        """``V`` between ``x (p, d)`` and ``other_x (q, d)`` at one time, ``(p, d, q, d)``.

        The typical one times the overlap ``(x - m)^T S^-1 (x' - m) / d`` of the points, which is 1 for a
        typical point with itself.
        """
        checks.positive("t", t)
        noised = self.law.noised(float(self.schedule.alpha(t)), float(self.schedule.std(t)))
        center, spread = noised.means[0], noised.covariances[0]
        first = standardised(x, center, spread)
        second = first if other_x is None else standardised(other_x, center, spread)
        overlap = first @ second.T / self.law.dim
        return np.einsum("pq,ij->piqj", overlap, self.typical_velocity_covariance(t))

    def _target_covariance(self, t: float) -> np.ndarray:
        alpha, std = float(self.schedule.alpha(t)), float(self.schedule.std(t))
        return self.law.component_target_covariance(alpha, std)[0]
