"""The implicit solution of a product of layers: how far a gain has come after a given time, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import final

import numpy as np
from numpy.polynomial import Chebyshev
from scipy.special import expit

_MATCH = 4  # beyond this |place| the tail series converge to 17 digits in _N_TERMS terms
_N_TERMS = 11
_DEGREE = 14
_GUESS_END = 14.0
_GUESSES = 5601  # so fine that one step of third order gives all digits
_SHORT = 0.25
_NEAR_ZERO = 0.35
_GAUSS_NODES, _GAUSS_WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(6))
_GAUSS_NODES = _GAUSS_NODES + 0.5


@final
class DepthClock:
    """Time ``s`` on a ray of the gain axis, ``ds = sigmoid(z)^sharpness exp(growth z) dz``, at the place
    ``z``.

    The three rays of ``dx/ds = |x|^(1 + a) (1 - x)``, ``0 <= a <= 1``, have the places ``ln(x / (1 - x))``
    with ``(sharpness, growth) = (-a, 0)`` below the fixed point 1, ``-ln(x - 1)`` with ``(1 + a, 0)`` above
    it, and ``-ln(-x)`` with ``(1, a)`` below zero (learning dynamics (9.2), section 13). The integral is a
    hypergeometric function; in these places it has no singularity nearer than ``i pi``, so that a few
    polynomials and the series of its two tails give it everywhere to the last digits.
    """

    def __init__(self, sharpness: float, growth: float) -> None:
        self._sharpness, self._growth = sharpness, growth
        order = np.arange(_N_TERMS)
        coefficient = np.cumprod(np.append(1.0, (-sharpness - order[:-1]) / order[1:]))  # binomial
        self._left = _Tail(coefficient, sharpness + growth + order, -_MATCH)
        self._right = _Tail(coefficient, growth - order, _MATCH)
        self._panels, value = self._central(float(self._left(np.array(-1.0 * _MATCH))))
        self._right_offset = value - float(self._right(np.array(1.0 * _MATCH)))
        self._guess_places = np.linspace(-_GUESS_END, _GUESS_END, _GUESSES)
        self._guess_times = self._reading(self._guess_places)

    def elapsed(self, place: np.ndarray, way: np.ndarray) -> np.ndarray:
        """Time from ``place`` to ``place + way``, ``way >= 0``; arrays of one shape."""
        time = self._reading(place + way) - self._reading(place)
        short = way < _SHORT  # the readings would cancel
        time[short] = self._short_time(place[short], way[short])
        return time

    def way(self, place: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Way from ``place`` in ``time >= 0``; arrays of one shape."""
        first = time / self._pace(place)
        short = first < _SHORT
        way = np.empty_like(first)
        way[short] = self._short_way(place[short], time[short], first[short])
        way[~short] = self._long_way(place[~short], time[~short])
        return way

    def _short_way(self, place: np.ndarray, time: np.ndarray, first: np.ndarray) -> np.ndarray:
        way = first * (1.0 - 0.5 * first * self._log_pace_slope(place))
        for _ in range(2):
            way = way + self._halley(place + way, time - self._short_time(place, way))
        return way

    def _long_way(self, place: np.ndarray, time: np.ndarray) -> np.ndarray:
        reading = self._reading(place)
        end = np.maximum(self._guess(reading + time), place)
        return end - place + self._halley(end, time - (self._reading(end) - reading))

    def _halley(self, place: np.ndarray, missing: np.ndarray) -> np.ndarray:
        newton = missing / self._pace(place)
        return newton / np.maximum(1.0 + 0.5 * newton * self._log_pace_slope(place), 0.5)

    def _short_time(self, place: np.ndarray, way: np.ndarray) -> np.ndarray:
        total = np.zeros_like(way)
        for node, weight in zip(_GAUSS_NODES, _GAUSS_WEIGHTS, strict=True):
            total += weight * self._pace(place + node * way)
        return way * total

    def _pace(self, place: np.ndarray) -> np.ndarray:
        pace = (1.0 + np.exp(-place)) ** -self._sharpness
        return pace * np.exp(self._growth * place) if self._growth else pace

    def _log_pace_slope(self, place: np.ndarray) -> np.ndarray:
        return self._sharpness * expit(-place) + self._growth

    def _reading(self, place: np.ndarray) -> np.ndarray:
        """Integral of the pace up to ``place``, from a beginning common to all places."""
        reading = np.empty_like(place)
        left, right = place < -_MATCH, place >= _MATCH
        middle = ~(left | right)
        reading[left] = self._left(place[left])
        reading[middle] = self._middle(place[middle])
        reading[right] = self._right(place[right]) + self._right_offset
        return reading

    def _middle(self, place: np.ndarray) -> np.ndarray:
        panel = np.floor(place).astype(int) + _MATCH
        twice = 4.0 * (place + _MATCH - panel) - 2.0
        after, here = np.zeros_like(place), np.zeros_like(place)
        for coefficient in self._panels[:0:-1]:  # Clenshaw
            here, after = coefficient[panel] + twice * here - after, here
        return self._panels[0][panel] + 0.5 * twice * here - after

    def _central(self, value: float) -> tuple[np.ndarray, float]:
        """Chebyshev coefficients ``(order, panel)`` of the reading, and its value where they end."""
        panels = []
        for first in range(-_MATCH, _MATCH):
            pace = Chebyshev.interpolate(self._pace, _DEGREE, domain=(first, first + 1))
            series = pace.integ(lbnd=first) + value
            value = float(series(first + 1))
            panels.append(np.pad(series.coef, (0, _DEGREE + 2 - len(series.coef))))  # zeros were trimmed
        return np.array(panels).T, value

    def _guess(self, reading: np.ndarray) -> np.ndarray:
        """Place of a reading to five digits: a table, and one term of each tail."""
        place = np.interp(reading, self._guess_times, self._guess_places)
        before, beyond = reading < self._guess_times[0], reading > self._guess_times[-1]
        place[before] = self._left.leading_place(reading[before])
        place[beyond] = self._right.leading_place(reading[beyond] - self._right_offset)
        return place


