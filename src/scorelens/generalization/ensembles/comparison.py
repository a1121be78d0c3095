"""Prediction against measurement: covariances of an ensemble, in units of their standard errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.generalization.reverse import ScoreEnsemble


class Comparison(NamedTuple):
    """Arrays of one shape: what was measured, its standard error, what was predicted, and ``z``.

    ``power`` is the smallest relative error of a diagonal entry that would be 4.5 standard errors off.
    """

    measured: np.ndarray
    stderr: np.ndarray
    predicted: np.ndarray
    z: np.ndarray
    power: float


class AveragedLaw(NamedTuple):
    """Moments over samples of all members: ``mean (d,)``, ``covariance (d, d)``, and standard errors.

    ``between (d, d)`` is the part of the covariance that differs between members at one start, averaged over
    the starts: what the variance of the score adds.
    """

    mean: np.ndarray
    mean_stderr: np.ndarray
    covariance: np.ndarray
    covariance_stderr: np.ndarray
    between: np.ndarray


def compare_covariance(draws: ArrayLike, predicted: ArrayLike) -> Comparison:
    """Covariance of ``draws (r, m)``, independent rows, against ``predicted (m, m)``.

    The standard error is that of a mean of products, from the draws themselves; ``ValueError`` for fewer than
    30 of them, where it is not known.

    >>> draws = np.random.default_rng(0).normal(size=(1000, 1)) * 2
    >>> bool(abs(compare_covariance(draws, [[4.0]]).z) < 4.5)
    True
    """
    draws, predicted = np.asarray(draws, dtype=float), np.asarray(predicted, dtype=float)
    if draws.ndim != 2 or predicted.shape != (draws.shape[1],) * 2:
        raise ValueError(f"draws (r, m) need a predicted (m, m), got {draws.shape} and {predicted.shape}")
    if len(draws) < 30:
        raise ValueError(f"standard errors need at least 30 draws, got {len(draws)}; take more members")
    apart = draws - draws.mean(axis=0)
    products = apart[:, :, None] * apart[:, None] * (len(draws) / (len(draws) - 1))
    measured, stderr = products.mean(axis=0), products.std(axis=0) / np.sqrt(len(draws))
    z = (measured - predicted) / np.where(stderr > 0, stderr, np.finfo(float).tiny)
    power = float((4.5 * np.diag(stderr) / np.diag(predicted)).max())
    return Comparison(measured, stderr, predicted, z, power)


def averaged_law(samples: ArrayLike) -> AveragedLaw:
    """Of ``samples (members, p, d)``, where point ``j`` of every member began at the same place.

    The standard errors are those over members, between which samples are independent.

    >>> averaged_law(np.random.default_rng(0).normal(size=(50, 20, 1))).mean.shape
    (1,)
    """
    found = np.asarray(samples, dtype=float)
    if found.ndim != 3 or len(found) < 2:
        raise ValueError(f"samples must be (members, p, d) with at least 2 members, got {found.shape}")
    members, points, _ = found.shape
    of_member = found.mean(axis=1)
    mean = of_member.mean(axis=0)
    apart = found - mean
    products = np.einsum("mpi,mpj->mij", apart, apart) / points
    error = np.sqrt(members - 1)
    around = found - found.mean(axis=0)
    between = np.einsum("mpi,mpj->ij", around, around) / ((members - 1) * points)
    return AveragedLaw(
        mean, of_member.std(axis=0) / error, products.mean(axis=0), products.std(axis=0) / error, between
    )


def model_variance(field: ScoreEnsemble, path: ArrayLike, times: ArrayLike) -> np.ndarray:
    """Covariance of the score over members along ``path (K, p, d)`` at ``times (K,)``; ``(K, p, d, d)``."""
    path, times = np.asarray(path, dtype=float), np.asarray(times, dtype=float)
    if path.ndim != 3 or times.shape != path.shape[:1]:
        raise ValueError(f"path (K, p, d) needs times (K,), got {path.shape} and {times.shape}")
    if field.members < 2:
        raise ValueError("a variance between members needs at least 2 of them; fit more")
    found = []
    for x, t in zip(path, times, strict=True):
        apart = field.score_on(x, float(t))
        apart = apart - apart.mean(axis=0)
        found.append(np.einsum("mpi,mpj->pij", apart, apart) / (field.members - 1))
    return np.array(found)
