"""Affine scores of a data set in any dimension: every average over the noise is a closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np

from scorelens.core import checks


class _Rows(NamedTuple):
    """Of data or of points of evaluation, along the eigenvectors, divided by the variance of noised data."""

    place: np.ndarray
    pull: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class AffineOfPoints:
    """``s(x) = w_0 + W x`` fitted to ``x = x_0 + std n``, ``x_0`` drawn from ``points (m, d)``.

    What `OneTime` says for `DataLaw.points`, from the fourth moments of the points instead of a quadrature,
    which more than a few dimensions do not allow ([G9]-[G11]); ``std`` > 0, in data units. Between points at
    which the score is looked at nothing is computed: variances are summed over the ``d`` components.

    >>> fit = AffineOfPoints(np.array([[-1.0], [1.0]]), std=1.0)
    >>> fit.score(np.array([[2.0]])), fit.leverage(np.array([[2.0]]))
    (array([[-1.]]), array([3.]))
    """

    points: np.ndarray
    std: float
    name: ClassVar[str] = "affine-of-points"
    reference: ClassVar[str] = "generalisation, [G9]-[G12]"

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=float)
        if points.ndim != 2 or points.size == 0:
            raise ValueError(f"points must have shape (m, d), got {points.shape}")
        checks.finite("points", points)
        checks.positive("std", self.std, "without noise there is no target")
        object.__setattr__(self, "points", points)

    @property
    def dim(self) -> int:
        return self.points.shape[1]

    @property
    def n_features(self) -> int:
        return self.dim + 1

    def orthonormal(self, x: np.ndarray) -> np.ndarray:
        """A constant and the whitened coordinates of ``x (p, d)``; ``(p, d + 1)``."""
        white = self._rows(x).place / np.sqrt(self._noised)
        return np.concatenate([np.ones((len(x), 1)), white], axis=1)

    def score(self, x: np.ndarray) -> np.ndarray:
        """The optimal score at ``x (p, d)``: that of the Gaussian with the moments of the noised points."""
        return -self._rows(x).pull @ self._vectors.T

    def leverage(self, x: np.ndarray) -> np.ndarray:
        """``L(x)``, ``(p,)`` ([G26])."""
        rows = self._rows(x)
        return 1 + (rows.place * rows.pull).sum(axis=1)

    def total_variance(self, x: np.ndarray) -> np.ndarray:
        """``n tr Cov[s(x)]`` in the limit of many samples, at ``x (p, d)``; ``(p,)`` ([G9])."""
        at, data, gain = self._rows(x), self._data, self._gain
        push = self.std * at.pull
        constant, spread = 1 + data.place @ at.pull.T, (push**2).sum(axis=1)
        size = (gain**2).sum() + (data.pull**2).sum(axis=1)
        # E |r|^2 l^2 with r = b + A n and l = c + g n: Gaussian moments of the noise n
        square = (size[:, None] * (constant**2 + spread)).mean(axis=0)
        cross = 4 * (constant * (data.pull @ (gain * push).T)).mean(axis=0)
        return square + 2 * ((gain * push) ** 2).sum(axis=1) + cross

    def bias(self, x: np.ndarray) -> np.ndarray:
        """``n (E s - s*)`` at ``x (p, d)`` in the limit of many samples, same shape ([G10])."""
        at, data, gain, m = self._rows(x), self._data, self._gain, len(self.points)
        push, constant = self.std * at.pull, 1 + data.place @ at.pull.T
        slope, curve = 2 * self.std * data.pull, self.std**2 / self._noised
        level = 1 + (data.place * data.pull).sum(axis=1) + curve.sum()
        of_data = (constant * level[:, None] + slope @ push.T).T @ data.pull / m
        of_noise = constant.T @ slope / m + push * (level.mean() + 2 * curve)
        return -(of_data + gain * of_noise) @ self._vectors.T

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        """Variances ``(d,)`` and eigenvectors in columns of the points."""
        apart = self.points - self._mean
        values, vectors = np.linalg.eigh(apart.T @ apart / len(apart))
        return np.maximum(values, 0.0), vectors

    @cached_property
    def _mean(self) -> np.ndarray:
        return self.points.mean(axis=0)

    @property
    def _vectors(self) -> np.ndarray:
        return self._modes[1]

    @property
    def _noised(self) -> np.ndarray:
        """Variance of the noised data along each eigenvector."""
        return self._modes[0] + self.std**2

    @property
    def _gain(self) -> np.ndarray:
        """``A``: the residual is ``A n + Sigma_t^-1 (x_0 - mean)``, along the eigenvectors."""
        return -self._modes[0] / (self.std * self._noised)

    @cached_property
    def _data(self) -> _Rows:
        return self._rows(self.points)

    def _rows(self, x: np.ndarray) -> _Rows:
        place = (np.asarray(x, dtype=float) - self._mean) @ self._vectors
        return _Rows(place, place / self._noised)