@final
class _Tail:
    """``sum_k coefficient_k exp(exponent_k z) / exponent_k``, where the last factor of an exponent near 0
    is its limit ``z``."""

    def __init__(self, coefficient: np.ndarray, exponent: np.ndarray, origin: float) -> None:
        near_zero = np.abs(exponent) < _NEAR_ZERO
        self._plain = np.where(near_zero, 0.0, coefficient / np.where(near_zero, 1.0, exponent))
        self._first, self._step = exponent[0], exponent[1] - exponent[0]
        self._near_zero = list(zip(coefficient[near_zero], exponent[near_zero], strict=True))
        self._origin = origin

    def __call__(self, place: np.ndarray) -> np.ndarray:
        ratio = np.exp(self._step * place)
        total = np.zeros_like(place)
        for term in self._plain[::-1]:
            total = total * ratio + term
        total = total * np.exp(self._first * place)
        for coefficient, exponent in self._near_zero:
            total += coefficient * _shifted_exponential(exponent, place - self._origin, self._origin)
        return total

    def leading_place(self, reading: np.ndarray) -> np.ndarray:
        """Place at which the first term alone has this value."""
        if self._plain[0] == 0.0:
            return _shifted_logarithm(self._first, reading, self._origin)
        return np.log(reading / self._plain[0]) / self._first


def _shifted_exponential(exponent: float, shifted: np.ndarray, origin: float) -> np.ndarray:
    """``(exp(exponent z) - exp(exponent origin)) / exponent``, ``shifted`` being ``z - origin``."""
    if exponent == 0.0:
        return shifted
    return np.exp(exponent * origin) * np.expm1(exponent * shifted) / exponent


def _shifted_logarithm(exponent: float, value: np.ndarray, origin: float) -> np.ndarray:
    """Inverse of `_shifted_exponential` in ``z``."""
    if exponent == 0.0:
        return value + origin
    return np.log1p(value * exponent * np.exp(-exponent * origin)) / exponent + origin


@lru_cache(maxsize=64)
def depth_clock(sharpness: float, growth: float) -> DepthClock:
    """`DepthClock` of a ray, made once."""
    return DepthClock(sharpness, growth)
