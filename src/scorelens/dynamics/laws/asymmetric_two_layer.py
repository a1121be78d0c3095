"""Two independent linear layers: the network ``W = P Q``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.laws.constant_start import ConstantStartLaw
from scorelens.dynamics.laws.sampling_integral import QuadratureLaw
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True, eq=False)
class AsymmetricTwoLayer(ConstantStartLaw, QuadratureLaw):
    """``D(x) = P Q x``, aligned, with the factors ``first`` and ``second`` of the gain along the mode.

    ``first ** 2 - second ** 2`` is conserved. Equal factors learn logistically, at half the pace of
    ``P P^T``; unequal ones are quicker, and very unequal ones learn like one layer. Opposite factors
    (``first = -second``) only unlearn: the mode is stuck. The gain is explicit (learning dynamics (8.3)); the
    generated variance is integrated over the noise levels. Factors are any real numbers, or one per mode.

    >>> float(AsymmetricTwoLayer(0.3, 0.1).gain(1.0, 0.49, 0.9).round(6))
    0.185915
    """

    first: Values = 0.3
    second: Values = 0.1
    name: ClassVar[str] = "two-layer-untied"
    equation: ClassVar[str] = "learning dynamics (8.3)"
    reference: ClassVar[str] = "wang2025, App. F.2.2 (corrected); learning dynamics, section 8"

    def __post_init__(self) -> None:
        for field in ("first", "second"):
            checks.finite(field, getattr(self, field))
            object.__setattr__(self, field, np.asarray(getattr(self, field), dtype=float))

    @property
    def start(self) -> np.ndarray:
        return np.asarray(self.first * self.second)

    @property
    def never_learns(self) -> np.ndarray:
        return np.asarray(self.first + self.second == 0.0)

    def layers(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both factors after ``flow_time``; their product is the gain (learning dynamics (8.3))."""
        gain = self.gain(eigenvalue, noise_variance, flow_time)
        first, second = np.asarray(self.first), np.asarray(self.second)
        # The larger factor keeps its sign; the smaller one follows from the gain.
        conserved = np.abs(first - second) * np.abs(first + second)
        larger = np.sqrt(0.5 * (np.hypot(2.0 * gain, conserved) + conserved))
        larger = larger * np.where(np.abs(first) >= np.abs(second), np.sign(first), np.sign(second))
        smaller = gain / np.where(larger == 0.0, 1.0, larger)
        leading = np.abs(first) >= np.abs(second)
        return np.where(leading, larger, smaller), np.where(leading, smaller, larger)

    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        pair = _pair(np.asarray(gain, dtype=float), self._conserved)
        at = _progress(pair, eigenvalue, noise_variance, flow_time)
        opened = _opened(pair, at)
        moved = opened * (pair.sum * at.upper + pair.difference * at.lower)
        stuck = pair.sum == 0.0
        unlearned = -np.square(pair.difference) * at.missing / (4.0 * at.upper)
        return np.where(stuck, unlearned, moved / np.where(stuck, 1.0, 4.0 * at.upper * at.lower))  # (8.3)

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # Each factor moves by the other one times the negative gradient by the gain.
        by_gain = np.asarray(eigenvalue) * (np.asarray(gain) - 1.0) + np.asarray(noise_variance) * gain
        sum_of_squares = np.hypot(2.0 * np.asarray(gain), self._conserved)
        return -sum_of_squares * by_gain

    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        pair = _pair(self.start, self._conserved)
        at = _progress(pair, eigenvalue, noise_variance, flow_time)
        pull = at.modes - at.total * self.start
        grown = np.where(pair.sum == 0.0, 0.0, np.square(pair.sum) / at.safe(at.lower))
        return at.clock * pull * (grown + np.square(pair.difference) / at.upper)

    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        pair = _pair(self.start, self._conserved)
        at = _progress(pair, eigenvalue, noise_variance, flow_time)
        stuck = np.broadcast_to(pair.sum == 0.0, at.clock.shape)
        algebraic = ~stuck & (at.rate == 0.0)
        unlearned = gain_law.log_abs(np.square(pair.difference) / 4.0) - np.log(at.upper)
        unlearned = unlearned + np.log(2.0) - at.exponent - np.log1p(np.exp(-at.exponent))
        slow = gain_law.log_abs(np.square(pair.sum) / 4.0) - np.log(np.where(algebraic, at.lower, 1.0))
        sign, learned = _learned_gap(self.start, pair, at, ~stuck & ~algebraic)
        size = np.where(stuck, unlearned, np.where(algebraic, slow, learned))
        sign = np.where(stuck, -np.sign(pair.difference), np.where(algebraic, 1.0, sign))
        return sign, size

    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        gain, way, left = (np.asarray(value, dtype=float) for value in (gain, way, left))
        after_gain = gain_law.arrival(gain, way, left, self.limit_gain(eigenvalue, noise_variance))
        before, after = _pair(gain, self._conserved), _pair(after_gain, self._conserved)
        stuck = (before.sum == 0.0) & (after.difference > 0.0) & (way > 0.0) & (left > 0.0)
        at = _progress(before, eigenvalue, noise_variance, 0.0)
        learns = gain_law.same_sign(way, left) & (before.sum > 0.0) & (after.sum > 0.0)
        time = _learning_time(before, after, way, left, at, learns)
        time = np.where(stuck, _unlearning_time(before, after, way, at, stuck), time)
        return np.where(way == 0.0, 0.0, time)

    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        pair = _pair(self.start, self._conserved)
        return np.asarray(_progress(pair, eigenvalue, noise_variance, 0.0).rate)

    def mobility(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return np.hypot(2.0 * np.asarray(gain), self._conserved)  # (8.2)

    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        return np.full_like(log_sigma, 2.0)

    @property
    def _conserved(self) -> np.ndarray:
        return np.abs(self.first - self.second) * np.abs(self.first + self.second)  # |C| of (8.2)


class _Pair(NamedTuple):
    """Sizes of the sum and of the difference of the two factors, and the gap between these sizes."""

    sum: np.ndarray
    difference: np.ndarray
    gap: np.ndarray


def _pair(gain: np.ndarray, conserved: np.ndarray) -> _Pair:
    """From the product of the factors and the size of the difference of their squares."""
    larger = np.sqrt(np.hypot(2.0 * gain, conserved) + 2.0 * np.abs(gain))
    smaller = conserved / np.where(larger > 0.0, larger, 1.0)
    sum_, difference = np.where(gain >= 0.0, larger, smaller), np.where(gain >= 0.0, smaller, larger)
    total = sum_ + difference
    return _Pair(sum_, difference, 4.0 * gain / np.where(total > 0.0, total, 1.0))


class _Progress(NamedTuple):
    """The parts of (8.3), each divided by ``R``, so that they are regular where ``R`` is 0."""

    modes: np.ndarray
    noise: np.ndarray
    total: np.ndarray
    lazy: np.ndarray
    rate: np.ndarray
    exponent: np.ndarray
    missing: np.ndarray
    clock: np.ndarray
    upper: np.ndarray
    lower: np.ndarray

    @staticmethod
    def safe(value: np.ndarray) -> np.ndarray:
        """``value`` with 1 in place of 0: a divisor whose quotient is not used there."""
        return np.where(value == 0.0, 1.0, value)


def _progress(pair: _Pair, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> _Progress:
    modes = gain_law.non_negative("eigenvalue", eigenvalue)
    noise = gain_law.positive("noise_variance", noise_variance)
    total = modes + noise
    lazy = total * pair.sum * pair.difference
    rate = np.hypot(2.0 * modes, lazy)
    times = gain_law.non_negative("flow_time", flow_time)
    exponent = rate * times
    remaining = np.exp(-exponent)
    known, missing = np.where(rate > 0.0, rate, 1.0), 2.0 * remaining / (1.0 + remaining)
    passed = -np.expm1(-exponent) / (1.0 + remaining)
    clock = np.where(rate > 0.0, passed / known, 0.5 * times)  # tanh(R T / 2) / R
    slack = (lazy**2 / (known + 2.0 * modes) + 2.0 * modes * missing) / known
    lower = np.where(rate > 0.0, slack, 1.0) + total * np.square(pair.sum) * clock
    upper = 1.0 + (2.0 * modes + total * np.square(pair.difference)) * clock
    return _Progress(modes, noise, total, lazy, rate, exponent, missing, clock, upper, lower)


def _opened(pair: _Pair, at: _Progress) -> np.ndarray:
    """``sqrt(s) - |C| / sqrt(s)`` up to positive factors: the gain's sign and size ((8.3), section 13)."""
    rate, twice = at.safe(at.rate), 2.0 * at.modes
    kept = np.where(at.rate > 0.0, (twice**2 / at.safe(at.rate + at.lazy) + at.lazy * at.missing) / rate, 1.0)
    learned = twice * at.clock
    # Of nearly opposite factors only what is left of their sum learns: there the other form has the digits.
    loss = twice * at.lazy / at.safe(at.rate + at.lazy + twice)
    lost = ((at.lazy + twice) * at.missing - 2.0 * loss) / rate
    opposite = pair.sum * (kept + learned) - pair.difference * lost
    return np.where(
        2.0 * pair.sum < pair.difference, opposite, kept * pair.gap + learned * (pair.sum + pair.difference)
    )


def _learned_gap(
    start: np.ndarray, pair: _Pair, at: _Progress, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sign and logarithm of the gain less the optimum, where it closes exponentially (``used``)."""
    optimum, square = at.modes / at.total, np.square(pair.sum)
    tilt = np.where(used, at.total * np.square(pair.difference) / at.safe(at.rate + 2.0 * at.modes), 0.0)
    stretch = np.square(1.0 + tilt)
    offset = 4.0 * gain_law.above_optimum(start, at.modes, at.noise) / stretch
    above = (square * tilt * (2.0 + tilt) + np.square(pair.difference) + 4.0 * optimum) / stretch
    spread = np.where(
        offset > 0.0, above - offset * np.expm1(-at.exponent), square - offset * np.exp(-at.exponent)
    )
    rate, lower, spread = (np.where(used, value, 1.0) for value in (at.rate, at.lower, spread))
    logs = 2.0 * np.log(rate / at.total) + np.log(lower) - 2.0 * np.log(spread) - np.log(at.upper)
    return np.sign(offset), gain_law.log_abs(offset) - at.exponent + logs


def _learning_time(
    before: _Pair, after: _Pair, way: np.ndarray, left: np.ndarray, at: _Progress, used: np.ndarray
) -> np.ndarray:
    way, left = np.where(used, way, 1.0), np.where(used, left, 1.0)
    first, last = (np.where(used, np.square(pair.sum), 1.0) for pair in (before, after))
    conserved = np.square(before.sum * before.difference)
    share = way / (1.0 + conserved / (first * last))
    early = share / (at.total * first * left + share * (at.total * conserved / last + 2.0 * at.modes))
    passed = np.clip(np.where(used, at.rate * early, 0.0), 0.0, 1.0)
    near = passed < 0.5
    known = np.where(near & (passed > 0.0), passed, 0.5)
    slowing = np.where(passed > 0.0, np.arctanh(known) / known, 1.0)
    floor = at.total * conserved / at.safe(at.rate + 2.0 * at.modes)
    late = 2.0 * np.log((last + floor) / (first + floor)) + np.log(first / last)
    late = late + gain_law.log_passed(way, left)
    time = np.where(near, 2.0 * early * slowing, late / np.where(near, 1.0, at.rate))
    return np.where(used, time, np.inf)


def _unlearning_time(
    before: _Pair, after: _Pair, way: np.ndarray, at: _Progress, used: np.ndarray
) -> np.ndarray:
    """Time of opposite factors to shrink: the gain rises towards 0 from below."""
    first, last = (np.where(used, np.square(pair.difference), 1.0) for pair in (before, after))
    early = 8.0 * np.where(used, way, 0.0) / (last * (4.0 * at.modes + at.total * first))
    passed = 2.0 * at.modes * early
    known = np.where(passed > 0.0, passed, 1.0)
    return early * np.where(passed > 0.0, np.log1p(passed) / known, 1.0)
