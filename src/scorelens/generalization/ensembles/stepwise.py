"""Whole reverse runs in which every step fits its score anew: the time-binned reading, simulated."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scorelens.generalization.ensembles.redraws import determined_weights
from scorelens.generalization.places import places
from scorelens.generalization.statistics import OneTime, check_samples
from scorelens.generalization.vkernel import TimeBinned

_BLOCK = 2**24
"""Numbers in the features of one block of runs."""


def stepwise_refits(binned: TimeBinned, x_start: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Where each of ``x_start (p, d)`` ends, with its own training set at every step; ``(p, d)``.

    The law averaged over training sets, by simulation; `scorelens.generalization.reverse` predicts it. The
    numbers of samples of ``binned`` are rounded. Training sets that leave weights undetermined (an empty bin)
    are drawn again, as [G13] does. Raises ``ValueError`` for no more samples than features, and where redraws
    do not help.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.laws import DataLaw
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> law = DataLaw.gaussian([0.0], [[1.0]])
    >>> binned = TimeBinned(StateFeatures(Affine(1)), law, BROWNIAN, [0.0, 0.5, 1.0], 50)
    >>> stepwise_refits(binned, [[1.0], [2.0]], np.random.default_rng(0)).shape
    (2, 1)
    """
    x = places("x_start", x_start, binned.law.dim)
    for step in range(binned.n_steps, 0, -1):
        (shrink, push), n = binned.rate(step), round(float(binned.n_samples[step - 1]))
        x = (1 + shrink) * x + push * fresh_scores(binned.fit(step), n, x, rng)
    return x


def fresh_scores(fit: OneTime, n_samples: int, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The score at each of ``x (p, d)`` of a fit to its own ``n_samples``; ``(p, d)``."""
    check_samples(n_samples, fit.n_features)
    size = max(_BLOCK // (n_samples * fit.n_features), 1)
    blocks = [_fresh(fit, n_samples, x[i : i + size], rng) for i in range(0, len(x), size)]
    return np.concatenate(blocks)


def _fresh(fit: OneTime, n: int, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    weights = determined_weights(lambda count: _normal_equations(fit, n, count, rng), len(x), n, fit.std)
    return np.einsum("pa,pad->pd", fit.orthonormal(x), weights)


def _normal_equations(
    fit: OneTime, n: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Of ``count`` training sets, in features that are orthonormal under the law: well conditioned."""
    noise = rng.standard_normal((count * n, fit.law.dim))
    noised = fit.alpha * fit.law.sample(count * n, rng) + fit.std * noise
    rows = fit.orthonormal(noised).reshape(count, n, -1)
    across = rows.transpose(0, 2, 1)
    return across @ rows, across @ (-noise / fit.std).reshape(count, n, -1)
