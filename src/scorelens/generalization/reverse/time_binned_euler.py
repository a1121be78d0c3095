"""The Euler scheme whose every step has fresh noise, with a covariance that depends on the state."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scorelens.generalization.places import places
from scorelens.generalization.vkernel import Order, TimeBinned, warn_outside


def euler_ensemble(
    binned: TimeBinned,
    x_start: ArrayLike,
    rng: np.random.Generator,
    *,
    order: Order = "sandwich",
    bias: bool = True,
) -> np.ndarray:
    """Samples of the law averaged over training sets, from ``x_start (p, d)`` at the last time; ``(p, d)``.

    Each step adds ``dt beta x + dt g^2/2 E s(x) + dt g^2/2 Cov[s(x)]^{1/2} z``, all where the step begins
    (generalisation, section 7). ``E s`` is the optimum and, unless ``bias`` is False, its leading bias
    ([G10]); ``order`` is that of the covariance, see `TimeBinned`. Different trajectories see different
    training sets. Warns (`OutsideLeadingOrder`) of the worst step if the order is off by more than 10 %
    there, and raises ``ValueError`` for no more samples than features at any step.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.laws import DataLaw
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> law = DataLaw.gaussian([0.0], [[1.0]])
    >>> binned = TimeBinned(StateFeatures(Affine(1)), law, BROWNIAN, [0.0, 0.5, 1.0], 50)
    >>> euler_ensemble(binned, [[1.0], [2.0]], np.random.default_rng(0)).shape
    (2, 1)
    """
    x = places("x_start", x_start, binned.law.dim)
    warn_of_worst(binned, order)
    for step in range(binned.n_steps, 0, -1):
        shrink, push = binned.rate(step)
        spread = square_root(binned.score_covariance(step, x, order))
        noise = np.einsum("pij,pj->pi", spread, rng.standard_normal(x.shape))
        x = (1 + shrink) * x + push * (mean_score(binned, step, x, bias=bias) + noise)
    return x


def noise_free(binned: TimeBinned, x_start: ArrayLike, *, bias: bool = False) -> np.ndarray:
    """Where ``x_start (p, d)`` ends with the optimal score, or with its leading bias added; ``(p, d)``."""
    x = places("x_start", x_start, binned.law.dim)
    for step in range(binned.n_steps, 0, -1):
        shrink, push = binned.rate(step)
        x = (1 + shrink) * x + push * mean_score(binned, step, x, bias=bias)
    return x


def mean_score(binned: TimeBinned, step: int, x: np.ndarray, *, bias: bool = True) -> np.ndarray:
    """The mean of the fitted score of one step at ``x (p, d)``: ``s* + bias / n``."""
    fit = binned.fit(step)
    return fit.score(x) + fit.bias(x) / binned.n_samples[step - 1] if bias else fit.score(x)


def warn_of_worst(binned: TimeBinned, order: Order) -> None:
    """Refuse or warn for the step that is worst off."""
    found = binned.worst_validity(order)
    if order != "exact":
        warn_outside(found)


def square_root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric roots of matrices ``(p, d, d)`` that are positive up to rounding.

    >>> square_root(np.array([[[4.0]]]))
    array([[[2.]]])
    """
    values, vectors = np.linalg.eigh(covariance)
    return np.einsum("pij,pj,pkj->pik", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)
