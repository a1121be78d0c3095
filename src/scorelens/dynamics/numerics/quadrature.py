"""Gauss-Legendre panels in ``log(sigma)`` (preconditioned law, section 7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

#: Nodes of a panel.
ORDER = 12
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
_WIDEST = 0.4
_FOLDS_PER_PANEL = 2.0
_SAMPLES = 513
_GRADED_LEVELS = 34
_GRADED_RATIO = 1.0 / 3.0
_MOST_PANELS = 400


@dataclass(frozen=True, eq=False)
class Rule:
    """Nodes and weights of a quadrature in ``u = log(sigma)``; ``sum(weight * f(node))`` is the integral.

    ``log_sigma`` and ``weight`` have shape ``(node, *extra)``; ``extra`` is empty for a rule shared by all
    modes.
    """

    log_sigma: np.ndarray
    weight: np.ndarray

    @property
    def noise_variance(self) -> np.ndarray:
        """``sigma ** 2`` at the nodes."""
        return np.exp(2.0 * self.log_sigma)


def panel_rule(edges: np.ndarray) -> Rule:
    """Twelve Gauss-Legendre nodes on each panel between consecutive ``edges``, shape ``(edge, *extra)``.

    >>> rule = panel_rule(np.array([0.0, 0.5, 1.0]))
    >>> float((rule.weight * rule.log_sigma**2).sum().round(12))
    0.333333333333
    """
    half = 0.5 * np.diff(edges, axis=0)
    middle = 0.5 * (edges[1:] + edges[:-1])
    shape = (1, -1) + (1,) * (edges.ndim - 1)
    nodes = middle[:, None] + half[:, None] * _NODES.reshape(shape)
    weights = half[:, None] * _WEIGHTS.reshape(shape)
    return Rule(nodes.reshape(-1, *edges.shape[1:]), weights.reshape(-1, *edges.shape[1:]))


def panel_integrals(upper: np.ndarray) -> np.ndarray:
    """Weights ``(..., node)`` that integrate the values at a panel's nodes from its left end to ``upper``.

    ``upper (...)`` counts from -1 to 1 across the panel; for a panel of half width ``h``, multiply by ``h``.

    >>> bool(np.allclose(panel_integrals(np.array(1.0)).sum(), 2.0))
    True
    """
    # Integrals of the Legendre polynomials, back from their coefficients to the nodes.
    degree = np.arange(ORDER)
    series = np.polynomial.legendre.legvander(_NODES, ORDER - 1) * _WEIGHTS[:, None] * (degree + 0.5)
    values = np.polynomial.legendre.legvander(np.asarray(upper, dtype=float), ORDER)
    first = values[..., :1] + values[..., 1:2]
    rest = (values[..., 2:] - values[..., :-2]) / (2 * degree[1:] + 1)
    return np.concatenate([first, rest], axis=-1) @ series.T


def steep_rule(
    low: float, high: float, steepness: Callable[[np.ndarray], np.ndarray], breaks: Iterable[float] = ()
) -> Rule:
    """Rule on ``[low, high]`` in ``log(sigma)`` for integrands like ``exp(-flow_time * speed)``.

    ``steepness(u)`` bounds ``|d log(speed) / du|``: panels are at most 0.4 wide and cross at most two e-folds
    of the speed, so that the front where ``flow_time * speed = 1`` is resolved wherever it stands. ``breaks``
    are points where the speed jumps.
    """
    ends = _segment_ends(low, high, breaks)
    edges = [_steep_edges(a, b, steepness) for a, b in pairwise(ends)]
    rules = [panel_rule(edge) for edge in edges]
    return Rule(np.concatenate([r.log_sigma for r in rules]), np.concatenate([r.weight for r in rules]))


def graded_rule(
    low: float, high: float, interior: np.ndarray, breaks: Iterable[float], widest: float
) -> Rule:
    """Rule whose panels shrink geometrically towards both ends, every break and one ``interior`` point per
    mode.

    For ``exp(-flow_time * speed)`` at large ``flow_time``, where all that is left sits within ``1 /
    flow_time`` of the slowest level. ``interior`` has any shape ``extra``; the nodes have shape ``(node,
    *extra)``.
    """
    ends = _segment_ends(low, high, breaks)
    rules = [_graded_segment(a, b, interior, widest) for a, b in pairwise(ends)]
    return Rule(np.concatenate([r.log_sigma for r in rules]), np.concatenate([r.weight for r in rules]))


def _segment_ends(low: float, high: float, breaks: Iterable[float]) -> list[float]:
    return [low, *sorted({b for b in breaks if low < b < high}), high]


def _steep_edges(low: float, high: float, steepness: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    u = np.linspace(low, high, _SAMPLES)
    per_unit = np.maximum(1.0 / _WIDEST, steepness(u) / _FOLDS_PER_PANEL)
    count = np.concatenate([[0.0], np.cumsum(0.5 * (per_unit[1:] + per_unit[:-1]) * np.diff(u))])
    n_panels = max(1, math.ceil(count[-1]))
    edges = np.interp(np.linspace(0.0, count[-1], n_panels + 1), count, u)
    edges[0], edges[-1] = low, high
    return edges


def _graded_segment(low: float, high: float, interior: np.ndarray, widest: float) -> Rule:
    inside = (interior > low) & (interior < high)
    middle = np.where(inside, interior, 0.5 * (low + high))
    left = _graded_half(np.full_like(middle, low), middle, widest)
    right = _graded_half(middle, np.full_like(middle, high), widest)
    return Rule(
        np.concatenate([left.log_sigma, right.log_sigma]), np.concatenate([left.weight, right.weight])
    )


def _graded_half(low: np.ndarray, high: np.ndarray, widest: float) -> Rule:
    # Each node is placed from its nearer end: the offset, not the position, must keep its digits.
    length = high - low
    n_panels = min(_MOST_PANELS, max(2, math.ceil(float(length.max(initial=0.0)) / (2.0 * widest))))
    first = 0.5 / n_panels
    fine = first * _GRADED_RATIO ** np.arange(_GRADED_LEVELS, 0, -1)
    template = panel_rule(np.concatenate([[0.0], fine, np.linspace(first, 0.5, n_panels)]))
    shape = (-1,) + (1,) * length.ndim
    offset, weight = template.log_sigma.reshape(shape) * length, template.weight.reshape(shape) * length
    return Rule(np.concatenate([low + offset, high - offset]), np.concatenate([weight, weight]))
