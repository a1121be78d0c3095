"""Linear regression from moments: optimum, loss, gradient and gradient flow from any start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.regression.targets import (
    DenoisingTask,
    RegressionMoments,
    checked_covariance,
    checked_mean,
)
from scorelens.dynamics.weights.data_modes import DataModes
from scorelens.dynamics.weights.secular import Eigensystem, moment_eigensystem

_UNSEEN = 1e-14


class AffineMap(NamedTuple):
    """``weight (d, p)`` and ``bias (d,)`` of ``weight @ x + bias``; also a gradient by them."""

    weight: np.ndarray
    bias: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class LinearRegression:
    """``loss(W, b) = E |W x + b - y|^2``, a sum over coordinates without a factor one half (learning dynamics
    (1.1)-(1.4)).

    Make one with `regression_of_task` (a denoising target, most accurate) or `regression_of_moments`.
    ``vectors (p, p)`` are the eigenvectors of the input covariance, ``second_moment`` the eigensystem of the
    second moment of the input and the constant 1 in that basis ((3.1)), ``optimum`` the best map and
    ``minimum_loss`` what it leaves. An input direction without variance has the optimal weight 0.
    """

    moments: RegressionMoments
    rates: np.ndarray
    vectors: np.ndarray
    second_moment: Eigensystem
    optimum: AffineMap
    minimum_loss: float

    def gradient(self, weight: np.ndarray, bias: np.ndarray) -> AffineMap:
        """Gradient of the loss (1.1)."""
        point, m = self._point(weight, bias), self.moments
        by_bias = 2.0 * (point.weight @ m.input_mean + point.bias - m.target_mean)
        by_weight = 2.0 * (point.weight @ m.input_covariance - m.cross_covariance)
        # The bias gradient holds its factor 2 already; (Wang & Pehlevan 2025, eq. 13) counts it twice.
        return AffineMap(by_weight + np.outer(by_bias, m.input_mean), by_bias)

    def excess_loss(self, weight: np.ndarray, bias: np.ndarray) -> float:
        """Loss above the minimum (1.4), without cancellation. For the target ``edm`` it is the denoiser error
        ``E |D - D*|^2``; the score error is that over ``sigma^4``."""
        point = self._point(weight, bias)
        off, shift = point.weight - self.optimum.weight, point.bias - self.optimum.bias
        at_mean = shift + off @ self.moments.input_mean
        return float(at_mean @ at_mean + ((off @ self.vectors) ** 2 @ self.rates).sum())

    def loss(self, weight: np.ndarray, bias: np.ndarray) -> float:
        """The loss itself."""
        return self.minimum_loss + self.excess_loss(weight, bias)

    def gradient_flow(self, weight: np.ndarray, bias: np.ndarray, flow_time: float) -> AffineMap:
        """Weight and bias after gradient flow from these, in closed form, for any start and mean (3.2).

        ``flow_time = 2 * learning rate * training time >= 0``.
        """
        checks.non_negative("flow_time", flow_time)
        exponent = -self.second_moment.values * flow_time
        return self.relaxed(weight, bias, np.exp(exponent), -np.expm1(exponent))

    def excess_loss_after(self, weight: np.ndarray, bias: np.ndarray, flow_time: float) -> float:
        """Loss above the minimum after gradient flow from these, to full relative accuracy however late."""
        checks.non_negative("flow_time", flow_time)
        away = self._joint(self._point(weight, bias)) - self._joint(self.optimum)
        along = away @ self.second_moment.vectors
        values = self.second_moment.values
        return float((along**2 @ (values * np.exp(-2.0 * values * flow_time))).sum())

    def relaxed(
        self, weight: np.ndarray, bias: np.ndarray, kept: np.ndarray, learned: np.ndarray
    ) -> AffineMap:
        """The map that keeps the fraction ``kept (p + 1,)`` of the start and has learned ``learned = 1 -
        kept`` of the optimum, along each eigenvector of the second moment."""
        start, best = self._joint(self._point(weight, bias)), self._joint(self.optimum)
        joint = _most_accurate(start, best, kept, learned, self.second_moment.vectors)
        return AffineMap(joint[:, :-1] @ self.vectors.T, joint[:, -1])

    def _joint(self, point: AffineMap) -> np.ndarray:
        """``[W | b]`` with ``W`` in the eigenbasis of the input, ``(d, p + 1)``."""
        return np.column_stack([point.weight @ self.vectors, point.bias])

    def _point(self, weight: np.ndarray, bias: np.ndarray) -> AffineMap:
        shape = self.moments.cross_covariance.shape
        matrix = np.asarray(weight, dtype=float)
        checks.finite("weight", matrix)
        if matrix.shape != shape:
            raise ValueError(f"weight must have shape {shape}, got {matrix.shape}")
        return AffineMap(matrix, checked_mean(bias, shape[0], "bias"))


def _most_accurate(
    start: np.ndarray, best: np.ndarray, kept: np.ndarray, learned: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """``start`` relaxed to ``best`` along ``vectors``, each entry from that of three equal sums which rounds
    least: a large bias must not spoil a small weight, nor the reverse."""
    frame, size = np.abs(vectors), np.abs
    away, toward = (start - best) @ vectors, size(start - best) @ frame
    sums = (
        best + (away * kept) @ vectors.T,
        start - (away * learned) @ vectors.T,
        ((start @ vectors) * kept + (best @ vectors) * learned) @ vectors.T,
    )
    bounds = (
        size(best) + (toward * size(kept)) @ frame.T,
        size(start) + (toward * size(learned)) @ frame.T,
        ((size(start) @ frame) * size(kept) + (size(best) @ frame) * size(learned)) @ frame.T,
    )
    least = np.argmin(np.stack(bounds), axis=0)
    return np.choose(least, sums)


def regression_of_task(task: DenoisingTask, modes: DataModes) -> LinearRegression:
    """The regression of a denoising target on data of these ``modes``.

    Accurate for data variances and noise levels of any size: the optimal bias and the least loss come from
    their own formulas, not as differences.

    >>> from scorelens.dynamics.regression.targets import denoising_task
    >>> modes = DataModes.of(np.array([1.0, 0.0]), np.diag([3.0, 1.0]))
    >>> best = regression_of_task(denoising_task("edm", sigma=1.0), modes)
    >>> best.optimum.weight.round(6), best.optimum.bias.round(6)
    (array([[0.75, 0.  ],
           [0.  , 0.5 ]]), array([0.25, 0.  ]))
    >>> round(best.minimum_loss, 6)
    1.25
    """
    rates = task.rate(modes.eigenvalues)
    overlaps = modes.overlaps
    weight = modes.function(task.mode_optimum(modes.eigenvalues))
    bias = modes.eigenvectors @ (task.mode_bias(modes.eigenvalues) * overlaps)
    scaled = task.input_data**2 * modes.eigenvalues
    system = moment_eigensystem(scaled, task.input_data * overlaps, task.input_noise**2)
    least = float(task.mode_minimum_loss(modes.eigenvalues).sum())
    moments = task.moments(modes.mean, modes.covariance)
    return LinearRegression(moments, rates, modes.eigenvectors, system, AffineMap(weight, bias), least)


def regression_of_moments(moments: RegressionMoments) -> LinearRegression:
    """The regression that any first and second moments define (1.2), of any input and target.

    Raises ``ValueError`` for shapes that do not fit, or an input covariance that is not symmetric positive
    semi-definite.
    """
    inputs = checked_covariance(moments.input_covariance, "input_covariance")
    modes = DataModes.of(checked_mean(moments.input_mean, len(inputs), "input_mean"), inputs)
    cross = np.asarray(moments.cross_covariance, dtype=float)
    targets = checked_covariance(moments.target_covariance, "target_covariance")
    if cross.shape != (len(targets), len(inputs)):
        raise ValueError(f"cross_covariance must have shape {(len(targets), len(inputs))}, got {cross.shape}")
    mean = checked_mean(moments.target_mean, len(targets), "target_mean")
    rates = np.where(modes.eigenvalues > _UNSEEN * modes.eigenvalues[-1], modes.eigenvalues, 0.0)
    inverse = np.where(rates > 0.0, 1.0 / np.where(rates > 0.0, rates, 1.0), 0.0)
    along = cross @ modes.eigenvectors
    weight = (along * inverse) @ modes.eigenvectors.T
    least = float(np.trace(targets) - (along**2 @ inverse).sum())
    best = AffineMap(weight, mean - weight @ modes.mean)
    system = moment_eigensystem(rates, modes.overlaps)
    checked = RegressionMoments(modes.mean, mean, inputs, cross, targets)
    return LinearRegression(checked, rates, modes.eigenvectors, system, best, max(least, 0.0))
