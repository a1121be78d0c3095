"""A score fitted at one noise level to a data set: what is predicted of it, and real fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.generalization.ensembles.redraws import determined_weights
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics import AffineOfPoints, OneTime, ScoreFeatures, check_samples

_BLOCK = 2**22
"""Numbers in the features of one block of fits."""


class Draws(NamedTuple):
    """Noised data ``x (n, d)`` and the ``target (n, d)`` of denoising score matching there."""

    x: np.ndarray
    target: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class LevelFit:
    """Least squares at one level on draws from ``points (m, d)``, with its ``theory`` for many draws.

    Weights are those of features that are orthonormal under the noised data (`orthonormal`).

    >>> fit = LevelFit.affine(np.array([[-1.0], [1.0]]), std=1.0)
    >>> fit.weights(50, 3, np.random.default_rng(0)).shape
    (3, 2, 1)
    """

    theory: OneTime | AffineOfPoints
    points: np.ndarray

    @classmethod
    def affine(cls, points: np.ndarray, std: float) -> LevelFit:
        """An affine score in any dimension, by closed forms."""
        return cls(AffineOfPoints(points, std), points)

    @classmethod
    def of_features(cls, features: ScoreFeatures, points: np.ndarray, std: float) -> LevelFit:
        """A score of ``features`` in few dimensions, by averages over the data set."""
        return cls(OneTime(features, DataLaw.points(points), 1.0, std), points)

    @property
    def std(self) -> float:
        return self.theory.std

    @property
    def n_features(self) -> int:
        return self.theory.n_features

    def orthonormal(self, x: np.ndarray) -> np.ndarray:
        """Features at ``x (p, d)``; ``(p, F)``."""
        return self.theory.orthonormal(x)

    def score(self, x: np.ndarray) -> np.ndarray:
        """The optimal score at ``x (p, d)``: the limit of endless draws."""
        return self.theory.score(x)

    def leverage(self, x: np.ndarray) -> np.ndarray:
        return self.theory.leverage(x)

    def bias(self, x: np.ndarray) -> np.ndarray:
        """``n`` times the leading bias at ``x (p, d)`` ([G10])."""
        return self.theory.bias(x)

    def total_variance(self, x: np.ndarray) -> np.ndarray:
        """``n tr Cov[s(x)]`` to leading order, ``(p,)`` ([G9])."""
        if isinstance(self.theory, AffineOfPoints):
            return self.theory.total_variance(x)
        return np.einsum("pii->p", self.theory.local_covariance(x))

    def draw(self, count: int, rng: np.random.Generator) -> Draws:
        """``count`` independent draws of data and noise."""
        noise = rng.standard_normal((count, self.points.shape[1]))
        x = self.points[rng.integers(len(self.points), size=count)] + self.std * noise
        return Draws(x, -noise / self.std)

    def weights(
        self, n_samples: int, members: int, rng: np.random.Generator, resampled: Draws | None = None
    ) -> np.ndarray:
        """Weights ``(members, F, d)`` of fits to ``n_samples`` draws each, or resamples of ``resampled``.

        Draws that leave weights undetermined (an empty bin) are drawn again, as [G13] does. Raises
        ``ValueError`` for no more samples than features, and where no attempt succeeds.
        """
        check_samples(n_samples, self.n_features)
        checks.whole("members", members, 1)
        size = max(_BLOCK // (n_samples * self.n_features), 1)
        counts = [min(size, members - start) for start in range(0, members, size)]
        return np.concatenate([self._block(n_samples, count, rng, resampled) for count in counts])

    def _block(self, n: int, count: int, rng: np.random.Generator, resampled: Draws | None) -> np.ndarray:
        return determined_weights(
            lambda sets: self._normal_equations(n, sets, rng, resampled), count, n, self.std
        )

    def _normal_equations(
        self, n: int, count: int, rng: np.random.Generator, resampled: Draws | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if resampled is None:
            x, target = self.draw(count * n, rng)
            rows = self.orthonormal(x)
        else:
            chosen = rng.integers(len(resampled.x), size=count * n)
            rows, target = self.orthonormal(resampled.x)[chosen], resampled.target[chosen]
        rows = rows.reshape(count, n, -1)
        across = rows.transpose(0, 2, 1)
        return across @ rows, across @ target.reshape(count, n, -1)

    def fresh_scores(self, n_samples: int, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The score at each of ``x (p, d)`` of a fit to its own draws; ``(p, d)``."""
        rows, size = self.orthonormal(x), max(_BLOCK // (n_samples * self.n_features), 1)
        found = []
        for start in range(0, len(x), size):
            part = rows[start : start + size]
            found.append(np.einsum("pa,pad->pd", part, self.weights(n_samples, len(part), rng)))
        return np.concatenate(found)
