"""Two tied linear layers: the symmetric network ``W = P P^T``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws.constant_start import ConstantStartLaw
from scorelens.dynamics.laws.sampling_integral import quadrature_deviation
from scorelens.dynamics.values import Values

_PACE = 4.0
_WELL_CONDITIONED = 1e-4


@final
@dataclass(frozen=True, eq=False)
class SymmetricTwoLayer(ConstantStartLaw):
    """``D(x) = P P^T x`` with ``initial_gain >= 0`` along the mode, the same for every sigma; a logistic law.

    The gain grows like ``exp(4 flow_time eigenvalue)`` from a small start, at a pace that does not depend on
    sigma, and saturates at the optimum. From a start of exactly 0 it never moves: the mode is stuck. All in
    closed form (Wang & Pehlevan 2025, Prop. 5.1; learning dynamics, section 7). Aligned start, centred data.

    Raises ``ValueError`` for a negative initial gain, which ``P P^T`` cannot have.

    >>> SymmetricTwoLayer(0.1).generated_variance(1.0, 0.4, sigma_min=0.002, sigma_max=80.0).round(9)
    np.float64(0.000515900)
    """

    initial_gain: Values = 0.1
    name: ClassVar[str] = "two-layer"
    equation: ClassVar[str] = "learning dynamics (7.3), (7.5)"
    reference: ClassVar[str] = "wang2025, Prop. 5.1"

    def __post_init__(self) -> None:
        checks.non_negative("initial_gain", self.initial_gain, "P P^T has no negative gain")
        object.__setattr__(self, "initial_gain", np.asarray(self.initial_gain, dtype=float))

    @property
    def start(self) -> np.ndarray:
        return np.asarray(self.initial_gain)

    @property
    def never_learns(self) -> np.ndarray:
        return self.start == 0.0

    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        gain, noise = np.asarray(gain, dtype=float), gain_law.positive("noise_variance", noise_variance)
        return gain / _clock(gain, eigenvalue, flow_time).denominator(noise)  # (7.3)

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # With P = p along the mode and gain p^2, the gradient of the loss by p is 2 p times that by the gain,
        # and the gain moves 2 p times as fast as p.
        by_gain = np.asarray(eigenvalue) * (np.asarray(gain) - 1.0) + np.asarray(noise_variance) * gain
        layer = np.sqrt(gain)
        return 2.0 * layer * (-2.0 * layer * by_gain)

    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        noise = gain_law.positive("noise_variance", noise_variance)
        clock = _clock(self.start, eigenvalue, flow_time)
        pull = clock.modes * (1.0 - self.start) - self.start * noise
        return self.start * clock.elapsed * pull / clock.denominator(noise)

    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        noise = gain_law.positive("noise_variance", noise_variance)
        clock = _clock(self.start, eigenvalue, flow_time)
        gap = np.where(self.never_learns, 0.0, gain_law.above_optimum(self.start, clock.modes, noise))
        known = np.where(gap == 0.0, 1.0, clock.denominator(noise))
        return np.sign(gap), gain_law.log_abs(gap) - clock.exponent - np.log(known)

    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        gain, way, left, modes, noise = np.broadcast_arrays(gain, way, left, modes, noise_variance)
        later = gain_law.arrival(gain, way, left, gain_law.optimal_gain(modes, noise))
        at_once, ahead = way == 0.0, gain_law.same_sign(way, left) & (gain > 0.0) & (later > 0.0)
        gain, way, left, later = (np.where(ahead, value, 1.0) for value in (gain, way, left, later))
        # The inverse of the gain relaxes exponentially; both forms are its logarithm, early and late.
        early = way / (later * (modes + noise) * (way + left))
        near = modes * early < 0.5
        passed = np.where(near, modes * early, 0.0)
        known = np.where(passed > 0.0, passed, 1.0)
        slowing = np.where(passed > 0.0, -np.log1p(-passed) / known, 1.0)
        late = np.log(later / gain) + gain_law.log_passed(way, left)
        time = np.where(near, early * slowing, late / np.where(near, 1.0, modes)) / _PACE
        return np.where(at_once, 0.0, np.where(ahead, time, np.inf))

    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        modes = _PACE * gain_law.non_negative("eigenvalue", eigenvalue)
        shape = np.broadcast_shapes(modes.shape, np.shape(noise_variance), self.start.shape)
        return np.where(self.never_learns, 0.0, np.broadcast_to(modes, shape))

    def mobility(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return _PACE * np.asarray(gain)

    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        return np.full_like(log_sigma, 2.0)

    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        return _TwoLayerTrajectory(self.start, modes, sigma_min**2, sigma_max**2)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        clock = _clock(self.start, eigenvalue, flow_time)
        total, conditioned = _scaled_deviation(clock, sigma_min**2, sigma_max**2)
        sign, size = np.array(np.sign(total)), np.array(gain_law.log_abs(total) - clock.exponent)
        if not conditioned.all():
            hard = ~conditioned
            gains, modes, times = (
                np.broadcast_to(value, hard.shape)[hard] for value in (self.start, clock.modes, flow_time)
            )
            law = SymmetricTwoLayer(gains)
            sign[hard], size[hard] = quadrature_deviation(law, modes, times, sigma_min, sigma_max)
        return sign, size


class _Clock(NamedTuple):
    """The quantities of (7.4): regular at eigenvalue 0 and at gain 0, without overflow."""

    gain: np.ndarray
    modes: np.ndarray
    exponent: np.ndarray
    remaining: np.ndarray
    elapsed: np.ndarray
    base: np.ndarray

    def denominator(self, noise_variance: Values) -> np.ndarray:
        """What the gain is divided by in (7.3): 1 at time 0."""
        return self.base + self.gain * self.elapsed * noise_variance


def _clock(gain: np.ndarray, eigenvalue: Values, flow_time: Values) -> _Clock:
    modes = gain_law.non_negative("eigenvalue", eigenvalue)
    times = _PACE * gain_law.non_negative("flow_time", flow_time)
    exponent = times * modes
    known = np.where(modes > 0.0, modes, 1.0)
    elapsed = np.where(modes > 0.0, -np.expm1(-exponent) / known, times)
    remaining = np.exp(-exponent)
    # A gain of 0 stays there whatever it is divided by; what it would be divided by underflows.
    base = np.where(gain > 0.0, remaining + gain * modes * elapsed, 1.0)  # D of (7.4)
    return _Clock(gain, modes, exponent, remaining, elapsed, base)


@final
@dataclass(frozen=True, eq=False)
class _TwoLayerTrajectory(VarianceTrajectory):
    gain: np.ndarray
    modes: np.ndarray
    low: float
    high: float

    def growth(self, flow_time: Values) -> np.ndarray:
        return self._growth(_clock(self.gain, self.modes, flow_time))

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        clock = _clock(self.gain, self.modes, flow_time)
        at_low, at_high = clock.denominator(self.low), clock.denominator(self.high)
        # Derivative of (7.5) with D + (1 - Q) lambda S = 1 put in, so that nothing cancels.
        missing = np.log1p(clock.base * (self.high - self.low) / (self.low * at_high))
        rise = (1.0 - self.gain) * self.modes * missing / clock.base
        fall = self.gain / at_low * (self.high - self.low) / at_high
        slope = _PACE * clock.remaining * self.gain / clock.base * (rise - fall)
        return self._growth(clock), slope

    def _growth(self, clock: _Clock) -> np.ndarray:
        # (7.5) less its start, in differences that stay small early.
        spread = self.gain * clock.elapsed * (self.high - self.low) / clock.denominator(self.low)
        kept = (1.0 - self.gain) * self.modes * clock.elapsed * np.log(self.high / self.low)
        return self.gain / clock.base * (kept - np.log1p(spread))


def _scaled_deviation(clock: _Clock, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Log deviation from the limit times ``exp(4 flow_time eigenvalue)``, and where it keeps its digits."""
    learns = clock.gain > 0.0
    base = np.where(learns, clock.gain * clock.elapsed * (clock.modes + high) + clock.remaining, 1.0)
    spread = (high - low) / ((clock.modes + low) * base)
    ratio = clock.remaining * spread
    known = np.where(ratio > 0.0, ratio, 1.0)
    above = clock.gain * spread * np.where(ratio > 0.0, np.log1p(ratio) / known, 1.0)
    below = (1.0 - clock.gain) * np.log1p(clock.modes * (high - low) / (low * (high + clock.modes)))
    total = np.where(learns, (above - below) / np.where(learns, clock.base, 1.0), 0.0)
    size = np.maximum(np.abs(above), np.abs(below)) / np.where(learns, clock.base, 1.0)
    return total, ~learns | (np.abs(total) > _WELL_CONDITIONED * size)
