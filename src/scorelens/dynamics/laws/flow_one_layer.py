"""One linear layer trained by flow matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws import flow_integrals as integrals
from scorelens.dynamics.laws import flow_time_axis as axis
from scorelens.dynamics.laws.flow_matching import FlowMatchingLaw
from scorelens.dynamics.laws.flow_time_axis import PathSegment
from scorelens.dynamics.laws.relaxation import RelaxationLaw
from scorelens.dynamics.laws.sampling_integral import quadrature_deviation
from scorelens.dynamics.numerics.exponential_integral import ein_rise, scaled_e1_fall
from scorelens.dynamics.values import Values

_WELL_CONDITIONED = 1e-4


@final
@dataclass(frozen=True, eq=False)
class FlowOneLayer(FlowMatchingLaw, RelaxationLaw):
    """Velocity ``v = W_t x_t`` with ``W_t(0) = initial_gain`` along the mode, the same for every time.

    ``initial_gain`` is any real number, or one per mode. Closed forms in exponential integrals and error
    functions (learning dynamics, section 11.2). Learning is slowest, not fastest, at the turning time ``1 /
    (1 + eigenvalue)``. Aligned start, centred data.

    >>> law = FlowOneLayer(0.1)
    >>> float(np.exp(law.log_flow_variance(2.0, 1.6)).round(9))
    1.940944028
    >>> law.generated_variance(2.0, 1.6, sigma_min=0.002, sigma_max=80.0).round(6)
    np.float64(1.92987)
    """

    initial_gain: Values = 0.0
    name: ClassVar[str] = "flow-one-layer"
    equation: ClassVar[str] = "learning dynamics (11.1)-(11.3)"
    reference: ClassVar[str] = "wang2025, Appendix H.2"

    def __post_init__(self) -> None:
        checks.finite("initial_gain", self.initial_gain)
        object.__setattr__(self, "initial_gain", np.asarray(self.initial_gain, dtype=float))

    @property
    def start(self) -> np.ndarray:
        return np.asarray(self.initial_gain)

    @property
    def monotone(self) -> bool:
        return not np.any(self.start)  # sign of the derivative of (11.3)

    @property
    def breaks(self) -> tuple[float, ...]:
        return ()

    def offset(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        sigma = np.sqrt(_positive(noise_variance))
        return axis.leverage(sigma) * axis.excess(self.start, eigenvalue, sigma)

    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        noise = _positive(noise_variance)
        return (gain_law.non_negative("eigenvalue", eigenvalue) + noise) / (1.0 + np.sqrt(noise)) ** 2

    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        return np.full_like(log_sigma, 2.0)

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        sigma = np.sqrt(_positive(noise_variance))
        time, velocity = axis.time_of_noise(sigma), axis.velocity_of_gain(gain, sigma)
        return -time * (1.0 - time) * axis.velocity_gradient(velocity, eigenvalue, time)

    def velocity_gain(self, eigenvalue: Values, time: Values, flow_time: Values) -> np.ndarray:
        speed, elapsed = self.learning_speed(eigenvalue, time), gain_law.non_negative("flow_time", flow_time)
        exponent = elapsed * speed
        # Where nothing of x_t varies, nothing is learned.
        learned = -np.expm1(-exponent) * self.optimal_velocity_gain(eigenvalue, time)
        return self.start * np.exp(-exponent) + learned

    def learning_speed(self, eigenvalue: Values, time: Values) -> np.ndarray:
        return axis.path_variance(eigenvalue, time)

    def stuck_at(self, eigenvalue: Values, time: Values) -> np.ndarray:
        return np.broadcast_to(False, (axis.path_variance(eigenvalue, time) * self.start).shape)

    def log_limit_change(self, segment: PathSegment) -> np.ndarray:
        change = segment.log_unit_change
        return np.broadcast_to(change, np.broadcast_shapes(change.shape, self.start.shape))

    def trajectory_across(self, segment: PathSegment) -> VarianceTrajectory:
        return _FlowTrajectory(self.start, segment)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        times = gain_law.non_negative("flow_time", flow_time)
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        gains, modes, times = np.broadcast_arrays(self.start, modes, times)
        segment = PathSegment.between_noise_levels(modes, sigma_min, sigma_max)
        scaled, conditioned = _scaled_deviation(gains, segment, times)
        sign, size = np.array(np.sign(scaled)), np.array(gain_law.log_abs(scaled))
        size -= times * integrals.least_variance(segment)
        if not conditioned.all():
            hard = ~conditioned
            law = FlowOneLayer(gains[hard])
            sign[hard], size[hard] = quadrature_deviation(law, modes[hard], times[hard], sigma_min, sigma_max)
        return sign, size


@final
@dataclass(frozen=True, eq=False)
class _FlowTrajectory(VarianceTrajectory):
    gain: np.ndarray
    segment: PathSegment

    def growth(self, flow_time: Values) -> np.ndarray:
        times, segment = gain_law.non_negative("flow_time", flow_time), self.segment
        pulled = ein_rise(times * segment.first, times * segment.last, times * segment.rise)
        return pulled + self.gain * integrals.decay_less_start(times, segment)  # (11.3)

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        times, segment = gain_law.non_negative("flow_time", flow_time), self.segment
        spread = times * np.abs(segment.rise)
        mean_decay = np.where(spread > 0.0, -np.expm1(-spread) / np.where(spread > 0.0, spread, 1.0), 1.0)
        smaller = np.minimum(segment.first, segment.last)
        pull = segment.rise * np.exp(-times * smaller) * mean_decay
        return self.growth(times), pull - self.gain * integrals.decay_slope(times, segment)


def _scaled_deviation(
    gains: np.ndarray, segment: PathSegment, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Deviation from the limit times ``exp(flow_time least r)``, and where it keeps its digits (section
    13)."""
    least, smaller = integrals.least_variance(segment), np.minimum(segment.first, segment.last)
    early = times * np.maximum(segment.first, segment.last) <= 1.0
    later = np.where(early, 1.0, times)
    fall = scaled_e1_fall(later * smaller, later * np.abs(segment.rise))
    late_pull = -np.sign(segment.rise) * np.exp(-later * (smaller - least)) * fall
    pulled = ein_rise(times * segment.first, times * segment.last, times * segment.rise)
    early_pull = np.exp(np.where(early, times * least, 0.0)) * (pulled - segment.log_unit_change)
    pull, start = np.where(early, early_pull, late_pull), gains * integrals.scaled_decay(times, segment)
    total, size = pull + start, np.maximum(np.abs(pull), np.abs(start))
    return total, (size == 0.0) | (np.abs(total) > _WELL_CONDITIONED * size)


def _positive(noise_variance: Values) -> np.ndarray:
    return gain_law.positive("noise_variance", noise_variance)
