"""Bins in more than one dimension: the cells that the coordinates' bins make together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.generalization.statistics import Level, ScoreFeatures


@final
@dataclass(frozen=True, eq=False)
class Cells(ScoreFeatures):
    """Indicators of the ``(m + 1)^d`` cells between ``edges (m,)``, the same on each of ``axes``.

    >>> Cells(np.zeros(1), 2).value(np.array([[-1.0, 1.0], [1.0, 1.0]]), Level(1.0, 0.1))
    array([[0., 1., 0., 0.],
           [0., 0., 0., 1.]])
    """

    edges: np.ndarray
    axes: int
    name: ClassVar[str] = "cells"
    reference: ClassVar[str] = "generalisation, [G25]"

    @property
    def n_features(self) -> int:
        return (len(self.edges) + 1) ** self.axes

    @property
    def dim(self) -> int:
        return self.axes

    @property
    def degree(self) -> None:
        return None

    @property
    def frequency(self) -> None:
        return None

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        place = np.searchsorted(self.edges, x, side="right")
        index = np.ravel_multi_index(tuple(place.T), (len(self.edges) + 1,) * self.axes)
        return np.eye(self.n_features)[index]

    def breaks(self, level: Level) -> tuple[float, ...]:
        return tuple(self.edges.tolist())

    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        return np.array([start, stop])
