"""The data-copying test C_T: do samples lie closer to the training set than held-out data do?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from scipy import stats

from scorelens.core import checks
from scorelens.core.nearest_neighbours import NeighbourSearch, Rows
from scorelens.generalization.memorization.spaces import as_array

LEAST = 20
"""Fewest samples, and held-out points, of a cell whose Mann-Whitney statistic is taken for normal."""

_CLUSTERED = 10_000
"""Training points that k-means clusters, at most."""


@final
@dataclass(frozen=True, eq=False)
class CopyingTest:
    """Mann-Whitney test per cell of the distances to the training set, samples against held-out points.

    - ``statistic``: the paper's C_T, the mean of ``cell_z`` with ``cell_weight``; far below 0: data-copying,
      far above 0: samples are farther from the training set than data are (underfitting).
    - ``z``: C_T over its standard deviation under the null, ``sqrt(sum cell_weight^2)``: standard normal for
      fresh data, whatever the number of cells (C_T itself is not, with more than one).
    - ``p_value``: one-sided, small for copying.
    - ``cell_z``, ``cell_weight``: per cell used; weights are shares of the held-out points. ``n_left_out``
      cells had too few points.

    Distances are those to the nearest of all training points, also across the border of a cell.
    """

    statistic: float
    z: float
    p_value: float
    cell_z: np.ndarray = field(repr=False)
    cell_weight: np.ndarray = field(repr=False)
    n_left_out: int = 0
    reference: ClassVar[str] = "meehan2020"


def copying_test(
    distances: np.ndarray,
    held_out_distances: np.ndarray,
    cells: np.ndarray | None = None,
    held_out_cells: np.ndarray | None = None,
) -> CopyingTest:
    """C_T from distances to the nearest training point of samples ``(n,)`` and held-out points ``(h,)``.

    ``cells`` and ``held_out_cells`` number the cell of each; one cell without them. Cells with fewer than 20
    of either are left out; if that leaves none, all points make up one cell.

    >>> generator = np.random.default_rng(0)
    >>> copies, fresh = 0.1 * generator.random(100), generator.random(100)
    >>> copying_test(copies, fresh).z < -8
    True
    """
    if cells is None or held_out_cells is None:
        cells, held_out_cells = np.zeros(len(distances), int), np.zeros(len(held_out_distances), int)
    numbers = np.unique(np.concatenate([cells, held_out_cells]))
    inside = [(distances[cells == c], held_out_distances[held_out_cells == c]) for c in numbers]
    large = [pair for pair in inside if min(map(len, pair)) >= LEAST]
    used = large or [(distances, held_out_distances)]
    z = np.array([mann_whitney_z(*pair) for pair in used])
    weight = np.array([len(held_out) for _, held_out in used], dtype=float)
    weight /= weight.sum()
    statistic = float(weight @ z)
    normal = statistic / float(np.sqrt(weight @ weight))
    left_out = len(inside) - len(large) if len(inside) > 1 else 0
    return CopyingTest(statistic, normal, float(stats.norm.cdf(normal)), z, weight, left_out)


def mann_whitney_z(x: np.ndarray, y: np.ndarray) -> float:
    """Standardised number of pairs with ``x > y``, ties counted half: below 0 where ``x`` is smaller.

    The variance under the null is corrected for ties; 0 if all values are equal.

    >>> round(mann_whitney_z(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])), 4)
    -1.964
    """
    n, m = len(x), len(y)
    both = np.concatenate([x, y])
    ranks = stats.rankdata(both)
    pairs = ranks[:n].sum() - n * (n + 1) / 2
    ties = np.unique(both, return_counts=True)[1].astype(float)
    total = n + m
    variance = n * m / 12 * (total + 1 - np.sum(ties**3 - ties) / (total * (total - 1)))
    return float((pairs - n * m / 2) / np.sqrt(variance)) if variance > 0 else 0.0


def default_cells(n_samples: int, n_held_out: int) -> int:
    """Number of cells that leaves about a hundred points of either kind to each, 1 to 20.

    >>> default_cells(150, 5000), default_cells(1000, 1000), default_cells(10**5, 10**5)
    (1, 10, 20)
    """
    return int(np.clip(min(n_samples, n_held_out) // 100, 1, 20))


def k_means_cells(train: Rows, n_cells: int, seed: int = 0) -> NeighbourSearch:
    """The search among centres of ``n_cells`` clusters of training points: its index is the cell.

    k-means of scikit-learn on at most 10,000 points. Raises ``ValueError`` for more cells than points.
    """
    from sklearn.cluster import KMeans

    checks.whole("n_cells", n_cells, 1)
    if n_cells > len(train):
        raise ValueError(f"n_cells must be at most the {len(train)} training points, got {n_cells}")
    chosen = np.random.default_rng(seed).permutation(len(train))[:_CLUSTERED]
    points = as_array(train, np.sort(chosen)).reshape(len(chosen), -1)
    once: Any = 1  # scikit-learn's annotation knows only "auto"
    found = KMeans(n_cells, n_init=once, random_state=seed % 2**32).fit(points)
    return NeighbourSearch(np.asarray(found.cluster_centers_, dtype=np.float64))
