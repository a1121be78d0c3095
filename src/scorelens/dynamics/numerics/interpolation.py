"""Polynomial interpolation at Chebyshev points."""

from __future__ import annotations

import math

import numpy as np


def chebyshev(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """The points ``(n,)`` in (-1, 1), descending, and their angles.

    >>> chebyshev(2)[0].round(4)
    array([ 0.7071, -0.7071])
    """
    angle = (np.arange(n_points) + 0.5) * math.pi / n_points
    return np.cos(angle), angle


def barycentric(at: np.ndarray, points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Matrix ``(entry, point)`` from values at Chebyshev ``points`` to those at ``at (entry,)``.

    >>> points, angle = chebyshev(5)
    >>> float((barycentric(np.array([0.5]), points, angle) @ points**3)[0].round(12))
    0.125
    """
    weight = np.where(np.arange(points.size) % 2 == 0, 1.0, -1.0) * np.sin(angle)
    difference = at[:, None] - points
    hit = difference == 0.0
    terms = weight / np.where(hit, 1.0, difference)
    matrix = terms / terms.sum(axis=1, keepdims=True)
    return np.where(hit.any(axis=1, keepdims=True), hit.astype(float), matrix)
