"""Mean and covariance of the data, checked once and seen in the eigenbasis of the covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.dynamics.regression.targets import checked_covariance, checked_mean

_ROUNDING = 1e-12


@final
@dataclass(frozen=True, eq=False)
class DataModes:
    """Eigenvalues ``(d,)``, eigenvectors ``(d, d)`` (columns) and mean ``(d,)`` of the data."""

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray | None, covariance: np.ndarray) -> DataModes:
        """Raises ``ValueError`` unless ``covariance (d, d)`` is symmetric and positive semi-definite and
        ``mean`` is ``None`` (zero) or ``(d,)``.

        >>> DataModes.of(None, np.diag([1.0, 2.0])).eigenvalues
        array([1., 2.])
        """
        matrix = checked_covariance(covariance)
        values, vectors = np.linalg.eigh(matrix)
        if values[0] < -_ROUNDING * np.abs(matrix).max():
            raise ValueError(f"covariance must be positive semi-definite, got the eigenvalue {values[0]:g}")
        return cls(np.maximum(values, 0.0), vectors, checked_mean(mean, len(matrix)))

    @property
    def dim(self) -> int:
        """Dimension ``d`` of the data."""
        return len(self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance ``(d, d)``."""
        return self.function(self.eigenvalues)

    @property
    def overlaps(self) -> np.ndarray:
        """Mean along each mode, ``(d,)``."""
        return self.eigenvectors.T @ self.mean

    def function(self, values: np.ndarray) -> np.ndarray:
        """The matrix with these ``values (d,)`` along the modes."""
        return (self.eigenvectors * values) @ self.eigenvectors.T
