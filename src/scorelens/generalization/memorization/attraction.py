"""How far a denoiser has moved from the Gaussian floor towards knowing its training set by heart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from scorelens.generalization.memorization.intervals import standard_error

RESOLVED, COINCIDE = "resolved", "floors coincide"


@final
@dataclass(frozen=True, eq=False)
class Attraction:
    """Of a denoiser ``D`` between two floors, ``G`` (Gaussian) and ``E`` (empirical), per noise level.

    - ``coefficient`` ``(s,)``: the ``a`` for which ``G + a (E - G)`` is nearest to ``D`` in the mean square
      over noised held-out points, ``a = sum <D - G, E - G> / sum |E - G|^2``. 0 for ``G``, 1 for ``E``.
    - ``standard_error`` ``(s,)``: over the points (of a ratio of means).
    - ``off_axis`` ``(s,)``: root mean square of ``D - G - a (E - G)`` over that of ``E - G``: how much of
      ``D`` lies beside the line between the floors. ``a`` alone says little where this is large.
    - ``gap`` ``(s,)``: root mean square of ``E - G`` per value of an event, in data units.
    - ``status``: per level "resolved", or "floors coincide" where the gap is lost in rounding (at large
      noise): there the other numbers are NaN.
    """

    sigma: np.ndarray
    coefficient: np.ndarray
    standard_error: np.ndarray
    off_axis: np.ndarray = field(repr=False)
    gap: np.ndarray = field(repr=False)
    status: tuple[str, ...]

    @property
    def resolved(self) -> np.ndarray:
        """Mask ``(s,)`` of the levels where the floors can be told apart."""
        return np.array([status == RESOLVED for status in self.status])


@final
@dataclass(frozen=True, eq=False)
class Projection:
    """Of one level: the coefficient, its ``influence (n,)`` per point, the rest and the gap."""

    coefficient: float
    influence: np.ndarray
    off_axis: float
    gap: float

    @property
    def standard_error(self) -> float:
        """Standard error of the coefficient."""
        return standard_error(self.influence)


def projection(
    denoised: np.ndarray, gaussian: np.ndarray, empirical: np.ndarray, smallest: float = 0.0
) -> Projection:
    """Project what a denoiser makes of ``n`` points, ``(n, d)``, on the line between those of two floors.

    A gap of at most ``smallest`` (root mean square per value) makes everything but the gap NaN.

    >>> gaussian, empirical = np.zeros((5, 2)), np.ones((5, 2))
    >>> projection(gaussian + 0.25, gaussian, empirical).coefficient
    0.25
    """
    moved, way = (denoised - gaussian).astype(np.float64), (empirical - gaussian).astype(np.float64)
    length = (way**2).sum(axis=1)
    gap = float(np.sqrt(length.mean() / way.shape[1]))
    if not gap > smallest:
        return Projection(np.nan, np.full(len(way), np.nan), np.nan, gap)
    along = (moved * way).sum(axis=1)
    coefficient = float(along.sum() / length.sum())
    rest = ((moved - coefficient * way) ** 2).sum(axis=1)
    influence = (along - coefficient * length) / length.mean()
    return Projection(coefficient, influence, float(np.sqrt(rest.sum() / length.sum())), gap)


def attraction(sigmas: np.ndarray, levels: list[Projection]) -> Attraction:
    """The projections at the noise levels ``sigmas`` ``(s,)`` as one."""
    return Attraction(
        sigma=sigmas,
        coefficient=np.array([level.coefficient for level in levels]),
        standard_error=np.array([level.standard_error for level in levels]),
        off_axis=np.array([level.off_axis for level in levels]),
        gap=np.array([level.gap for level in levels]),
        status=tuple(COINCIDE if np.isnan(level.coefficient) else RESOLVED for level in levels),
    )
