"""Features that follow the noised data: placed by their mean and in units of their standard deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.statistics.features import Level, ScoreFeatures, SmoothFeatures


@final
@dataclass(frozen=True, eq=False)
class PlacedFeatures(ScoreFeatures):
    """``inner`` at ``(x - alpha center) / sqrt(alpha^2 scale^2 + std^2)``.

    ``center (d,)`` and ``scale`` > 0 are the mean of the data and the root mean variance of a coordinate, in
    data units: bins, bumps and waves then suit every noise level.

    >>> from scorelens.estimators.features import Bins
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> placed = PlacedFeatures(StateFeatures(Bins([-1.0, 1.0])), [5.0], 3.0)
    >>> placed.breaks(Level(1.0, 4.0))
    (0.0, 10.0)
    """

    inner: ScoreFeatures
    center: np.ndarray
    scale: float
    name: ClassVar[str] = "placed"
    reference: ClassVar[str] = "generalisation, section 2"

    def __post_init__(self) -> None:
        center = np.asarray(self.center, dtype=float)
        if center.shape != (self.inner.dim,):
            raise ValueError(f"center must have shape ({self.inner.dim},), got {center.shape}")
        checks.finite("center", center)
        checks.positive("scale", self.scale, "data that are all the same have none")
        object.__setattr__(self, "center", center)

    @property
    def n_features(self) -> int:
        return self.inner.n_features

    @property
    def dim(self) -> int:
        return self.inner.dim

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        return self.inner.value((x - level.alpha * self.center) / self._unit(level), level)

    @property
    def degree(self) -> int | None:
        return self.inner.degree

    @property
    def frequency(self) -> float | None:
        return None if self.degree is None else 0.0

    def breaks(self, level: Level) -> tuple[float, ...]:
        edges = np.asarray(self.inner.breaks(level))
        return tuple((level.alpha * self.center + self._unit(level) * edges).tolist()) if edges.size else ()

    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        return self.inner.time_breaks(start, stop)

    def _unit(self, level: Level) -> float:
        return float(np.hypot(level.alpha * self.scale, level.std))


@final
@dataclass(frozen=True, eq=False)
class StateBumps(SmoothFeatures):
    """A constant and ``exp(-|x - c_j|^2 / (2 width^2))`` around ``centers (m, d)``.

    >>> StateBumps.on_grid(2, 5, reach=2.0).value(np.zeros((1, 2)), Level(1.0, 0.1)).shape
    (1, 26)
    """

    centers: np.ndarray
    width: float
    name: ClassVar[str] = "bumps"
    reference: ClassVar[str] = "generalisation, section 8"

    def __post_init__(self) -> None:
        centers = np.asarray(self.centers, dtype=float)
        if centers.ndim != 2 or centers.size == 0:
            raise ValueError(f"centers must have shape (m, d), got {centers.shape}")
        checks.finite("centers", centers)
        checks.positive("width", self.width)
        object.__setattr__(self, "centers", centers)

    @classmethod
    def on_grid(cls, dim: int, count: int, reach: float) -> Self:
        """``count`` along each of ``dim`` axes at equal steps in ``[-reach, reach]``; a step is the width."""
        checks.whole("count", count, 2)
        checks.positive("reach", reach)
        axis = np.linspace(-reach, reach, count)
        grid = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        return cls(grid, float(axis[1] - axis[0]))

    @property
    def n_features(self) -> int:
        return len(self.centers) + 1

    @property
    def dim(self) -> int:
        return self.centers.shape[1]

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        return np.concatenate([np.ones((len(x), 1)), self._bumps(x)], axis=1)

    def _bumps(self, x: ArrayLike) -> np.ndarray:
        apart = (np.asarray(x)[:, None] - self.centers) / self.width
        return np.exp(-np.einsum("nmd,nmd->nm", apart, apart) / 2)
