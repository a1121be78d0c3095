"""From the gain at every noise level to the generated variance, by quadrature in ``log(sigma)``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import final

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.numerics.golden_section import golden_minimum
from scorelens.dynamics.numerics.quadrature import Rule, graded_rule, steep_rule
from scorelens.dynamics.values import Values

_BLOCK = 1 << 18


class LawOfAllLevels(GainLaw):
    """A gain law that says how fast it moves at each noise level, which is what a quadrature has to know."""

    @abstractmethod
    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Rate per unit of flow time at which the gap to the limit closes late in training.

        0 where it closes as a power of time, or not at all.
        """

    @abstractmethod
    def mobility(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """`rate` per unit of ``eigenvalue - (eigenvalue + noise_variance) * gain``, the pull of the loss.

        1 for one plain layer; the trajectory's slope is made of it, because late in training the pull follows
        from `log_gap` with more digits than from the gain.
        """

    @abstractmethod
    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        """Upper bound of ``|d log(speed) / d log(sigma)|`` for any eigenvalue, same shape as
        ``log_sigma``."""

    @property
    @abstractmethod
    def breaks(self) -> tuple[float, ...]:
        """Values of ``log(sigma)`` where the speed jumps."""


@final
class QuadratureTrajectory(VarianceTrajectory):
    """Generated variance of any law by quadrature over the noise levels (learning dynamics (4.3)).

    Memory is that of the result and one block of noise levels.
    """

    def __init__(self, law: LawOfAllLevels, eigenvalue: Values, sigma_min: float, sigma_max: float) -> None:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        self._law = law
        self._modes = gain_law.non_negative("eigenvalue", eigenvalue)
        self._rule = steep_rule(np.log(sigma_min), np.log(sigma_max), law.steepness, law.breaks)
        self._shape = np.broadcast_shapes(law.start_gain(self._modes, 1.0).shape, self._modes.shape)

    def growth(self, flow_time: Values) -> np.ndarray:
        times = gain_law.non_negative("flow_time", flow_time)
        total = np.zeros(np.broadcast_shapes(self._shape, times.shape))
        for weight, noise in self._blocks(total.ndim, total.size):
            total += 2.0 * np.sum(weight * self._law.change(self._modes, noise, times), axis=0)
        return total

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        times = gain_law.non_negative("flow_time", flow_time)
        shape = np.broadcast_shapes(self._shape, times.shape)
        growth, slope = np.zeros(shape), np.zeros(shape)
        for weight, noise in self._blocks(len(shape), growth.size):
            growth += 2.0 * np.sum(weight * self._law.change(self._modes, noise, times), axis=0)
            slope += 2.0 * np.sum(weight * self._rate(noise, times), axis=0)
        return growth, slope

    def _rate(self, noise: np.ndarray, times: np.ndarray) -> np.ndarray:
        sign, log_gap = self._law.log_gap(self._modes, noise, times)
        unlearnable = self._law.limit_gain(self._modes, noise) - gain_law.optimal_gain(self._modes, noise)
        missing = sign * np.exp(log_gap) + unlearnable
        gain = self._law.gain(self._modes, noise, times)
        return -(self._modes + noise) * missing * self._law.mobility(gain, self._modes, noise)

    def _blocks(self, n_dims: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        n_block = max(1, _BLOCK // max(1, size))
        for first in range(0, len(self._rule.weight), n_block):
            part = slice(first, first + n_block)
            shape = (-1,) + (1,) * n_dims
            yield self._rule.weight[part].reshape(shape), self._rule.noise_variance[part].reshape(shape)


def quadrature_deviation(
    law: LawOfAllLevels,
    eigenvalue: Values,
    flow_time: Values,
    sigma_min: float,
    sigma_max: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Sign and logarithm of ``log(generated / limit variance)``: a signed log-sum-exp, without underflow."""
    gain_law.check_sigma_range(sigma_min, sigma_max)
    modes, times = (
        gain_law.non_negative("eigenvalue", eigenvalue),
        gain_law.non_negative("flow_time", flow_time),
    )
    shape = np.broadcast_shapes(law.start_gain(modes, 1.0).shape, modes.shape, times.shape)
    rule = late_rule(law, modes.reshape((1,) * (len(shape) - modes.ndim) + modes.shape), sigma_min, sigma_max)
    largest, total = np.full(shape, -np.inf), np.zeros(shape)
    n_block = max(1, _BLOCK // max(1, int(np.prod(shape))))
    for first in range(0, len(rule.weight), n_block):
        part = slice(first, first + n_block)
        sign, log_gap = law.log_gap(modes, rule.noise_variance[part], times)
        exponent = log_gap + np.log(2.0 * rule.weight[part])
        grown = np.maximum(largest, exponent.max(axis=0))
        scale = np.where(np.isfinite(grown), grown, 0.0)
        total = total * np.exp(largest - scale) + (sign * np.exp(exponent - scale)).sum(axis=0)
        largest = grown
    return np.sign(total), gain_law.log_abs(total) + largest


def late_rule(law: LawOfAllLevels, modes: np.ndarray, sigma_min: float, sigma_max: float) -> Rule:
    """Rule that resolves what is left at any flow time, however late: graded towards the slowest noise
    levels.

    Nodes have shape ``(node, *extra)``, where ``extra`` has as many dimensions as ``modes`` and broadcasts
    with it.
    """
    low, high = np.log(sigma_min), np.log(sigma_max)
    coarse = steep_rule(low, high, law.steepness, law.breaks).log_sigma
    speed = law.speed(modes, np.exp(2.0 * coarse).reshape(-1, *(1,) * modes.ndim))
    slowest = speed.argmin(axis=0)
    before, after = coarse[np.maximum(slowest - 1, 0)], coarse[np.minimum(slowest + 1, len(coarse) - 1)]
    interior = golden_minimum(lambda u: law.speed(modes, np.exp(2.0 * u)), before, after)
    at_end = (slowest == 0) | (slowest == len(coarse) - 1)
    steepest = float(law.steepness(coarse).max())
    return graded_rule(low, high, np.where(at_end, low, interior), law.breaks, min(0.4, 2.0 / steepest))


class QuadratureLaw(LawOfAllLevels):
    """A gain law whose sampling integral has no closed form."""

    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        return QuadratureTrajectory(self, eigenvalue, sigma_min, sigma_max)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        return quadrature_deviation(self, eigenvalue, flow_time, sigma_min, sigma_max)
