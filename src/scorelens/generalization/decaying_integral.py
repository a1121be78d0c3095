"""What a source has accumulated by any time while it decays, from one integration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from scorelens.generalization.quadrature import panels

Function = Callable[[np.ndarray], np.ndarray]
_ORDER = 16
_ACCURACY = 1e-13
_MOST_PANELS = 2**14
_BLOCK = 2**15
"""Times whose nodes are held at once."""


@final
@dataclass(frozen=True, eq=False)
class DecayingIntegral:
    """``F(t) = int_0^t source(u) exp(decay(u) - decay(t)) du`` for ``t`` in ``[0, end]``.

    ``values (n + 1,)`` of ``F`` are kept at ``edges (n + 1,)``, panels so narrow that one Gauss-Legendre rule
    is exact on each to rounding; from the edge before it any time needs a single rule. Relative accuracy is
    near rounding at small times too, as nothing is subtracted where the source is positive.

    >>> made = DecayingIntegral.up_to(2.0, np.ones_like, lambda t: 3 * t)
    >>> bool(np.allclose(made(np.array([1e-9, 2.0])), -np.expm1([-3e-9, -6.0]) / 3, rtol=1e-13))
    True
    """

    source: Function
    decay: Function
    edges: np.ndarray
    values: np.ndarray

    @classmethod
    def up_to(cls, end: float, source: Function, decay: Function) -> Self:
        """Panels are halved until the integrals at their edges agree to 1e-13 of what was added, or to the
        rounding of the exponents where those are above 100.

        Raises ``ValueError`` if they never do.
        """
        rounding = 8 * np.finfo(float).eps * float(np.abs(decay(np.array([end])))[0])
        count, coarse = 1, _at_edges(np.array([0.0, end]), source, decay)[0]
        while count < _MOST_PANELS:
            count *= 2
            edges = np.linspace(0.0, end, count + 1)
            fine, size = _at_edges(edges, source, decay)
            if (np.abs(fine[::2] - coarse) <= max(_ACCURACY, rounding) * size[::2]).all():
                return cls(source, decay, edges, fine)
            coarse = fine
        raise ValueError(
            f"the variance of the noise up to time {end:g} does not converge in {_MOST_PANELS} panels; "
            "take a shorter time or a smoother schedule"
        )

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """``F`` at ``t`` of any shape, in ``[0, end]``."""
        flat = t.ravel()
        parts = [self._at(flat[start : start + _BLOCK]) for start in range(0, len(flat), _BLOCK)]
        return np.concatenate(parts).reshape(t.shape) if parts else np.empty(t.shape)

    def _at(self, t: np.ndarray) -> np.ndarray:
        before = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, len(self.edges) - 2)
        start = self.edges[before]
        kept = np.exp(self.decay(start) - self.decay(t)) * self.values[before]
        return kept + _over(start, t, self.source, self.decay)[0]


def _over(start: np.ndarray, end: np.ndarray, source: Function, decay: Function) -> np.ndarray:
    """What the intervals from ``start (m,)`` to ``end (m,)`` add at their ends, and its size; ``(2, m)``."""
    nodes, weights = panels(np.stack([start, end], axis=-1), _ORDER)
    added = source(nodes) * np.exp(decay(nodes) - decay(end)[:, None]) * weights
    return np.stack([added.sum(axis=-1), np.abs(added).sum(axis=-1)])


def _at_edges(edges: np.ndarray, source: Function, decay: Function) -> np.ndarray:
    """The integral at ``edges (n + 1,)``, and that of the absolute source; ``(2, n + 1)``."""
    added = _over(edges[:-1], edges[1:], source, decay)
    kept = np.exp(-np.diff(decay(edges)))
    found = np.zeros((2, len(edges)))
    for k, share in enumerate(kept):
        found[:, k + 1] = share * found[:, k] + added[:, k]
    return found
