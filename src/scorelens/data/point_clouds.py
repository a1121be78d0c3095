"""Point clouds in the plane: curves, boards and rings, with Gaussian noise added."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.source import NamedSource, Selection


@dataclass(frozen=True)
class PointCloud(NamedSource):
    """``n`` points, event ``(2,)``, about unit size, with isotropic noise of standard deviation ``noise``."""

    n: int = 10_000
    noise: float = 0.05

    def __post_init__(self) -> None:
        checks.at_least("n", self.n, 2, "one sample has no variance")
        checks.non_negative("noise", self.noise)
        self.check_shape()

    @abstractmethod
    def check_shape(self) -> None:
        """Raise ``ValueError`` if an option of this cloud is out of range."""

    @abstractmethod
    def points(self, rng: np.random.Generator) -> np.ndarray:
        """Noiseless points, shape ``(n, 2)``, float64."""

    @final
    def load(self, selection: Selection) -> Data:
        rng = np.random.default_rng([selection.seed, 0])
        points = self.points(rng)
        points += self.noise * rng.standard_normal(points.shape)
        rows = selection.rows(self.n, self.spec, f"or set n={selection.n_samples}")
        return Data(self.spec, points.astype(np.float32), "vector", rows=rows)


@final
@dataclass(frozen=True)
class Moons(PointCloud):
    """Two interleaving half circles of radius 1, centred.

    >>> bool(abs(Moons(noise=0.0).points(np.random.default_rng(0))).max() <= 1.5)
    True
    """

    name: ClassVar[str] = "moons"
    usage: ClassVar[str] = "moons:n=2000,noise=0.05"
    summary: ClassVar[str] = "two interleaving half circles"

    def check_shape(self) -> None:
        """Moons have no option of their own."""

    def points(self, rng: np.random.Generator) -> np.ndarray:
        angle = np.pi * rng.random(self.n)
        moon = _sign(rng, self.n)
        return np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1) * moon[:, None]


@final
@dataclass(frozen=True)
class Circles(PointCloud):
    """Two concentric circles, of radius 1 and ``inner``."""

    inner: float = 0.5

    name: ClassVar[str] = "circles"
    usage: ClassVar[str] = "circles:inner=0.5"
    summary: ClassVar[str] = "two concentric circles"

    def check_shape(self) -> None:
        _fraction("inner", self.inner)

    def points(self, rng: np.random.Generator) -> np.ndarray:
        radius = np.where(_sign(rng, self.n) > 0, 1.0, self.inner)
        return _polar(radius, 2 * np.pi * rng.random(self.n))


@final
@dataclass(frozen=True)
class SwissRoll(PointCloud):
    """A roll of ``turns`` turns whose radius grows from a third to 1 in proportion to the angle."""

    turns: float = 1.5

    name: ClassVar[str] = "swiss-roll"
    usage: ClassVar[str] = "swiss-roll:turns=1.5"
    summary: ClassVar[str] = "a roll whose radius grows with the angle"

    def check_shape(self) -> None:
        checks.positive("turns", self.turns)

    def points(self, rng: np.random.Generator) -> np.ndarray:
        radius = 1 / 3 + 2 / 3 * rng.random(self.n)
        return _polar(radius, 3 * np.pi * self.turns * radius)


@final
@dataclass(frozen=True)
class Checkerboard(PointCloud):
    """Uniform on the dark fields of a ``fields`` x ``fields`` board over [-1, 1]^2; by default no noise."""

    noise: float = 0.0
    fields: int = 4

    name: ClassVar[str] = "checkerboard"
    usage: ClassVar[str] = "checkerboard:fields=4"
    summary: ClassVar[str] = "uniform on the dark fields of a checkerboard"

    def check_shape(self) -> None:
        checks.at_least("fields", self.fields, 2)
        if self.fields % 2:
            raise ValueError(f"fields must be even, got {self.fields}; use {self.fields + 1}")

    def points(self, rng: np.random.Generator) -> np.ndarray:
        column = rng.integers(self.fields, size=self.n)
        row = 2 * rng.integers(self.fields // 2, size=self.n) + column % 2
        corner = np.stack([column, row], axis=1)
        return 2 * (corner + rng.random((self.n, 2))) / self.fields - 1


@final
@dataclass(frozen=True)
class Spiral(PointCloud):
    """Two arms of ``turns`` turns from the centre to radius 1, uniform in the radius squared."""

    turns: float = 1.5

    name: ClassVar[str] = "spiral"
    usage: ClassVar[str] = "spiral:turns=1.5"
    summary: ClassVar[str] = "a spiral of two arms"

    def check_shape(self) -> None:
        checks.positive("turns", self.turns)

    def points(self, rng: np.random.Generator) -> np.ndarray:
        radius = np.sqrt(rng.random(self.n))
        return _polar(radius, 2 * np.pi * self.turns * radius) * _sign(rng, self.n)[:, None]


@final
@dataclass(frozen=True)
class GaussianRing(PointCloud):
    """``modes`` Gaussians of standard deviation ``noise``, evenly spaced on the unit circle."""

    noise: float = 0.1
    modes: int = 8

    name: ClassVar[str] = "gaussians"
    usage: ClassVar[str] = "gaussians:modes=8,noise=0.1"
    summary: ClassVar[str] = "a ring of Gaussians"

    def check_shape(self) -> None:
        checks.at_least("modes", self.modes, 1)

    def points(self, rng: np.random.Generator) -> np.ndarray:
        return _polar(np.ones(self.n), 2 * np.pi * rng.integers(self.modes, size=self.n) / self.modes)


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _sign(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=n)


def _fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must be > 0 and < 1, got {value:g}")
