"""Which ridge regression on clean data a denoising loss is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scorelens.dynamics.regression.targets import DenoisingTask


class RidgeProblem(NamedTuple):
    """``E |weight_scale W x0 + b - target_scale x0|^2 + strength |W - centre I|^2``, over clean data."""

    weight_scale: float
    target_scale: float
    strength: float
    centre: float

    def loss(self, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
        """The ridge loss for clean data of this mean ``(d,)`` and covariance ``(d, d)``."""
        clean = self.weight_scale * weight - self.target_scale * np.eye(len(mean))
        at_mean = clean @ mean + bias
        penalty = self.strength * ((weight - self.centre * np.eye(len(mean))) ** 2).sum()
        return float(at_mean @ at_mean + np.trace(clean @ covariance @ clean.T) + penalty)


def ridge_problem(task: DenoisingTask) -> RidgeProblem:
    """The ridge problem whose loss is that of ``task``, for every weight and bias (learning dynamics (1.5)).

    The noise of the input is the ridge; where the target holds noise too, the ridge pulls to a multiple of
    the identity. Raises ``ValueError`` for a task without input noise.

    >>> from scorelens.dynamics.regression.targets import denoising_task
    >>> ridge_problem(denoising_task("edm", sigma=0.5))
    RidgeProblem(weight_scale=1.0, target_scale=1.0, strength=0.25, centre=0.0)
    """
    if task.input_noise == 0.0:
        raise ValueError("an input without noise has no ridge; take a time below 1")
    centre = task.target_noise / task.input_noise
    return RidgeProblem(task.input_data, task.target_data, task.input_noise**2, centre)
