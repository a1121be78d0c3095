"""A first guess of which events share a subspace, from how they express each other."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import SpectralClustering

MOST = 2000
"""Events that are clustered; the affinity of all pairs is held in memory."""


def spectral_partition(events: np.ndarray, ranks: tuple[int, ...], affine: bool, seed: int) -> np.ndarray:
    """Component of each of the ``(n, d)`` events, ``(n,)``; component ``k`` has dimension ``ranks[k]``.

    The projector onto the row space of the events has zero entries between independent subspaces
    (Costeira & Kanade 1998); affine ones are made linear by one more coordinate. Raises no error where the
    subspaces depend on each other: the guess is then only a start.
    """
    size = np.sqrt((events**2).sum(1).mean())
    lifted = np.column_stack([events / size, np.ones(len(events))]) if affine else events / size
    left, strength, _ = np.linalg.svd(lifted, full_matrices=False)
    kept = left[:, strength > 1e-6 * strength[0]]
    affinity = np.abs(kept @ kept.T) + 1e-9  # connected, as the clustering wants it
    found = SpectralClustering(len(ranks), affinity="precomputed", random_state=seed).fit_predict(affinity)
    return _matched(events, found, ranks, affine)


def _matched(events: np.ndarray, found: np.ndarray, ranks: tuple[int, ...], affine: bool) -> np.ndarray:
    """``found`` renumbered so that least variance is left outside subspaces of the given ranks."""
    left_over = np.array([_left_over(events[found == label], ranks, affine) for label in range(len(ranks))])
    labels, components = linear_sum_assignment(left_over)
    return components[np.argsort(labels)][found]


def _left_over(cluster: np.ndarray, ranks: tuple[int, ...], affine: bool) -> list[float]:
    centred = cluster - cluster.mean(0) if affine and len(cluster) else cluster
    squares = np.linalg.svd(centred, compute_uv=False) ** 2
    return [float(squares[rank:].sum()) for rank in ranks]
