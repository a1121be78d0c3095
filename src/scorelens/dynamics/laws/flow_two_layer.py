"""Two tied linear layers trained by flow matching: ``W = P P^T``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws import flow_time_axis as axis
from scorelens.dynamics.laws.flow_matching import FlowMatchingLaw
from scorelens.dynamics.laws.flow_panels import Panels, learning_panels, stuck_panels
from scorelens.dynamics.laws.flow_time_axis import PathSegment
from scorelens.dynamics.laws.tied_velocity import PACE, TiedVelocity, tied_travel_time
from scorelens.dynamics.values import Values

_BLOCK = 512
_ROUNDING = 1e-9


@final
@dataclass(frozen=True, eq=False)
class FlowTwoLayer(FlowMatchingLaw):
    """Velocity ``v = P P^T x_t`` with ``initial_gain >= 0`` along the mode, the same for every time.

    Before the turning time ``1 / (1 + eigenvalue)`` the optimal velocity gain is negative, which ``P P^T``
    cannot be: there the mode is stuck, its velocity gain goes to 0 and noise is never contracted. Fully
    trained, the flow from time 0 to 1 generates the variance ``1 + eigenvalue`` ((11.5)). A start of exactly
    0 is stuck at all times. Gains in closed form, variances by quadrature. Aligned start, centred data.

    Raises ``ValueError`` for a negative initial gain.

    >>> law = FlowTwoLayer(0.2)
    >>> float(np.exp(law.log_flow_variance(0.5, 3.0)).round(9))
    1.489481503
    >>> float(np.exp(law.log_flow_limit(0.5)).round(9))
    1.5
    """

    initial_gain: Values = 0.1
    name: ClassVar[str] = "flow-two-layer"
    equation: ClassVar[str] = "learning dynamics (11.4), (11.5)"
    reference: ClassVar[str] = "wang2025, Appendix H.3"

    def __post_init__(self) -> None:
        checks.non_negative("initial_gain", self.initial_gain, "P P^T has no negative gain")
        object.__setattr__(self, "initial_gain", np.asarray(self.initial_gain, dtype=float))

    @property
    def start(self) -> np.ndarray:
        return np.asarray(self.initial_gain)

    @property
    def monotone(self) -> bool:
        return not np.any(self.start)

    def limit_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        optimum, noise = gain_law.optimal_gain(eigenvalue, noise_variance), _positive(noise_variance)
        unlearned = axis.gain_of_velocity(0.0, np.sqrt(noise))
        return np.where(self.stuck(eigenvalue, noise), unlearned, optimum)

    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        sigma = np.sqrt(_positive(noise_variance))
        velocity = self._velocity_of(gain, eigenvalue, sigma)
        return axis.gain_of_velocity(_tied(velocity, eigenvalue, sigma, flow_time).value(), sigma)

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # With P = p along the mode and velocity gain p^2, the gradient of the loss by p is 2 p times that by
        # the velocity gain, which moves 2 p times as fast as p.
        sigma = np.sqrt(_positive(noise_variance))
        time, velocity = axis.time_of_noise(sigma), axis.velocity_of_gain(gain, sigma)
        return axis.leverage(sigma) * -4.0 * velocity * axis.velocity_gradient(velocity, eigenvalue, time)

    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        sigma = np.sqrt(_positive(noise_variance))
        return axis.leverage(sigma) * _tied(self.start, eigenvalue, sigma, flow_time).change()

    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        sigma = np.sqrt(_positive(noise_variance))
        tied = _tied(self.start, eigenvalue, sigma, flow_time)
        sign, size = tied.log_gap(tied.exponent)
        return sign, size + np.log(axis.leverage(sigma))

    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        sigma, way = np.sqrt(_positive(noise_variance)), np.asarray(way, dtype=float)
        velocity, size = self._velocity_of(gain, eigenvalue, sigma), axis.leverage(sigma)
        pull, variance = _pull(eigenvalue, sigma), _variance(eigenvalue, sigma)
        time = tied_travel_time(velocity, way / size, np.asarray(left) / size, pull, variance)
        return np.where(way == 0.0, 0.0, time)

    def stuck(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return (self.start == 0.0) | (_pull(eigenvalue, np.sqrt(_positive(noise_variance))) < 0.0)

    def velocity_gain(self, eigenvalue: Values, time: Values, flow_time: Values) -> np.ndarray:
        elapsed = gain_law.non_negative("flow_time", flow_time)
        pull, variance = axis.path_pull(eigenvalue, time), axis.path_variance(eigenvalue, time)
        return TiedVelocity(self.start, pull, variance, pull - self.start * variance, elapsed).value()

    def learning_speed(self, eigenvalue: Values, time: Values) -> np.ndarray:
        return np.where(self.start == 0.0, 0.0, PACE * np.abs(axis.path_pull(eigenvalue, time)))

    def stuck_at(self, eigenvalue: Values, time: Values) -> np.ndarray:
        return (self.start == 0.0) | (axis.path_pull(eigenvalue, time) < 0.0)

    def log_limit_change(self, segment: PathSegment) -> np.ndarray:
        start, end = np.maximum(segment.start, 0.0), np.maximum(segment.end, 0.0)
        behind = np.where(segment.start > 0.0, segment.length, end)
        narrowest = np.where(segment.start > 0.0, segment.first, segment.turn)
        known = np.where(narrowest > 0.0, narrowest, 1.0)
        widening = np.log1p(segment.stretch * behind * (start + end) / known)  # (11.5)
        return np.where(self.start > 0.0, widening, 0.0)

    def log_limit_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        segment = PathSegment.between_noise_levels(eigenvalue, sigma_min, sigma_max)
        return axis.log_rescaling(sigma_min, sigma_max) + self.log_limit_change(segment)

    def log_limit_ratio(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        limit = self.log_limit_variance(modes, sigma_min, sigma_max)
        ratio = np.where(modes > 0.0, limit - gain_law.log_abs(np.where(modes > 0.0, modes, 1.0)), np.inf)
        everywhere = (self.start > 0.0) & (modes >= sigma_max)
        return np.where(everywhere, gain_law.log_converged_ratio(modes, sigma_min, sigma_max), ratio)

    def trajectory_across(self, segment: PathSegment) -> VarianceTrajectory:
        return _FlowTwoLayerTrajectory(self.start, segment)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        segment = PathSegment.between_noise_levels(eigenvalue, sigma_min, sigma_max)
        times, shape = gain_law.non_negative("flow_time", flow_time), _shape(self.start, segment, flow_time)
        sign, size = np.zeros(shape), np.full(shape, -np.inf)
        for index, part, elapsed, sides in _chunks(self.start, segment, times):
            found, log_size = _signed_sum(sides, PACE * elapsed * part.stretch)
            sign.flat[index] = found
            size.flat[index] = log_size - PACE * elapsed * part.stretch * part.nearest
        return sign, size

    def _velocity_of(self, gain: Values, eigenvalue: Values, sigma: np.ndarray) -> np.ndarray:
        """Velocity gain of a denoiser's gain; ``ValueError`` for a negative one."""
        velocity = axis.velocity_of_gain(gain, sigma)
        if np.any(velocity * axis.leverage(sigma) < -_ROUNDING):
            raise ValueError(
                f"gain must be at least 1 / (1 + sigma), got {np.min(gain):g}: P P^T has no negative gain"
            )
        # A gain has few digits of a small velocity gain; those of the start are known.
        at_start = gain == self.start_gain(eigenvalue, sigma**2)
        return np.where(at_start, self.start, np.maximum(velocity, 0.0))


