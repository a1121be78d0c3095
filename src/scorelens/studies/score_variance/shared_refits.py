"""Scores with weights shared over times, fitted to many drawn training sets on the line."""

from __future__ import annotations

import numpy as np

from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics import Level, SharedWeights
from scorelens.generalization.statistics.regression import Target

_BLOCK = 2**19
"""Draws of one block of fits."""


def refitted_scores(
    fit: SharedWeights, n_samples: int, at: tuple[float, float], fits: int, seed: int, target: Target = "dsm"
) -> np.ndarray:
    """Scores ``(fits,)`` at the point and time ``at`` of least squares on ``n_samples`` draws each.

    For features of the state alone, in one dimension; by normal equations of two or three features.
    """
    rng = np.random.default_rng(seed)
    size = max(_BLOCK // n_samples, 1)
    counts = [min(size, fits - start) for start in range(0, fits, size)]
    weights = np.concatenate([_weights(fit, n_samples, count, rng, target) for count in counts])
    x, t = at
    return weights @ _features(fit, np.array([[x]]))[0] / float(fit.schedule.std(t))


def _weights(fit: SharedWeights, n: int, count: int, rng: np.random.Generator, target: Target) -> np.ndarray:
    t = fit.times.sample(count * n, rng)
    alpha, std = fit.schedule.alpha(t)[:, None], fit.schedule.std(t)[:, None]
    noise = rng.standard_normal((count * n, 1))
    x = alpha * fit.law.sample(count * n, rng) + std * noise
    aim = -noise / std if target == "dsm" else line_scores(fit.law, x, alpha, std)
    root = np.sqrt(fit.times.weight(t))[:, None]
    rows = (root * _features(fit, x) / std).reshape(count, n, -1)
    across = rows.transpose(0, 2, 1)
    return np.linalg.solve(across @ rows, across @ (root * aim).reshape(count, n, 1))[..., 0]


def _features(fit: SharedWeights, x: np.ndarray) -> np.ndarray:
    return fit.features.value(x, Level(1.0, 0.0))


def line_scores(law: DataLaw, x: np.ndarray, alpha: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Score of ``law`` at ``x``, each point at its own level; all arrays are ``(n, 1)``.

    >>> at = np.ones((1, 1))
    >>> line_scores(DataLaw.gaussian([0.0], [[3.0]]), 2 * at, at, at)
    array([[-0.5]])
    """
    variance = alpha**2 * law.covariances[:, 0, 0] + std**2
    pull = (alpha * law.means[:, 0] - x) / variance
    log_share = np.log(law.weights) - (pull**2 * variance + np.log(variance)) / 2
    share = np.exp(log_share - log_share.max(axis=1, keepdims=True))
    return (share * pull).sum(axis=1, keepdims=True) / share.sum(axis=1, keepdims=True)
