"""Planted subspaces: frames that are known, and as many points on each of them as are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.data.manifolds import MixtureOfSubspaces
from scorelens.estimators.mixtures import MixtureDenoiser


@final
@dataclass(frozen=True)
class Planted:
    """``components`` subspaces of dimension ``dim`` in ``ambient``, a standard Gaussian on each.

    ``orthogonal`` subspaces are so to one another; others are drawn apart from each other.

    >>> Planted(dim=4, ambient=24, components=2, orthogonal=True).name
    '2 orthogonal subspaces, 4 of 24'
    """

    dim: int
    ambient: int
    components: int
    orthogonal: bool = True

    @property
    def name(self) -> str:
        size = f"{self.dim} of {self.ambient}"
        if self.components == 1:
            return f"1 subspace, {size}"
        return f"{self.components} {'orthogonal' if self.orthogonal else 'drawn'} subspaces, {size}"

    def frames(self, rng: np.random.Generator) -> np.ndarray:
        """Orthonormal columns of every subspace, ``(components, ambient, dim)``."""
        source = MixtureOfSubspaces(self.dim, self.ambient, components=self.components)
        frames = source.frames(int(rng.integers(2**32)))
        if not self.orthogonal:
            return frames
        joined, _ = np.linalg.qr(frames.transpose(1, 0, 2).reshape(self.ambient, -1))
        return joined.reshape(self.ambient, self.components, self.dim).transpose(1, 0, 2)


def points_on(frames: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` points on each of ``frames (k, ambient, dim)``, standard normal along it: ``(k, n, ambient)``."""
    k, _, dim = frames.shape
    return rng.standard_normal((k, n, dim)) @ frames.mT


def exact_denoiser(frames: np.ndarray) -> MixtureDenoiser:
    """The optimum on the planted law: [P17], [P19]."""
    k, _, dim = frames.shape
    return MixtureDenoiser.of_subspaces(np.full(k, 1 / k), list(frames), [np.ones(dim)] * k)
