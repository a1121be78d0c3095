"""The logistic law of a tied two-layer velocity gain, without overflow on either side of the turning time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.dynamics import gain_law

PACE = 4.0
"""Exponent per unit of ``flow_time A_0``: 8 learning rates, not the 4 of the paper's (371) (erratum 4)."""


@final
@dataclass(frozen=True, eq=False)
class TiedVelocity:
    """Velocity gain ``nu`` of (11.4) at some times of the path: started at ``gain >= 0``.

    ``pull`` is ``A_0 = t eigenvalue - (1 - t)``, ``variance`` is ``r``, ``drive`` is ``A_0 - r gain``, given
    because it may cancel. All broadcast.
    """

    gain: np.ndarray
    pull: np.ndarray
    variance: np.ndarray
    drive: np.ndarray
    flow_time: np.ndarray

    @property
    def exponent(self) -> np.ndarray:
        """``|4 flow_time A_0|``."""
        return PACE * self.flow_time * np.abs(self.pull)

    @property
    def elapsed(self) -> np.ndarray:
        """``(1 - exp(-exponent)) / |A_0|``, which is ``4 flow_time`` at the turning time."""
        exponent = self.exponent
        known = np.where(exponent > 0.0, exponent, 1.0)
        return PACE * self.flow_time * np.where(exponent > 0.0, -np.expm1(-exponent) / known, 1.0)

    @property
    def denominator(self) -> np.ndarray:
        """That of (11.4), times ``exp(4 flow_time A_0)`` where the gain decays."""
        started = np.where((self.pull > 0.0) & (self.gain > 0.0), np.exp(-self.exponent), 1.0)
        return started + self.gain * self.variance * self.elapsed

    def value(self) -> np.ndarray:
        """The velocity gain."""
        return self.gain * np.where(self.pull < 0.0, np.exp(-self.exponent), 1.0) / self.denominator  # (11.4)

    def change(self) -> np.ndarray:
        """Velocity gain less its start."""
        return self.drive * (self.gain * self.elapsed / self.denominator)

    def rate(self) -> np.ndarray:
        """Derivative of the velocity gain by flow time."""
        denominator = self.denominator
        return PACE * (self.gain * np.exp(-self.exponent) / denominator) * (self.drive / denominator)

    def log_gap(self, faded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sign and logarithm of the velocity gain less its limit, where ``faded`` stands for `exponent`.

        Nothing is left to learn from a gain 0: sign 0 and ``-inf``.
        """
        learned = self.pull > 0.0
        apart = np.where(learned, -self.drive / np.where(learned, self.variance, 1.0), self.gain)
        apart = np.where(self.gain == 0.0, 0.0, apart)
        known = np.where(apart == 0.0, 1.0, self.denominator)
        return np.sign(apart), gain_law.log_abs(apart) - faded - np.log(known)


def tied_travel_time(
    gain: np.ndarray,
    way: np.ndarray,
    left: np.ndarray,
    pull: np.ndarray,
    variance: np.ndarray,
) -> np.ndarray:
    """Flow time in which a velocity gain moves by ``way``, ``left`` before its limit; infinite if never."""
    sinks = pull < 0.0
    # What decays to 0 is known best by what is left of it.
    before, after = np.where(sinks, -left - way, gain), np.where(sinks, -left, gain + way)
    ahead = (way * left > 0.0) & (before > 0.0) & (after > 0.0)
    before, after = np.where(ahead, before, 1.0), np.where(ahead, after, 1.0)
    optimum, way = pull / variance, np.where(ahead, way, 0.0)
    to_optimum = np.where(ahead, np.where(sinks, optimum + left, left), 1.0)
    # log1p(pull * early) / pull, early and late.
    near = np.abs(optimum * way) < 0.5 * np.abs(before * to_optimum)
    early = np.where(near, way, 0.0) / np.where(near, before * to_optimum, 1.0)
    passed = optimum * early
    slowing = np.where(passed == 0.0, 1.0, np.log1p(passed) / np.where(passed == 0.0, 1.0, passed))
    late = np.log(after / before) + gain_law.log_abs(to_optimum + way) - gain_law.log_abs(to_optimum)
    time = np.where(near, early * slowing / variance, late / np.where(near, 1.0, pull)) / PACE
    return np.where(ahead, time, np.inf)
