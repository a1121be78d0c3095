"""Score and target covariance of a noised data set, in blocks and in any dimension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks

_BLOCK = 2**22
"""Pairs of points in one block."""


class PosteriorOfPoints(NamedTuple):
    """At ``p`` places: the ``score (p, d)``, and ``target_variance (p,)``, ``tr C`` of [G4]."""

    score: np.ndarray
    target_variance: np.ndarray


def posterior_of_points(
    points: ArrayLike, x: ArrayLike, std: float, alpha: float = 1.0, weights: ArrayLike | None = None
) -> PosteriorOfPoints:
    """Of ``alpha points + std n`` at ``x (p, d)``, with ``points (m, d)`` and ``std`` > 0 ([G4], [G5]).

    ``weights (m,)`` > 0 are equal if none are given.

    >>> found = posterior_of_points([[-1.0], [1.0]], [[0.0]], 0.5)
    >>> found.score, found.target_variance
    (array([[0.]]), array([16.]))
    """
    checks.positive("std", std)
    means = alpha * np.asarray(points, dtype=float)
    log_weight = 0.0 if weights is None else np.log(np.asarray(weights, dtype=float))
    center = means.mean(axis=0)
    centred, at = means - center, np.asarray(x, dtype=float) - center
    size = max(_BLOCK // len(centred), 1)
    parts = [_block(centred, at[i : i + size], std, log_weight) for i in range(0, len(at), size)]
    return PosteriorOfPoints(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _block(
    points: np.ndarray, x: np.ndarray, std: float, log_weight: np.ndarray | float
) -> PosteriorOfPoints:
    squares = (points**2).sum(axis=1)
    joint = (x @ points.T - squares / 2) / std**2 + log_weight
    share = np.exp(joint - joint.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    mean = share @ points
    # around the likeliest point, so that a posterior at one point has no variance left from rounding
    likeliest = points[joint.argmax(axis=1)]
    apart = squares - 2 * likeliest @ points.T + (likeliest**2).sum(axis=1)[:, None]
    spread = (share * np.maximum(apart, 0.0)).sum(axis=1) - ((mean - likeliest) ** 2).sum(axis=1)
    return PosteriorOfPoints((mean - x) / std**2, np.maximum(spread, 0.0) / std**4)
