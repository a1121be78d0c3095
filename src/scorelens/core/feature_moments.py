"""Streaming mean and variance of every feature on its own: O(d) memory, real or complex."""

from __future__ import annotations

from typing import final

import numpy as np

from scorelens.core.blocks import refuse_non_finite


@final
class FeatureMoments:
    """Mean and mean squared distance from it, per feature, of the rows seen so far.

    Complex rows are allowed: the variance is ``E |x - mean|^2``.

    >>> moments = FeatureMoments()
    >>> moments.update(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> moments.n_samples, moments.mean, moments.variance
    (2, array([2., 5.]), array([1., 0.]))
    """

    def __init__(self) -> None:
        self.n_samples = 0
        self._origin = self._offset = np.zeros(0)
        self._scatter = np.zeros(0)

    @property
    def mean(self) -> np.ndarray:
        """Mean per feature, shape ``(d,)``."""
        return self._origin + self._offset

    @property
    def variance(self) -> np.ndarray:
        """Variance per feature, shape ``(d,)``, normalised by ``n_samples``; 0 exactly if constant."""
        return self._scatter / max(1, self.n_samples)

    def update(self, rows: np.ndarray) -> None:
        """Take in ``rows`` of shape ``(b, d)``. Raises ``ValueError`` naming the first NaN or infinity."""
        b, n = len(rows), self.n_samples
        if n == 0:
            self._origin = rows[0] * 1.0
            self._offset = np.zeros_like(self._origin)
            self._scatter = np.zeros(rows.shape[1])
        with np.errstate(invalid="ignore", over="ignore"):
            centred = rows - self._origin
            offset = centred.mean(axis=0)
        if not np.isfinite(offset).all():
            refuse_non_finite(rows, n)
        centred -= offset
        distance = offset - self._offset
        self._scatter += _squared(centred).sum(axis=0) + _squared(distance) * (n * b / (n + b))
        self._offset = self._offset + distance * (b / (n + b))
        self.n_samples = n + b


def _squared(values: np.ndarray) -> np.ndarray:
    return np.real(values) ** 2 + np.imag(values) ** 2 if np.iscomplexobj(values) else values**2
