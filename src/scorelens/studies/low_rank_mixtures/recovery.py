"""How much of planted subspaces is missed by what was found: in closed form and by EM."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from scorelens.estimators.mixtures import LowRankMixture

RESTARTS, LEVELS = 4, 10
"""Starts of EM and noise levels of its annealing."""


def missed_share(frames: np.ndarray, found: np.ndarray) -> float:
    """Mean over subspaces of ``1 - |U_k^T F_k|^2 / dim``: 0 if all are found, 1 if nothing of them is.

    ``frames (k, ambient, dim)`` and ``found (k, ambient, r)``, ``r <= dim``, have orthonormal columns. With
    ``r = dim`` it is the square of the projectors' Frobenius distance, over its largest value.

    >>> plane, line = np.eye(3)[None, :, :2], np.eye(3)[None, :, :1]
    >>> missed_share(plane, plane), missed_share(plane, line)
    (0.0, 0.5)
    """
    caught = np.einsum("knd,knr->kdr", frames, found)
    return float(1 - (caught**2).sum((1, 2)).mean() / frames.shape[2])


def matched(frames: np.ndarray, found: np.ndarray) -> np.ndarray:
    """``found (k, ambient, r)`` in the order in which it shares most with ``frames (k, ambient, dim)``."""
    shared = (np.einsum("knd,lnr->kldr", frames, found) ** 2).sum((2, 3))
    return found[linear_sum_assignment(-shared)[1]]


def by_principal_components(points: np.ndarray, dim: int) -> np.ndarray:
    """Leading ``min(n, dim)`` principal directions of each of ``points (k, n, ambient)``, about 0.

    The best low-rank denoiser of one subspace, and of several whose points are told apart: directions that
    no sample has are not made up. ``(k, ambient, min(n, dim))``.
    """
    _, _, directions = np.linalg.svd(points, full_matrices=False)
    return directions[:, :dim].mT


def by_mixture(points: np.ndarray, dim: int, seed: int) -> np.ndarray:
    """Subspaces of the low-rank mixture that EM fits to ``points (k, n, ambient)``, all in one heap.

    With fewer than ``dim`` points on each the ranks are as many as the points.
    """
    k, n, ambient = points.shape
    rank = min(n, dim)
    mixture = LowRankMixture((rank,) * k, affine=False, restarts=RESTARTS, n_levels=LEVELS, seed=seed)
    return mixture.fit(points.reshape(k * n, ambient)).bases.numpy()


def expected_missed_share(samples_per_dimension: np.ndarray) -> np.ndarray:
    """Of one subspace, or of several told apart: ``n`` points span ``n`` directions until they span all.

    >>> expected_missed_share(np.array([0.25, 1.0, 2.0]))
    array([0.75, 0.  , 0.  ])
    """
    return np.maximum(1 - samples_per_dimension, 0.0)
