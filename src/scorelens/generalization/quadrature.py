"""Quadrature over time and over Gaussian components."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeVar, final

import numpy as np
from scipy.special import roots_hermitenorm

from scorelens.core import checks

Level = TypeVar("Level")
_ORDER = 16
_REACH = 10.0
"""Half-width of a Gaussian in standard deviations; ``z^8`` beyond it is below rounding."""
LARGEST_RULE = 1_500_000
"""Most nodes of one component."""


@lru_cache(maxsize=64)
def gauss_legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on ``[0, 1]``."""
    z, w = np.polynomial.legendre.leggauss(order)
    return (z + 1) / 2, w / 2


def panels(edges: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre of ``order`` on every interval between consecutive ``edges (..., m)``.

    Nodes and weights have the shape ``(..., (m - 1) order)``.
    """
    z, w = gauss_legendre(order)
    width = np.diff(edges)[..., None]
    nodes, weights = edges[..., :-1, None] + width * z, width * w
    return nodes.reshape(*edges.shape[:-1], -1), weights.reshape(*edges.shape[:-1], -1)


def integral_from_zero(function: Callable[[np.ndarray], np.ndarray], t: np.ndarray) -> np.ndarray:
    """``int_0^t function`` for each ``t >= 0``; panels are halved until two results agree to 1e-13.

    ``function`` is positive and smooth. Raises ``ValueError`` if they never agree.

    >>> integral_from_zero(np.exp, np.asarray(1.0)).round(12)
    np.float64(1.718281828459)
    """

    def by(count: int) -> np.ndarray:
        nodes, weights = panels(t[..., None] * np.linspace(0.0, 1.0, count + 1), _ORDER)
        return (function(nodes) * weights).sum(axis=-1)

    return refined(by, [2**n for n in range(11)], 1e-13, "a time integral of the schedule")


def refined(
    rule: Callable[[Level], np.ndarray], levels: Sequence[Level], rtol: float, what: str, sizes: int = 0
) -> np.ndarray:
    """``rule(level)`` at the first level that agrees with the one before, relative to the largest entry.

    The last ``sizes`` entries only say how large the terms were that were added: they count as the largest
    entry, and need not agree. Raises ``ValueError`` that names ``what`` if the last two still differ.
    """
    coarse = rule(levels[0])
    for level in levels[1:]:
        fine = rule(level)
        difference = np.abs(fine - coarse)[..., : np.shape(fine)[-1] - sizes] if sizes else fine - coarse
        if np.abs(difference).max(initial=0.0) <= rtol * np.abs(fine).max(initial=0.0):
            return fine
        coarse = fine
    raise ValueError(f"{what} did not converge in {len(levels)} refinements; take a smoother integrand")


class Rule(ABC):
    """Nodes and weights for the average over ``N(mean, diag(scale^2))``, in units of ``scale``."""

    same_everywhere: ClassVar[bool]
    """Whether the nodes do not depend on the mean."""

    @abstractmethod
    def axis(self, mean: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes ``z`` and weights of one axis with ``scale > 0``; the weights sum to one."""

    def nodes(self, mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Product over the axes: ``(n, d)`` and ``(n,)``; a single node 0 where the scale is 0."""
        point = np.zeros(1), np.ones(1)
        return _product([self.axis(m, s) if s > 0 else point for m, s in zip(mean, scale, strict=True)])


@final
@dataclass(frozen=True)
class GaussHermite(Rule):
    """Exact for polynomials of degree up to ``2 order - 1``."""

    order: int
    same_everywhere: ClassVar[bool] = True

    def axis(self, mean: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
        return _hermite(self.order)


@final
@dataclass(frozen=True)
class Trapezoid(Rule):
    """Equal steps: for smooth integrands the error falls like ``exp(-2 pi a / step)``, ``a`` the distance of
    the nearest pole from the real axis in standard deviations (none for waves and polynomials)."""

    step: float
    same_everywhere: ClassVar[bool] = True

    def axis(self, mean: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
        return _trapezoid(self.step)


@final
@dataclass(frozen=True)
class Pieces(Rule):
    """Gauss-Legendre between ``breaks`` where the integrand jumps, in panels no wider than ``width``."""

    width: float
    breaks: tuple[float, ...] = ()
    same_everywhere: ClassVar[bool] = False

    def axis(self, mean: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
        jumps = (np.asarray(self.breaks, dtype=float) - mean) / scale
        ends = np.r_[-_REACH, np.unique(jumps[np.abs(jumps) < _REACH]), _REACH]
        counts = np.ceil(np.diff(ends) / self.width).astype(int)
        edges = [np.linspace(a, b, n + 1)[:-1] for a, b, n in zip(ends, ends[1:], counts, strict=False)]
        z, weights = panels(np.r_[np.concatenate(edges), ends[-1]], _ORDER)
        return z, weights * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def _product(axes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    count = math.prod(len(z) for z, _ in axes)
    if len(axes) == 1:
        return axes[0][0][:, None], axes[0][1]
    if count > LARGEST_RULE:
        raise ValueError(
            f"quadrature in {len(axes)} dimensions would take {count} nodes, more than {LARGEST_RULE}; "
            "use polynomial features, which need few, or fewer dimensions"
        )
    grid = np.stack(np.meshgrid(*[z for z, _ in axes], indexing="ij"), axis=-1).reshape(count, -1)
    weight = np.ones(1)
    for _, of_axis in axes:
        weight = np.outer(weight, of_axis).ravel()
    return grid, weight


@lru_cache(maxsize=64)
def _hermite(order: int) -> tuple[np.ndarray, np.ndarray]:
    checks.at_least("order", order, 1)
    z, w = roots_hermitenorm(order)
    return z, w / w.sum()


@lru_cache(maxsize=64)
def _trapezoid(step: float) -> tuple[np.ndarray, np.ndarray]:
    count = int(np.ceil(_REACH / step))
    z = step * np.arange(-count, count + 1)
    weights = np.exp(-(z**2) / 2)
    return z, weights / weights.sum()
