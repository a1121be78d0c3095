"""Features whose place is learnt from the data that an estimator is fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from sklearn.cluster import KMeans

from scorelens.core import checks
from scorelens.estimators.features import Responsibilities
from scorelens.estimators.spectral.rules import PlacedByData

_LEAST_VARIANCE = 1e-4


@final
@dataclass(frozen=True)
class ResponsibilitiesRule(PlacedByData):
    """Soft cells around the ``n_classes`` centers that k-means finds, started by ``seed``.

    All cells have one variance, the mean squared distance of a coordinate from the own center (at least 1e-4
    of that of the data), and the weights are the classes' shares. ``drop_last`` and ``n_nodes`` are those of
    `scorelens.estimators.features.Responsibilities`: energies need ``drop_last``.

    The features are bounded: they say in which class a point is, not how far from its center. Alone they fit
    a score where the noise is well below the distance of the classes; at larger noise, nothing.

    >>> ResponsibilitiesRule(2)(np.array([[-1.1], [-0.9], [0.9], [1.1]])).centers.ravel().round(6)
    array([-1.,  1.])
    """

    n_classes: int = 10
    seed: int = 0
    drop_last: bool = True
    n_nodes: int = 1024
    name: ClassVar[str] = "responsibilities"

    def __post_init__(self) -> None:
        checks.whole("n_classes", self.n_classes, 2)

    def __call__(self, points: np.ndarray) -> Responsibilities:
        distinct = len(np.unique(points, axis=0))
        checks.at_least("the number of different events", distinct, self.n_classes, "take fewer classes")
        found = KMeans(self.n_classes, n_init=4, random_state=self.seed).fit(points)  # pyright: ignore[reportArgumentType]
        centers, classes = found.cluster_centers_, found.predict(points)
        order = np.lexsort(centers.T)
        shares = np.bincount(classes, minlength=self.n_classes)[order] / len(points)
        variance = max(float(np.square(points - centers[classes]).mean()), _LEAST_VARIANCE)
        return Responsibilities(centers[order], variance, shares, self.drop_last, self.n_nodes, self.seed)
