"""Products over the coordinates of polynomials with ``f_n' = n f_{n-1}``."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.features.base import SmoothFeatureMap, refuse_too_large
from scorelens.estimators.features.pair_products import PairProducts

_CHUNK = 2**21
"""Numbers in one temporary array."""


class AppellProducts(SmoothFeatureMap):
    """``phi_beta(x) = prod_l f_{beta_l}(x_l)`` for the rows ``beta`` of an integer array ``(m, d)``.

    ``f_{n+1}(x) = x f_n(x) - n c f_{n-1}(x)``: monomials for ``c = 0``, Hermite polynomials for ``c = 1``.
    Averaging over noise of variance ``std^2`` turns ``c`` into ``c - std^2`` and nothing else ([S20], [S22]).
    """

    index: np.ndarray

    @property
    @abstractmethod
    def _spread(self) -> float:
        """The ``c`` of the recursion: variance of the law under which the ``f_n`` are orthogonal."""

    @classmethod
    def of_degree(cls, dim: int, degree: int) -> Self:
        """Every multi-index of total degree 1 to ``degree``, lowest degree first; no constant.

        Raises ``ValueError`` with the predicted size if the matrix of all pairs would not fit.
        """
        checks.at_least("dim", dim, 1)
        checks.at_least("degree", degree, 1)
        count = math.comb(dim + degree, degree) - 1
        refuse_too_large(f"the matrix of all pairs of {cls.name} features", (count, count))
        found = itertools.chain.from_iterable(_of_total(dim, total) for total in range(1, degree + 1))
        return cls(np.array(list(found)))  # pyright: ignore[reportCallIssue]

    @property
    def n_features(self) -> int:
        return len(self.index)

    @property
    def dim(self) -> int:
        return self.index.shape[1]

    def roughness(self, order: float = 1) -> np.ndarray:
        """``|beta|^order`` times the mean square under ``N(0, I)``, per feature.

        For Hermite products ``|alpha|^order alpha!``: at order 1 the mean square of the gradient ([S14]).
        """
        square = np.diag(self._second_moment(np.zeros((1, self.dim)), 0.0, 1.0))
        return self.index.sum(axis=1).astype(float) ** order * square

    @property
    def _degree(self) -> int:
        return int(self.index.max())

    def evaluate(self, x: Tensor) -> Tensor:
        table = torch.stack(_recursion(x, self._degree, self._spread), dim=-1)
        columns = (table[:, axis, n] for axis, n in enumerate(self.index.T))
        return math.prod(columns, start=torch.ones((), dtype=x.dtype, device=x.device))

    def arrays(self) -> dict[str, np.ndarray]:
        return {"index": self.index}

    def _jacobian(self, x: np.ndarray) -> np.ndarray:
        return np.stack([self._along(x, np.broadcast_to(e, x.shape))[1] for e in np.eye(self.dim)], axis=-1)

    def _curvature(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return 2 * self._along(x, direction)[2]

    def _laplacian(self, x: np.ndarray) -> np.ndarray:
        return sum(self._curvature(x, np.broadcast_to(e, x.shape)) for e in np.eye(self.dim))  # type: ignore

    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return self._mean_over_pairs(self._value_pairs, x0, alpha, std)

    def _gradient_gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return self._mean_over_pairs(self._gradient_pairs, x0, alpha, std)

    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        table = self._averages(x0, alpha, std, self._degree)
        axes = np.eye(self.dim)
        return np.stack([self._series(table, axis[None])[1].mean(axis=0) for axis in axes], axis=-1)

    def _mean_laplacian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        table = self._averages(x0, alpha, std, self._degree)
        parts = [2 * self._series(table, axis[None])[2].mean(axis=0) for axis in np.eye(self.dim)]
        return np.sum(parts, axis=0)

    def _along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._series(polynomials(x, self._degree, self._spread), direction)

    def _series(self, table: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients of 1, h and h^2 of every feature at ``x + h direction``; each ``(n, m)``."""
        zeroth = np.ones((len(table), self.n_features))
        first, second = np.zeros_like(zeroth), np.zeros_like(zeroth)
        for axis, n in enumerate(self.index.T):
            along = direction[:, axis, None]
            f, f1, f2 = (table[:, axis, np.maximum(n - lower, 0)] for lower in (0, 1, 2))
            f1, f2 = n * along * f1, n * (n - 1) / 2 * along**2 * f2
            zeroth, first, second = zeroth * f, zeroth * f1 + first * f, zeroth * f2 + first * f1 + second * f
        return zeroth, first, second

    def _averages(self, x0: np.ndarray, alpha: float, std: float, degree: int) -> np.ndarray:
        """``E f_n(alpha x0 + std n)`` for every point, coordinate and degree; ``(n, d, degree + 1)``."""
        if self._spread and abs(alpha**2 + std**2 - self._spread) <= 4 * np.finfo(float).eps:
            return alpha ** np.arange(degree + 1) * polynomials(x0, degree, self._spread)  # [S22]
        return polynomials(alpha * x0, degree, self._spread - std**2)  # [S20]

    def _mean_over_pairs(self, pairs: PairProducts, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        """The mean over points, in blocks of bounded memory ([S21])."""
        block = max(1, _CHUNK // (self.dim * (2 * self._degree + 1)))
        total = np.zeros((self.n_features, self.n_features))
        for start in range(0, len(x0), block):
            part = x0[start : start + block]
            total += len(part) * pairs.mean(self._averages(part, alpha, std, 2 * self._degree))
        return total / len(x0)

    @cached_property
    def _value_pairs(self) -> PairProducts:
        return self._pairs(derivatives=False)

    @cached_property
    def _gradient_pairs(self) -> PairProducts:
        return self._pairs(derivatives=True)

    def _pairs(self, derivatives: bool) -> PairProducts:
        m = self.n_features
        refuse_too_large(f"the matrix of all pairs of {self.name} features", (m, m))
        return PairProducts(self.index, self._spread, derivatives)


def polynomials(x: np.ndarray, degree: int, spread: float) -> np.ndarray:
    """``f_0 ... f_degree`` by ``f_{n+1} = x f_n - n spread f_{n-1}``; shape ``(*x.shape, degree + 1)``.

    >>> polynomials(np.array([2.0]), 3, 1.0)
    array([[1., 2., 3., 2.]])
    """
    return np.stack(_recursion(x, degree, spread), axis=-1)


def _recursion(x: Any, degree: int, spread: float) -> list[Any]:
    """``f_0 ... f_degree`` at an array or a tensor ``x``, each of its shape."""
    table = [x**0, x]
    for n in range(1, degree):
        table.append(x * table[n] - n * spread * table[n - 1])
    return table[: degree + 1]


def checked_index(index: object) -> np.ndarray:
    """Multi-indices as an integer array ``(m, d)``; ``ValueError`` if not whole, >= 0 and distinct."""
    found = np.asarray(index, dtype=float)
    if found.ndim != 2 or found.size == 0:
        raise ValueError(f"index must have shape (m, d), got {found.shape}; one row per feature")
    checks.non_negative("index", found)
    if (found != np.round(found)).any():
        raise ValueError("index must hold whole numbers, got a fraction; a degree is an integer")
    if len(np.unique(found, axis=0)) < len(found):
        raise ValueError("index holds the same multi-index twice; equal features make the equations singular")
    return found.astype(int)


def _of_total(dim: int, total: int) -> list[tuple[int, ...]]:
    if dim == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _of_total(dim - 1, total - first)]
