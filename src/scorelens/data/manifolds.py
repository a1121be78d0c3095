"""Planted manifolds: points of known intrinsic dimension in an ambient space of any size."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.gaussian import require_fit
from scorelens.data.source import NamedSource, Selection


@dataclass(frozen=True)
class Manifold(NamedSource):
    """``n`` points of a manifold of dimension ``dim``, event ``(ambient,)``, about unit size.

    Points are made in the smallest linear space that holds the manifold and carried to the ambient one by a
    frame of orthonormal directions, drawn from the seed (``rotate=random``) or along the first axes
    (``rotate=none``). ``noise`` is the standard deviation of isotropic noise added in all ambient directions.
    """

    dim: int = 2
    ambient: int = 10
    n: int = 10_000
    noise: float = 0.0
    rotate: str = "random"

    def __post_init__(self) -> None:
        checks.at_least("dim", self.dim, 1)
        checks.at_least("n", self.n, 2, "one sample has no variance")
        checks.non_negative("noise", self.noise)
        checks.choice("rotate", self.rotate, ("random", "none"))
        if self.ambient < self.flat_dim:
            raise ValueError(
                f"a {self.name} of dimension {self.dim} needs ambient >= {self.flat_dim}, "
                f"got {self.ambient}; lower dim or raise ambient"
            )
        require_fit("n * ambient", self.n * self.ambient, "ask for fewer samples or dimensions")
        self.check_shape()

    @property
    @abstractmethod
    def flat_dim(self) -> int:
        """Dimension of the smallest linear space that holds one piece of the manifold."""

    @abstractmethod
    def check_shape(self) -> None:
        """Raise ``ValueError`` if an option of this manifold is out of range."""

    @abstractmethod
    def flat_points(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``n`` noiseless points in the space of the frame, shape ``(n, flat_dim)``, float64."""

    def frames(self, seed: int) -> np.ndarray:
        """Orthonormal columns, one frame per piece of the manifold: ``(pieces, ambient, flat_dim)``.

        >>> Sphere(dim=1, ambient=3, rotate="none").frames(0)[0].tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
        """
        rng = np.random.default_rng([seed, 1])
        return np.stack([self._frame(piece, rng) for piece in range(self.pieces)])

    @property
    def pieces(self) -> int:
        """Number of parts that are planted apart from one another."""
        return 1

    def load(self, selection: Selection) -> Data:
        rng = np.random.default_rng([selection.seed, 0])
        frames = self.frames(selection.seed)
        values = np.empty((self.n, self.ambient), dtype=np.float32)
        length = max(1, 2**22 // self.ambient)
        for start in range(0, self.n, length):
            rows = min(length, self.n - start)
            piece = rng.integers(self.pieces, size=rows)
            flat = self.flat_points(rows, rng)
            block = np.empty((rows, self.ambient))
            for k, frame in enumerate(frames):
                block[piece == k] = flat[piece == k] @ frame.T
            block += self.noise * rng.standard_normal(block.shape) if self.noise else 0.0
            values[start : start + rows] = block
        rows = selection.rows(self.n, self.spec, f"or set n={selection.n_samples}")
        return Data(self.spec, values, "vector", rows=rows)

    def _frame(self, piece: int, rng: np.random.Generator) -> np.ndarray:
        if self.rotate == "none":
            return np.roll(np.eye(self.ambient), piece * self.flat_dim, axis=0)[:, : self.flat_dim]
        q, r = np.linalg.qr(rng.standard_normal((self.ambient, self.flat_dim)))
        return q * np.sign(np.diag(r))  # this sign makes the frame uniform (Haar)


@final
@dataclass(frozen=True)
class Subspace(Manifold):
    """A standard Gaussian times ``scale`` on a linear subspace."""

    scale: float = 1.0

    name: ClassVar[str] = "subspace"
    usage: ClassVar[str] = "subspace:dim=5,ambient=100"
    summary: ClassVar[str] = "a Gaussian on a linear subspace of known dimension"

    @property
    def flat_dim(self) -> int:
        return self.dim

    def check_shape(self) -> None:
        checks.positive("scale", self.scale)

    def flat_points(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.scale * rng.standard_normal((n, self.dim))


@final
@dataclass(frozen=True)
class Sphere(Manifold):
    """Uniform on the sphere of dimension ``dim`` and ``radius``, in ``dim + 1`` directions.

    >>> points = Sphere(dim=4, radius=2.0).flat_points(3, np.random.default_rng(0))
    >>> np.linalg.norm(points, axis=1).round(9).tolist()
    [2.0, 2.0, 2.0]
    """

    radius: float = 1.0

    name: ClassVar[str] = "sphere"
    usage: ClassVar[str] = "sphere:dim=5,ambient=100"
    summary: ClassVar[str] = "uniform on a sphere of known dimension"

    @property
    def flat_dim(self) -> int:
        return self.dim + 1

    def check_shape(self) -> None:
        checks.positive("radius", self.radius)

    def flat_points(self, n: int, rng: np.random.Generator) -> np.ndarray:
        normal = rng.standard_normal((n, self.flat_dim))
        return self.radius * normal / np.linalg.norm(normal, axis=1, keepdims=True)


@final
@dataclass(frozen=True)
class Torus(Manifold):
    """Uniform on the flat torus: a product of ``dim`` circles of ``radius``, in ``2 dim`` directions."""

    radius: float = 1.0

    name: ClassVar[str] = "torus"
    usage: ClassVar[str] = "torus:dim=3,ambient=50"
    summary: ClassVar[str] = "uniform on a product of circles"

    @property
    def flat_dim(self) -> int:
        return 2 * self.dim

    def check_shape(self) -> None:
        checks.positive("radius", self.radius)

    def flat_points(self, n: int, rng: np.random.Generator) -> np.ndarray:
        angle = 2 * np.pi * rng.random((n, self.dim))
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(n, -1)


@final
@dataclass(frozen=True)
class RolledSheet(Manifold):
    """The swiss roll: a sheet of dimension ``dim``, one side of it rolled into a spiral of ``turns`` turns.

    The spiral's radius grows from a third to 1 in proportion to the angle and is uniform; the other
    ``dim - 1`` sides are uniform over [-1, 1]. It lies in ``dim + 1`` directions.
    """

    turns: float = 1.5

    name: ClassVar[str] = "rolled-sheet"
    usage: ClassVar[str] = "rolled-sheet:dim=2,ambient=10"
    summary: ClassVar[str] = "a swiss roll of any dimension"

    @property
    def flat_dim(self) -> int:
        return self.dim + 1

    def check_shape(self) -> None:
        checks.positive("turns", self.turns)

    def flat_points(self, n: int, rng: np.random.Generator) -> np.ndarray:
        curve = self.spiral(1 / 3 + 2 / 3 * rng.random(n))
        return np.concatenate([curve, 2 * rng.random((n, self.dim - 1)) - 1], axis=1)

    def spiral(self, radius: np.ndarray) -> np.ndarray:
        """Points of the spiral at ``radius`` ``(n,)`` from 1/3 to 1: ``(n, 2)``."""
        angle = 3 * np.pi * self.turns * radius
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


@final
@dataclass(frozen=True)
class MixtureOfSubspaces(Manifold):
    """MoLRG: standard Gaussians times ``scale`` on ``components`` subspaces, chosen with equal chance.

    With ``rotate=none`` the subspaces take the axes in turn and are orthogonal if ``components * dim`` fits.
    """

    components: int = 3
    scale: float = 1.0

    name: ClassVar[str] = "molrg"
    usage: ClassVar[str] = "molrg:components=3,dim=5,ambient=100"
    summary: ClassVar[str] = "a mixture of Gaussians on linear subspaces of known dimension"

    @property
    def flat_dim(self) -> int:
        return self.dim

    @property
    def pieces(self) -> int:
        return self.components

    def check_shape(self) -> None:
        checks.at_least("components", self.components, 1)
        checks.positive("scale", self.scale)

    def flat_points(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.scale * rng.standard_normal((n, self.dim))


ALL: tuple[type[Manifold], ...] = (Subspace, Sphere, Torus, RolledSheet, MixtureOfSubspaces)
