"""Eigenvalues of a positive semi-definite matrix, and how many of them are not rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np


@final
@dataclass(frozen=True, eq=False)
class Eigen:
    """Eigenvalues ``(m,)``, descending exactly 0 beyond ``rank``; eigenvectors in columns ``(m, m)``."""

    values: np.ndarray
    vectors: np.ndarray
    rank: int
    rounding: float
    """Relative error to expect of a projection on the kernel."""

    @classmethod
    def of_root(cls, root: np.ndarray) -> Self:
        """From the singular values of ``root``, with ``A = root^T root`` ([S9], section 8)."""
        # every right vector, but never the square matrix of left ones of a tall root
        _, singular, rows = np.linalg.svd(root, full_matrices=root.shape[0] < root.shape[1])
        singular = np.r_[singular, np.zeros(root.shape[1] - len(singular))]
        return cls._cut(singular, max(root.shape), rows.T, 2)

    @classmethod
    def of_matrix(cls, matrix: np.ndarray) -> Self:
        """From a symmetric matrix alone."""
        values, vectors = np.linalg.eigh(matrix)
        return cls._cut(np.maximum(values[::-1], 0.0), len(matrix), vectors[:, ::-1], 1)

    @classmethod
    def _cut(cls, values: np.ndarray, size: int, vectors: np.ndarray, power: int) -> Self:
        eps = float(np.finfo(float).eps)
        kept = values > size * eps * values[0]
        rank = int(kept.sum())
        smallest = values[rank - 1] if rank else 1.0
        rounding = min(10 * size * eps * (values[0] / smallest if rank else 1.0), 1e-3)
        return cls(np.where(kept, values, 0.0) ** power, vectors, rank, float(rounding))

    @property
    def kernel(self) -> np.ndarray:
        """Orthonormal basis of the directions that the matrix does not see; ``(m, m - rank)``."""
        return self.vectors[:, self.rank :]

    @property
    def range(self) -> np.ndarray:
        """Orthonormal basis of the directions that it does see; ``(m, rank)``."""
        return self.vectors[:, : self.rank]
