"""A mean along one eigenvector of the data: weight and bias of that mode learn together, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.numerics.quadrature import panel_rule
from scorelens.dynamics.values import Values

_PANEL = 0.2


class ModePoint(NamedTuple):
    """Weight and bias along a mode, or their rates; arrays of one shape."""

    weight: np.ndarray
    bias: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class SingleMode:
    """One layer along a mode of variance ``eigenvalue`` on which the data have the mean ``overlap``.

    Valid where the mean lies along this one eigenvector (or vanishes: then it is `OneLayer`, and the bias
    decays); a mean that overlaps several needs `DenseOneLayer`. All four fields broadcast with one another
    and with ``sigma`` and ``flow_time = 2 * learning rate * training time``. Raises ``ValueError`` for a
    negative eigenvalue or flow time and for noise levels that are not positive.

    >>> mode = SingleMode(eigenvalue=1.0, overlap=2.0)
    >>> weight, bias = mode.point(sigma=1.0, flow_time=1e3)
    >>> float(weight.round(9)), float(bias.round(9))
    (0.5, 1.0)
    """

    eigenvalue: Values
    overlap: Values
    initial_weight: Values = 0.0
    initial_bias: Values = 0.0

    name: ClassVar[str] = "single-mode"
    equation: ClassVar[str] = "learning dynamics, section 3.3"
    reference: ClassVar[str] = "wang2025, App. D.2"

    def __post_init__(self) -> None:
        checks.non_negative("eigenvalue", self.eigenvalue)
        for name in ("overlap", "initial_weight", "initial_bias"):
            checks.finite(name, getattr(self, name))

    def optimum(self, sigma: Values) -> ModePoint:
        """The fixed point: where both nullclines meet."""
        lam, noise = np.asarray(self.eigenvalue, dtype=float), gain_law.positive("sigma", sigma) ** 2
        return ModePoint(lam / (lam + noise), noise * np.asarray(self.overlap) / (lam + noise))

    def rates(self, sigma: Values) -> tuple[np.ndarray, np.ndarray]:
        """The slow and the fast rate at which the two learn: deviations decay as ``exp(-flow_time *
        rate)``."""
        frame = self._frame(sigma)
        return frame.slow, frame.fast

    def rate(self, weight: Values, bias: Values, sigma: Values) -> ModePoint:
        """Derivative of weight and bias by flow time at any point: the vector field of the phase portrait."""
        m, noise = np.asarray(self.overlap), gain_law.positive("sigma", sigma) ** 2
        by_bias = m - weight * m - bias
        return ModePoint(self.eigenvalue - (self.eigenvalue + noise) * weight + by_bias * m, by_bias)

    def weight_nullcline(self, bias: Values, sigma: Values) -> np.ndarray:
        """Weight at which the weight stands still for this ``bias``."""
        m, noise = np.asarray(self.overlap), gain_law.positive("sigma", sigma) ** 2
        top = self.eigenvalue + m**2
        return (top - m * np.asarray(bias)) / (top + noise)

    def bias_nullcline(self, weight: Values) -> np.ndarray:
        """Bias at which the bias stands still for this ``weight``, at every noise level."""
        return (1.0 - np.asarray(weight)) * self.overlap

    def point(self, sigma: Values, flow_time: Values) -> ModePoint:
        """Weight and bias after ``flow_time``."""
        time = gain_law.non_negative("flow_time", flow_time)
        frame, best = self._frame(sigma), self.optimum(sigma)
        start = ModePoint(np.asarray(self.initial_weight, float), np.asarray(self.initial_bias, float))
        slow, fast = np.exp(-frame.slow * time), np.exp(-frame.fast * time)
        slow_left, fast_left = -np.expm1(-frame.slow * time), -np.expm1(-frame.fast * time)
        mixed = slow * np.expm1(-(frame.fast - frame.slow) * time) * frame.product
        kept = _Symmetric(
            fast * frame.along_weight + slow * frame.along_bias,
            mixed,
            fast * frame.along_bias + slow * frame.along_weight,
        )
        learned = _Symmetric(
            fast_left * frame.along_weight + slow_left * frame.along_bias,
            -mixed,
            fast_left * frame.along_bias + slow_left * frame.along_weight,
        )
        return _most_accurate(start, best, kept, learned)

    def log_generated_variance(self, flow_time: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Logarithm of the variance that the exact probability-flow ODE generates along the mode (4.3)."""
        panels = self._panels(flow_time, sigma_min, sigma_max)
        return 2.0 * np.log(sigma_max) + 2.0 * panels.total

    def generated_variance(self, flow_time: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Variance that the exact probability-flow ODE generates along the mode."""
        return np.exp(self.log_generated_variance(flow_time, sigma_min, sigma_max))

    def generated_mean(self, flow_time: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Mean that the exact probability-flow ODE generates along the mode (4.3)."""
        panels = self._panels(flow_time, sigma_min, sigma_max)
        return (panels.node_weight * panels.bias * np.exp(panels.up_to_node)).sum(axis=0)

    def _frame(self, sigma: Values) -> _Frame:
        """Eigenvalues of the 2 x 2 second moment and the squares and product of its fast eigenvector."""
        noise, m = gain_law.positive("sigma", sigma) ** 2, np.asarray(self.overlap, dtype=float)
        variance = self.eigenvalue + noise
        half = 0.5 * (variance + m**2 - 1.0)
        radius = np.hypot(half, m)
        fast = 0.5 * (variance + m**2 + 1.0) + radius
        known = np.where(radius > 0.0, radius, 1.0)
        larger = np.where(radius > 0.0, (radius + np.abs(half)) / (2.0 * known), 1.0)
        product = np.where(radius > 0.0, m / (2.0 * known), 0.0)
        smaller = product**2 / larger
        up = half >= 0.0
        along = np.where(up, larger, smaller), np.where(up, smaller, larger)
        return _Frame(variance / fast, fast, *along, product)

    def _panels(self, flow_time: Values, sigma_min: float, sigma_max: float) -> _Panels:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        low, high = np.log(sigma_min), np.log(sigma_max)
        n_panels = int(np.ceil((high - low) / _PANEL))
        rule = panel_rule(np.linspace(low, high, n_panels + 1))
        shape = np.broadcast_shapes(*(np.shape(x) for x in (*_fields(self), flow_time)))
        column = (-1,) + (1,) * len(shape)
        weight, bias = self.point(np.exp(rule.log_sigma).reshape(column), flow_time)
        drift = (np.broadcast_to(weight, (len(rule.weight), *shape)) - 1.0).reshape(n_panels, -1, *shape)
        inside = np.einsum("ij,pj...->pi...", _TO_NODES * (high - low) / n_panels, drift)
        node_weight = rule.weight.reshape(column)
        whole = (node_weight * drift.reshape(-1, *shape)).reshape(n_panels, -1, *shape).sum(axis=1)
        before = np.cumsum(whole, axis=0) - whole
        up_to_node = (before[:, None] + inside).reshape(-1, *shape)
        return _Panels(node_weight, np.broadcast_to(bias, up_to_node.shape), up_to_node, whole.sum(axis=0))


class _Frame(NamedTuple):
    slow: np.ndarray
    fast: np.ndarray
    along_weight: np.ndarray
    along_bias: np.ndarray
    product: np.ndarray


class _Symmetric(NamedTuple):
    weight: np.ndarray
    mixed: np.ndarray
    bias: np.ndarray


class _Panels(NamedTuple):
    """At each node in ``log(sigma)``: quadrature weight, bias, integral of ``weight - 1`` up to it."""

    node_weight: np.ndarray
    bias: np.ndarray
    up_to_node: np.ndarray
    total: np.ndarray


def _fields(mode: SingleMode) -> tuple[Values, ...]:
    return mode.eigenvalue, mode.overlap, mode.initial_weight, mode.initial_bias


def _apply(matrix: _Symmetric, point: ModePoint) -> ModePoint:
    by_weight = matrix.weight * point.weight + matrix.mixed * point.bias
    return ModePoint(by_weight, matrix.mixed * point.weight + matrix.bias * point.bias)


def _most_accurate(start: ModePoint, best: ModePoint, kept: _Symmetric, learned: _Symmetric) -> ModePoint:
    """Each of the two from that of three equal sums which rounds least, late, early and between: a large bias
    must not spoil a small weight, nor the reverse."""
    away = ModePoint(start.weight - best.weight, start.bias - best.bias)
    sums = _three_sums(start, best, away, kept, learned, sign=-1.0)
    sizes = [type(part)(*(np.abs(x) for x in part)) for part in (start, best, away, kept, learned)]
    bounds = _three_sums(*sizes, sign=1.0)  # pyright: ignore[reportArgumentType]
    chosen = []
    for values, errors in zip(zip(*sums, strict=True), zip(*bounds, strict=True), strict=True):
        stacked = np.stack(np.broadcast_arrays(*values))
        least = np.argmin(np.stack(np.broadcast_arrays(*errors)), axis=0)
        chosen.append(np.take_along_axis(stacked, least[None], axis=0)[0])
    return ModePoint(*chosen)


def _three_sums(
    start: ModePoint,
    best: ModePoint,
    away: ModePoint,
    kept: _Symmetric,
    learned: _Symmetric,
    sign: float,
) -> list[ModePoint]:
    late, early = _apply(kept, away), _apply(learned, away)
    old, new = _apply(kept, start), _apply(learned, best)
    return [
        ModePoint(best.weight + late.weight, best.bias + late.bias),
        ModePoint(start.weight + sign * early.weight, start.bias + sign * early.bias),
        ModePoint(old.weight + new.weight, old.bias + new.bias),
    ]


def _to_nodes() -> np.ndarray:
    """Integrals from the start of a unit panel to each of its nodes, by values at the nodes."""
    n = len(panel_rule(np.array([0.0, 1.0])).weight)
    roots, weights = np.polynomial.legendre.leggauss(n)
    vander = np.polynomial.legendre.legvander(roots, n - 1)
    coefficients = (np.arange(n) + 0.5)[:, None] * (vander * weights[:, None]).T
    antiderivatives = [np.polynomial.legendre.legint(e, lbnd=-1) for e in np.eye(n)]
    at_nodes = np.stack([np.polynomial.legendre.legval(roots, p) for p in antiderivatives], axis=1)
    return 0.5 * at_nodes @ coefficients


_TO_NODES = _to_nodes()
