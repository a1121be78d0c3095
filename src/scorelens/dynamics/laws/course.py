"""Where the gain of a product of layers stands, where it goes, and how far it comes in a given time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.laws.depth_clock import DepthClock, depth_clock
from scorelens.dynamics.values import Values

_FAR = -40.0  # e^-40 is below the last digit of 1
_PLACES = (-700.0, 800.0)
_FARTHEST = -345.0  # above the optimum, where the square of its exponential is still a number

_MOST = 1e300


@final
@dataclass(frozen=True, eq=False)
class Course:
    """The motion ``d gain / dT = pace total (optimum - gain) |gain|^power`` from one gain to its ``target``.

    A way is measured so that above the target, and on a gain that sinks to 0 from below, the gap shrinks by
    ``exp(-way)``; ``below`` a positive target the odds ``gap / gain`` do. ``total`` is the eigenvalue plus
    the noise variance, ``optimum`` the eigenvalue over that.
    """

    pace: float
    power: float
    gain: np.ndarray
    total: np.ndarray
    optimum: np.ndarray
    gap: np.ndarray

    @staticmethod
    def of(pace: float, power: float, gain: Values, eigenvalue: Values, noise_variance: Values) -> Course:
        modes, noise = (
            gain_law.non_negative("eigenvalue", eigenvalue),
            gain_law.positive("noise_variance", noise_variance),
        )
        gain, total = np.asarray(gain, dtype=float), modes + noise
        sinks = (gain <= 0.0) & (power > 0.0)
        # The gap of a gain near its optimum, with two roundings only.
        gap = np.where(sinks, -gain, (modes * (1.0 - gain) - noise * gain) / total)
        return Course(pace, power, gain, total, modes / total, gap)

    @cached_property
    def below(self) -> np.ndarray:
        """Mask of the gains that rise to a positive target from a positive start."""
        return (self.gain > 0.0) & (self.gap > 0.0) & (self.power > 0.0)

    @cached_property
    def sinks(self) -> np.ndarray:
        """Mask of the gains that return to 0 from below, or stay there."""
        return (self.gain <= 0.0) & (self.power > 0.0)

    @cached_property
    def target(self) -> np.ndarray:
        """Gain after infinite time."""
        return np.where(self.sinks, 0.0, self.optimum)

    @cached_property
    def odds(self) -> np.ndarray:
        """``gap / gain`` where the gain is `below`, else 0."""
        return np.where(self.below, self.gap, 0.0) / np.where(self.below, self.gain, 1.0)

    def share(self, remaining: np.ndarray) -> np.ndarray:
        """Gain in units of its target where it is `below`, else 1, when ``exp(-way)`` is ``remaining``."""
        return 1.0 / (1.0 + self.odds * remaining)

    def way(self, flow_time: Values) -> np.ndarray:
        """Way that the gain comes in ``flow_time``."""
        times = gain_law.non_negative("flow_time", flow_time)
        if self.power == 0.0:
            return self.pace * self.total * times
        with np.errstate(over="ignore"):
            grown = np.minimum(self.power * self._free_pace * times, _MOST)
        free = np.asarray(np.log1p(grown) / self.power)
        own = np.broadcast_to(self._pace * times, free.shape)
        way = np.array(free)
        for clock, ray in self._rays(free):
            way[ray] = clock.way(np.broadcast_to(self._place, free.shape)[ray], own[ray])
        return way

    def elapsed(self, way: np.ndarray) -> np.ndarray:
        """Flow time in which the gain comes ``way`` far."""
        if self.power == 0.0:
            return way / (self.pace * self.total)
        with np.errstate(over="ignore", divide="ignore"):
            time = np.asarray(np.expm1(self.power * way) / (self.power * self._free_pace))
        place, pace = (np.broadcast_to(value, time.shape) for value in (self._place, self._pace))
        for clock, ray in self._rays(way):
            time[ray] = clock.elapsed(place[ray], way[ray]) / pace[ray]
        return time

    @cached_property
    def _pace(self) -> np.ndarray:
        """Time of the normal form ``dx/ds = |x|^power (1 - x)`` per unit of flow time (section 9.2)."""
        return self.pace * self.total * self.optimum**self.power

    @cached_property
    def _free_pace(self) -> np.ndarray:
        """Rate at which the gain would decay if the optimum were 0."""
        return self.pace * self.total * np.abs(self.gain) ** self.power

    @cached_property
    def _place(self) -> np.ndarray:
        """Place on the ray of a `DepthClock`."""
        near = np.where(self.below, self.gain, self.optimum)
        return np.clip(gain_law.log_abs(near) - self._log_gap, *_PLACES)

    @cached_property
    def _log_gap(self) -> np.ndarray:
        size = gain_law.log_abs(self.gap)
        return np.where(np.isfinite(size), size, -_PLACES[1])

    def _rays(self, free: np.ndarray) -> Iterator[tuple[DepthClock, np.ndarray]]:
        """Clock and mask of each ray; what stays far from the optimum moves as if that were 0."""
        depth = self.power - 1.0
        near = (self._place + free > _FAR) & (self._place > _FARTHEST)
        sinking, falling = self.sinks & (self.gain < 0.0) & near, ~(self.below | self.sinks) & near
        for ray, exponents in (
            (np.broadcast_to(self.below, near.shape), (-depth, 0.0)),
            (falling, (1.0 + depth, 0.0)),
            (sinking, (1.0, depth)),
        ):
            if ray.any():
                yield depth_clock(*exponents), ray
