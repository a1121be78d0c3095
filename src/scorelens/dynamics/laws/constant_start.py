"""Gain laws that start with the same gain at every noise level, and go to the optimum or are stuck at 0."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.laws.sampling_integral import LawOfAllLevels
from scorelens.dynamics.values import Values


class ConstantStartLaw(LawOfAllLevels):
    """``gain(0)`` does not depend on sigma; ``gain(infinity)`` is the optimal gain, or 0 where it never
    learns."""

    @property
    @abstractmethod
    def start(self) -> np.ndarray:
        """Gain before training, a scalar or one per mode."""

    @property
    @abstractmethod
    def never_learns(self) -> np.ndarray:
        """Mask of the starts that stay unlearned for ever, of the shape of ``start``."""

    @property
    def shared_by_modes(self) -> bool:
        return np.size(self.start) == 1

    @property
    def monotone(self) -> bool:
        # At every noise level the gain moves towards an optimum between 0 and 1, one way.
        return bool(np.all((self.start <= 0.0) | (self.start >= 1.0)))

    @property
    def breaks(self) -> tuple[float, ...]:
        return ()

    def start_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return np.broadcast_to(self.start, _shape(eigenvalue, noise_variance, self.start))

    def limit_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return np.where(self.never_learns, 0.0, gain_law.optimal_gain(eigenvalue, noise_variance))

    def stuck(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return np.broadcast_to(self.never_learns, _shape(eigenvalue, noise_variance, self.start))

    def log_start_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        gain = self.start_gain(gain_law.non_negative("eigenvalue", eigenvalue), 1.0)
        return gain_law.log_variance_of_one_gain(gain, sigma_min, sigma_max)

    def log_limit_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        learned = gain_law.log_converged_variance(eigenvalue, sigma_min, sigma_max)
        return np.where(self.never_learns, 2.0 * np.log(sigma_min), learned)

    def log_limit_ratio(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        learned = gain_law.log_converged_ratio(eigenvalue, sigma_min, sigma_max)
        modes = np.asarray(eigenvalue, dtype=float)
        unlearned = np.where(modes > 0.0, 2.0 * np.log(sigma_min) - gain_law.log_abs(modes), np.inf)
        return np.where(self.never_learns, unlearned, learned)


def _shape(*values: Values) -> tuple[int, ...]:
    return np.broadcast_shapes(*(np.shape(value) for value in values))
