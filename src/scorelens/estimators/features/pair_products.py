"""Averages of all products of two polynomials, from one average per distinct polynomial that they contain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import final

import numpy as np
import scipy.sparse

_CHUNK = 2**22
"""Numbers in one temporary array."""


@final
class PairProducts:
    """``f_a f_b = sum_r c_r f_{a + b - 2r}`` over all pairs of features, coordinate by coordinate.

    The pairs of ``m`` features hold far fewer distinct polynomials than ``m^2``. ``index (m, d)`` and
    ``spread`` are those of the features; with ``derivatives``, it is ``sum_l d_l f_a d_l f_b`` instead.

    >>> pairs = PairProducts(np.array([[1], [2]]), 1.0, derivatives=False)  # He_1 He_1 = He_2 + 1 ...
    >>> pairs.mean(np.array([[[1.0, 0.0, 5.0, 0.0, 0.0]]]))
    array([[ 6.,  0.],
           [ 0., 22.]])
    """

    def __init__(self, index: np.ndarray, spread: float, derivatives: bool) -> None:
        self._count = len(index)
        place: dict[bytes, int] = {}
        rows, columns, weights = [], [], []
        for pair, exponents, weight in _terms(index, spread, derivatives):
            rows.append(pair)
            columns.append([place.setdefault(row.tobytes(), len(place)) for row in exponents])
            weights.append(weight)
        flat = [np.concatenate(part) if part else np.zeros(0) for part in (rows, columns, weights)]
        self._exponents = np.array([np.frombuffer(key, dtype=index.dtype) for key in place])
        shape = (self._count**2, len(place))
        self._rule = scipy.sparse.csr_array((flat[2], (flat[0].astype(int), flat[1].astype(int))), shape)

    def mean(self, singles: np.ndarray) -> np.ndarray:
        """Averages over points of all pairs, ``(m, m)``, from ``E f_n``: ``(points, d, 2 degree + 1)``."""
        total, size = np.zeros(len(self._exponents)), max(1, len(self._exponents))
        step = max(1, _CHUNK // size)
        for start in range(0, len(singles), step):
            total += self._products(singles[start : start + step]).sum(axis=0)
        return (self._rule @ (total / len(singles))).reshape(self._count, self._count)

    def _products(self, singles: np.ndarray) -> np.ndarray:
        found = np.ones((len(self._exponents), len(singles)))
        for axis, n in enumerate(self._exponents.T):
            held = np.flatnonzero(n)
            found[held] *= singles[:, axis].T[n[held]]
        return found.T


def _terms(
    index: np.ndarray, spread: float, derivatives: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs ``(p,)`` as ``row * m + column``, exponents ``(p, d)`` of one term each, and factors ``(p,)``."""
    for row, a in enumerate(index):
        for axis in np.flatnonzero(a) if derivatives else [None]:
            low, others, factor = a, index, np.ones(len(index))
            if axis is not None:
                one = np.arange(len(a)) == axis
                low, others, factor = a - one, index - one, a[axis] * index[:, axis].astype(float)
            for r in itertools.product(*(range(n + 1 if spread else 1) for n in low)):
                fits = np.flatnonzero((others >= np.array(r)).all(axis=1))
                scale = factor[fits]
                for n, k, partner in zip(low, r, others[fits].T, strict=True):
                    if k:
                        choose = np.array([math.comb(int(b), k) for b in partner])
                        scale = scale * (math.factorial(k) * math.comb(int(n), k) * spread**k * choose)
                yield row * len(index) + fits, low + others[fits] - 2 * np.array(r), scale