@final
@dataclass(frozen=True, eq=False)
class _FlowTwoLayerTrajectory(VarianceTrajectory):
    gain: np.ndarray
    segment: PathSegment

    def growth(self, flow_time: Values) -> np.ndarray:
        times = gain_law.non_negative("flow_time", flow_time)
        growth = np.zeros(_shape(self.gain, self.segment, times))
        for index, _, _, sides in _chunks(self.gain, self.segment, times):
            growth.flat[index] = sum(_twice(weight, tied.change()) for tied, weight, _ in sides)
        return growth

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        times = gain_law.non_negative("flow_time", flow_time)
        growth, slope = (np.zeros(_shape(self.gain, self.segment, times)) for _ in range(2))
        for index, _, _, sides in _chunks(self.gain, self.segment, times):
            growth.flat[index] = sum(_twice(weight, tied.change()) for tied, weight, _ in sides)
            slope.flat[index] = sum(_twice(weight, tied.rate()) for tied, weight, _ in sides)
        return growth, slope


def _chunks(
    gain: np.ndarray, segment: PathSegment, flow_time: np.ndarray
) -> Iterator[tuple[np.ndarray, PathSegment, np.ndarray, tuple[Panels, Panels]]]:
    """Flat indices of modes and times that learn, their segments, times, and panels on both sides."""
    shape = _shape(gain, segment, flow_time)
    gains, times = (np.broadcast_to(value, shape).ravel() for value in (gain, flow_time))
    learning = np.flatnonzero(gains > 0.0)
    for first in range(0, len(learning), _BLOCK):
        index = learning[first : first + _BLOCK]
        part, start, elapsed = segment.picked(shape, index), gains[index], times[index]
        sides = stuck_panels(part, start, elapsed), learning_panels(part, start, elapsed)
        yield index, part, elapsed, sides


