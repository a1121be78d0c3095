"""Gain laws whose gain relaxes exponentially to the optimum at each noise level, and their sampling
integrals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import final

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws.sampling_integral import LawOfAllLevels
from scorelens.dynamics.numerics.quadrature import steep_rule
from scorelens.dynamics.values import Values

_BLOCK = 1 << 18
_LEAST_EXPONENT = -700.0
_MOST_KEPT = 1 << 22


class RelaxationLaw(LawOfAllLevels):
    """``gain = optimum + (start gain - optimum) exp(-flow_time * speed)``.

    ``speed`` is proportional to ``eigenvalue + noise_variance`` (the input's variance along the mode) and the
    start gain does not depend on the eigenvalue; `scorelens.dynamics.local_exponent` uses both facts.
    """

    @abstractmethod
    def offset(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Start gain minus optimum, factored so that it does not cancel."""

    def limit_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return gain_law.optimal_gain(eigenvalue, noise_variance)

    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        exponent = gain_law.non_negative("flow_time", flow_time) * self.speed(eigenvalue, noise_variance)
        # Both terms keep their digits: the first late, the second early.
        return gain * np.exp(-exponent) - self.limit_gain(eigenvalue, noise_variance) * np.expm1(-exponent)

    def mobility(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return self.speed(eigenvalue, noise_variance) / (np.asarray(eigenvalue) + noise_variance)

    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        exponent = gain_law.non_negative("flow_time", flow_time) * self.speed(eigenvalue, noise_variance)
        return self.offset(eigenvalue, noise_variance) * np.expm1(-exponent)

    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        exponent = gain_law.non_negative("flow_time", flow_time) * self.speed(eigenvalue, noise_variance)
        offset = self.offset(eigenvalue, noise_variance)
        return np.sign(offset), gain_law.log_abs(offset) - exponent

    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        speed = self.speed(eigenvalue, noise_variance)
        way, left = np.asarray(way, dtype=float), np.asarray(left, dtype=float)
        ahead = gain_law.same_sign(way, left) & (speed > 0.0)
        passed = gain_law.log_passed(np.where(ahead, way, 0.0), np.where(ahead, left, 1.0))
        time = np.where(ahead, passed / np.where(speed > 0.0, speed, 1.0), np.inf)
        return np.where(way == 0.0, 0.0, time)

    def stuck(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return np.zeros(np.shape(self.offset(eigenvalue, noise_variance)), dtype=bool)

    def log_limit_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        return gain_law.log_converged_variance(eigenvalue, sigma_min, sigma_max)

    def log_limit_ratio(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        return gain_law.log_converged_ratio(eigenvalue, sigma_min, sigma_max)


@final
class RelaxationTrajectory(VarianceTrajectory):
    """Generated variance of a relaxation law by quadrature in ``log(sigma)`` ([E5]).

    Offsets and speeds at the nodes are kept where they fit, so that repeated evaluation costs one exponential
    per node, mode and time; memory is otherwise that of the result.
    """

    def __init__(self, law: RelaxationLaw, eigenvalue: Values, sigma_min: float, sigma_max: float) -> None:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        self._law = law
        self._modes = gain_law.non_negative("eigenvalue", eigenvalue)
        self._rule = steep_rule(np.log(sigma_min), np.log(sigma_max), law.steepness, law.breaks)
        self._shape = np.broadcast_shapes(law.offset(self._modes, 1.0).shape, self._modes.shape)
        fits = len(self._rule.weight) * int(np.prod(self._shape)) <= _MOST_KEPT
        self._kept = self._evaluate(self._rule.noise_variance, len(self._shape)) if fits else None

    def growth(self, flow_time: Values) -> np.ndarray:
        times = gain_law.non_negative("flow_time", flow_time)
        total = np.zeros(np.broadcast_shapes(self._shape, times.shape))
        for weight, offset, speed in self._blocks(total.shape):
            if offset.any():
                total += 2.0 * _weighted_sum(weight * offset, _relaxed(times, speed))  # [E5]
        return total

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        times = gain_law.non_negative("flow_time", flow_time)
        shape = np.broadcast_shapes(self._shape, times.shape)
        growth, slope = np.zeros(shape), np.zeros(shape)
        for weight, offset, speed in self._blocks(shape):
            relaxed = _relaxed(times, speed)
            growth += 2.0 * _weighted_sum(weight * offset, relaxed)
            relaxed += 1.0
            slope -= 2.0 * _weighted_sum(weight * offset * speed, relaxed)
        return growth, slope

    def _blocks(self, shape: tuple[int, ...]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        n_block = max(1, _BLOCK // max(1, int(np.prod(shape))))
        for first in range(0, len(self._rule.weight), n_block):
            part = slice(first, first + n_block)
            weight = self._rule.weight[part].reshape(-1, *(1,) * len(shape))
            if self._kept is None:
                offset, speed = self._evaluate(self._rule.noise_variance[part], len(shape))
            else:
                offset, speed = (_padded(kept[part], len(shape)) for kept in self._kept)
            yield weight, offset, speed

    def _evaluate(self, noise_variance: np.ndarray, n_dims: int) -> tuple[np.ndarray, np.ndarray]:
        noise = noise_variance.reshape(-1, *(1,) * n_dims)
        return self._law.offset(self._modes, noise), self._law.speed(self._modes, noise)


def _relaxed(times: np.ndarray, speed: np.ndarray) -> np.ndarray:
    # Bounded below, because the exponential of what underflows is ten times slower.
    exponent = -times * speed
    np.maximum(exponent, _LEAST_EXPONENT, out=exponent)
    return np.expm1(exponent, out=exponent)


def _weighted_sum(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.einsum("n...,n...->...", *np.broadcast_arrays(weight, values))


def _padded(values: np.ndarray, n_dims: int) -> np.ndarray:
    return values.reshape(values.shape[:1] + (1,) * (n_dims + 1 - values.ndim) + values.shape[1:])
