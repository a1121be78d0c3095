"""Eigenvalues and eigenvectors of a diagonal matrix plus a rank-one one, each to relative accuracy: how a
mean mixes the modes of one layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scorelens.core import checks

_MOST_STEPS = 120


class Eigensystem(NamedTuple):
    """``values (n,)`` ascending and orthonormal ``vectors (n, n)``, one per column."""

    values: np.ndarray
    vectors: np.ndarray


def moment_eigensystem(
    eigenvalues: np.ndarray, overlaps: np.ndarray, noise_variance: float = 0.0
) -> Eigensystem:
    """Eigensystem of ``Q = diag(eigenvalues + noise_variance, 0) + q q^T`` with ``q = (overlaps, 1)``.

    ``Q`` is the second moment of the input and the constant 1, in the eigenbasis of the data: its eigenvalues
    are the rates at which weight and bias learn together (learning dynamics (3.1)). ``eigenvalues (d,)`` are
    the data variances along the modes, in any order, ``overlaps (d,)`` the mean along them; the row ``d`` of
    the vectors is that of the bias. Every eigenvalue is accurate relative to itself, however large the mean.

    Raises ``ValueError`` for other shapes, a negative eigenvalue or noise variance.

    >>> moment_eigensystem(np.array([1.0, 0.3]), np.array([2.0, 0.0]), 0.25).values.round(6)
    array([0.206846, 0.55    , 6.043154])
    """
    checks.non_negative("noise_variance", noise_variance)
    checks.non_negative("eigenvalues", eigenvalues)
    checks.finite("overlaps", overlaps)
    modes, mean = np.asarray(eigenvalues, dtype=float), np.asarray(overlaps, dtype=float)
    if modes.ndim != 1 or modes.shape != mean.shape:
        raise ValueError(
            f"eigenvalues and overlaps must have one shape (d,), got {modes.shape} and {mean.shape}"
        )
    # Distances between poles come from the data's eigenvalues alone: adding the noise first would round them.
    poles, weights = np.append(modes, -noise_variance), np.append(mean, 1.0)
    frame, weights = _one_overlap_per_pole(poles, weights)
    active = np.flatnonzero(weights**2 > 0.0)
    active = active[np.argsort(poles[active])]
    still = np.flatnonzero(weights**2 == 0.0)
    values, vectors = _distinct(poles[active], weights[active], noise_variance)
    values = np.append(values, poles[still] + noise_variance)
    vectors = np.hstack([frame[:, active] @ vectors, frame[:, still]])
    order = np.argsort(values)
    return Eigensystem(values[order], vectors[:, order])


def _one_overlap_per_pole(poles: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A rotation inside each group of equal poles after which one vector carries the group's overlap."""
    frame, rotated = np.eye(len(poles)), weights.copy()
    values, counts = np.unique(poles, return_counts=True)
    for value in values[counts > 1]:
        group = np.flatnonzero(poles == value)
        size = np.linalg.norm(weights[group])
        if size > 0.0:
            frame[np.ix_(group, group)] = _reflection_to_first(weights[group] / size)
            rotated[group] = 0.0
            rotated[group[0]] = size
    return frame, rotated


def _reflection_to_first(unit: np.ndarray) -> np.ndarray:
    """Symmetric orthogonal matrix whose first column is ``unit``."""
    normal = unit.copy()
    normal[0] += 1.0 if unit[0] >= 0.0 else -1.0
    reflection = np.eye(len(unit)) - np.outer(normal, normal) * (2.0 / (normal @ normal))
    return -reflection if unit[0] >= 0.0 else reflection


def _distinct(poles: np.ndarray, weights: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigensystem for ascending, distinct poles with non-zero weights."""
    anchor, side, distance = _roots(poles, weights**2)
    values = poles[anchor] + shift + side * distance
    # gap[k, j] = pole k - root j, exact to the last digits near the anchor.
    gap = (poles[:, None] - poles[anchor]) - side * distance
    vectors = _consistent_weights(poles, gap, weights)[:, None] / gap  # (3.3)
    return values, vectors / np.linalg.norm(vectors, axis=0)


def _consistent_weights(poles: np.ndarray, gap: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weights whose exact eigenvalues are the computed ones: with them the vectors come out orthogonal
    (Gu & Eisenstat 1994)."""
    between = poles[:, None] - poles
    np.fill_diagonal(between, -1.0)
    return np.copysign(np.sqrt(np.prod(gap / between, axis=1)), weights)


def _roots(poles: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Roots of ``1 + sum squares / (poles - root)``, one above each pole: the nearest pole (its index), the
    side (+1 above, -1 below) and the distance from it."""
    n = len(poles)
    index = np.arange(n)
    half = 0.5 * np.append(np.diff(poles), 2.0 * squares.sum())
    offsets = poles[:, None] - poles  # (pole, root), from the pole below
    above = 1.0 + (squares[:, None] / (offsets - half)).sum(axis=0) >= 0.0
    above[-1] = True
    anchor = np.where(above, index, np.minimum(index + 1, n - 1))
    side = np.where(above, 1.0, -1.0)
    # t * (side + sum of others / (offset - t)) = square of the anchor, with offsets counted towards the root.
    offsets = side * (poles[:, None] - poles[anchor])
    own = squares[anchor]
    others = np.where(index[:, None] == anchor, 0.0, squares[:, None])
    offsets = np.where(index[:, None] == anchor, np.inf, offsets)
    return anchor, side, _distances(own, others, offsets, side, half)


def _distances(
    own: np.ndarray, others: np.ndarray, offsets: np.ndarray, side: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Newton steps inside a bracket that shrinks; halved in the logarithm where Newton leaves it."""
    ahead = np.where(offsets > 0.0, others / (offsets - high), 0.0).sum(axis=0)
    low = np.minimum(own / (np.maximum(side, 0.0) + ahead), high)
    high, distance = high.copy(), low.copy()
    for _ in range(_MOST_STEPS):
        terms = others / (offsets - distance)
        factor = side + terms.sum(axis=0)
        excess = distance * factor - own
        noise = 1e-16 * (distance * (1.0 + np.abs(terms).sum(axis=0)) + own)
        high = np.where(excess >= 0.0, distance, high)
        low = np.where(excess <= 0.0, distance, low)
        slope = factor + distance * (terms / (offsets - distance)).sum(axis=0)
        newton = distance - excess / np.where(slope > 0.0, slope, np.inf)
        inside = (newton > low) & (newton < high) & (slope > 0.0)
        following = np.where(inside, newton, np.sqrt(low) * np.sqrt(high))
        done = (np.abs(excess) <= noise) | (np.abs(following - distance) <= 1e-16 * distance)
        if done.all():
            break
        distance = np.where(done, distance, following)
    return distance