def _signed_sum(sides: tuple[Panels, Panels], sharpness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sign and logarithm of twice the integral of the gap, but for its decay up to the nearest time."""
    gaps = [(weight, *tied.log_gap(sharpness * way)) for tied, weight, way in sides]
    largest = np.max([np.max(np.where(w > 0.0, size, -np.inf), axis=0) for w, _, size in gaps], axis=0)
    scale = np.where(np.isfinite(largest), largest, 0.0)
    scaled = [sign * np.exp(np.minimum(size - scale, 0.0)) for _, sign, size in gaps]
    total = np.sum([_twice(w, value) for (w, _, _), value in zip(gaps, scaled, strict=True)], axis=0)
    return np.sign(total), gain_law.log_abs(total) + scale


def _tied(
    velocity_gain: np.ndarray,
    eigenvalue: Values,
    sigma: np.ndarray,
    flow_time: Values,
) -> TiedVelocity:
    """The law at noise levels ``sigma``, in forms that keep their digits towards both ends of the path."""
    variance = _variance(eigenvalue, sigma)
    drive = -variance * axis.excess(velocity_gain, eigenvalue, sigma)
    elapsed = gain_law.non_negative("flow_time", flow_time)
    return TiedVelocity(velocity_gain, _pull(eigenvalue, sigma), variance, drive, elapsed)


def _pull(eigenvalue: Values, sigma: np.ndarray) -> np.ndarray:
    return (gain_law.non_negative("eigenvalue", eigenvalue) - sigma) / (1.0 + sigma)


def _variance(eigenvalue: Values, sigma: np.ndarray) -> np.ndarray:
    return (gain_law.non_negative("eigenvalue", eigenvalue) + sigma**2) / (1.0 + sigma) ** 2


def _twice(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    return 2.0 * np.sum(weight * values, axis=0)


def _shape(gain: np.ndarray, segment: PathSegment, flow_time: Values) -> tuple[int, ...]:
    return np.broadcast_shapes(gain.shape, segment.start.shape, np.shape(flow_time))


def _positive(noise_variance: Values) -> np.ndarray:
    return gain_law.positive("noise_variance", noise_variance)
