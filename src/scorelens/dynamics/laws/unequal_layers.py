"""Independent layers of one mode that start unequal: conserved differences leave one unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.core import checks

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_LAST_DIGITS = 2.0**-46
_SMALLEST = -250.0  # decimal exponent of the smallest power of a gain that is still resolved
_NO_PACE = 1e-290
_MOST_STEPS = 100


def layer_values(
    initial_layers: np.ndarray | list[float], eigenvalue: float, noise_variance: float, flow_time: float
) -> np.ndarray:
    """Values, shape ``(layer,)``, of independent linear layers along one mode after ``flow_time``.

    The gain of the mode is the product of the layers; training conserves the differences of their squares
    (learning dynamics, section 9.1), so that the smallest layer, which alone may change its sign, fixes all.
    Its equation is solved by quadrature on panels graded towards every place where it slows down: waiting
    times of any length and convergence at any time keep their digits.

    Raises ``ValueError`` for layers that are not a vector of finite numbers, a negative eigenvalue or flow
    time, or a noise variance that is not positive.

    >>> layer_values([0.6, 0.3, 0.9], 1.0, 0.25, flow_time=0.48).round(9)
    array([0.72256674, 0.50209829, 0.98595268])
    """
    layers = _checked_layers(initial_layers)
    for name, value in (("eigenvalue", eigenvalue), ("flow_time", flow_time)):
        checks.non_negative(name, value)
    checks.positive("noise_variance", noise_variance)
    least = int(np.argmin(np.abs(layers)))
    others = np.delete(layers, least)
    surplus = (others - layers[least]) * (others + layers[least])
    side = -1.0 if np.sum(others < 0.0) % 2 else 1.0
    way = _LeastLayer(surplus, float(eigenvalue), float(eigenvalue + noise_variance))
    value = way.after(side * float(layers[least]), float(flow_time))
    return np.insert(np.sign(others) * np.sqrt(value**2 + surplus), least, side * value)


def _checked_layers(initial_layers: np.ndarray | list[float]) -> np.ndarray:
    layers = np.asarray(initial_layers, dtype=float)
    if layers.ndim != 1 or layers.size == 0:
        raise ValueError(f"initial_layers must be a vector of at least one layer, got shape {layers.shape}")
    checks.finite("initial_layers", layers)
    return layers


@final
@dataclass(frozen=True, eq=False)
class _LeastLayer:
    """``dy/dT = (eigenvalue - total y R) R`` of the smallest layer ``y``, signed so that the gain is ``y R``.

    ``R = prod sqrt(y^2 + surplus)`` is the size of the product of the other layers.
    """

    surplus: np.ndarray
    eigenvalue: float
    total: float

    def after(self, start: float, time: float) -> float:
        """Value after ``time``."""
        if start == 0.0 and self._blocked:
            return start
        edges = self._edges(start)
        clock = np.concatenate([[0.0], np.cumsum(self._time(edges[:-1], edges[1:]))])
        if time >= clock[-1]:
            return self._limit(start)
        panel = int(np.searchsorted(clock, time, side="right")) - 1
        return self._inside(float(edges[panel]), float(edges[panel + 1]), time - float(clock[panel]))

    @property
    def _blocked(self) -> bool:
        """Whether another layer vanishes together with this one, so that no product crosses 0."""
        return bool(np.any(self.surplus == 0.0))

    def _limit(self, start: float) -> float:
        learns = self.eigenvalue > 0.0 and (start > 0.0 or not self._blocked)
        return self._optimum() if learns else 0.0

    def _optimum(self) -> float:
        """The value whose product with the other layers is the optimal gain, by Newton's method in its
        logarithm."""
        target = math.log(self.eigenvalue / self.total)
        with np.errstate(divide="ignore"):
            log_surplus = np.log(self.surplus)
        # The product is convex there, and larger than either of its two asymptotes.
        level = min(target / (len(log_surplus) + 1), target - 0.5 * float(np.sum(log_surplus)))
        for _ in range(_MOST_STEPS):
            log_squares = np.logaddexp(2.0 * level, log_surplus)
            excess = level + 0.5 * float(np.sum(log_squares)) - target
            step = excess / (1.0 + float(np.sum(np.exp(2.0 * level - log_squares))))
            level -= step
            if abs(step) < 1e-16 * max(1.0, abs(level)):
                break
        return math.exp(level)

    def _edges(self, start: float) -> np.ndarray:
        """Edges of panels from ``start`` to the limit, graded towards both, and towards 0 on the way."""
        limit = self._limit(start)
        smoothest = math.sqrt(self.surplus.min(initial=(limit - start) ** 2))
        near_start = 0.5 * min(max(abs(start), smoothest), abs(limit - start))
        near_limit = _LAST_DIGITS * limit if limit > 0.0 else self._smallest
        if start < 0.0 < limit:
            before = self._graded(start, 0.0, near_start, 0.1 * smoothest)
            return np.append(before, self._graded(0.0, limit, 0.1 * smoothest, near_limit))
        return self._graded(start, limit, near_start, near_limit)

    @property
    def _smallest(self) -> float:
        vanishing = int(np.sum(self.surplus == 0.0))
        power = vanishing if self.eigenvalue > 0.0 else 2 * vanishing + 1
        return 10.0 ** (_SMALLEST / max(1, power))

    def _graded(self, low: float, high: float, near_low: float, near_high: float) -> np.ndarray:
        length = high - low
        from_low = low + length * self._fractions(near_low, abs(length))[::-1]
        from_high = high - length * self._fractions(near_high, abs(length))
        return np.concatenate([[low], from_low, from_high[1:]])

    def _fractions(self, nearest: float, length: float) -> np.ndarray:
        """Fractions of a length, falling geometrically from one half to ``nearest``."""
        log_ratio = math.log1p(min(1.0, 8.0 / (len(self.surplus) + 1)))
        n_panels = math.ceil(max(0.0, math.log(0.5 * length / nearest)) / log_ratio) if length > 0.0 else 0
        return 0.5 * np.exp(-log_ratio * np.arange(n_panels + 1))

    def _pace(self, value: np.ndarray) -> np.ndarray:
        rest = np.prod(np.sqrt(value[..., None] ** 2 + self.surplus), axis=-1)
        # At the last digit before the limit the pull may round to 0.
        return np.maximum(np.abs((self.eigenvalue - self.total * value * rest) * rest), _NO_PACE)

    def _time(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        pace = self._pace(middle[..., None] + half[..., None] * _NODES)
        return np.abs(half) * (_WEIGHTS / pace).sum(axis=-1)

    def _inside(self, low: float, high: float, time: float) -> float:
        """Place in a panel that is reached ``time`` after its edge ``low``: Newton's method, safeguarded."""
        first, value, way = low, low, math.copysign(1.0, high - low)
        for _ in range(_MOST_STEPS):
            missing = time - float(self._time(np.array(first), np.array(value)))
            low, high = (value, high) if missing > 0.0 else (low, value)
            step = way * missing * float(self._pace(np.array(value)))
            inside = (value + step - low) * (value + step - high) < 0.0
            moved = value + step if inside or missing == 0.0 else 0.5 * (low + high)
            if abs(moved - value) <= 1e-16 * abs(moved):
                break
            value = moved
        return value
