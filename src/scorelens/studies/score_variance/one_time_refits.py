"""Scores fitted at one noise level to many drawn training sets, all at the same points."""

from __future__ import annotations

import numpy as np

from scorelens.generalization.statistics import Level, OneTime

_BLOCK = 2**21
"""Features of one block of fits."""


def refitted_scores(fit: OneTime, n_samples: int, at: np.ndarray, fits: int, seed: int) -> np.ndarray:
    """Scores ``(fits, p, d)`` at ``at (p, d)`` of least squares on ``n_samples`` draws each.

    The targets are those of denoising score matching; the solution is that of the normal equations, in
    features that are orthonormal under the law.
    """
    rng = np.random.default_rng(seed)
    size = max(_BLOCK // (n_samples * fit.n_features), 1)
    counts = [min(size, fits - start) for start in range(0, fits, size)]
    return np.concatenate([_refitted(fit, n_samples, at, count, rng) for count in counts])


def _refitted(fit: OneTime, n: int, at: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal((count * n, fit.law.dim))
    x = fit.alpha * fit.law.sample(count * n, rng) + fit.std * noise
    rows = fit.orthonormal(x).reshape(count, n, -1)
    target = (-noise / fit.std).reshape(count, n, -1)
    across = rows.transpose(0, 2, 1)
    return fit.orthonormal(at) @ np.linalg.solve(across @ rows, across @ target)


def bin_scores(fit: OneTime, n_samples: int, fits: int, seed: int) -> np.ndarray:
    """Mean target in each bin, ``(fits, bins)``, NaN in those that are empty; features are bins alone."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((fits * n_samples, 1))
    x = fit.alpha * fit.law.sample(fits * n_samples, rng) + fit.std * noise
    inside = fit.features.value(x, Level(fit.alpha, fit.std)).reshape(fits, n_samples, -1)
    target = (-noise / fit.std).reshape(fits, n_samples, 1)
    count = inside.sum(axis=1)
    return np.where(count > 0, (inside * target).sum(axis=1) / np.maximum(count, 1), np.nan)
