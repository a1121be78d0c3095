"""Exact laws of a fitted score at any number of samples: affine scores of Gaussian data, and bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from scorelens.core import checks
from scorelens.estimators.features import Bins
from scorelens.generalization.laws import ComponentNodes, DataLaw
from scorelens.generalization.places import standardised
from scorelens.generalization.statistics.averages import average
from scorelens.generalization.statistics.features import Level, StateFeatures


def linear_score_covariance(
    law: DataLaw, alpha: float, std: float, n_samples: int, x: ArrayLike, other_x: ArrayLike | None = None
) -> np.ndarray:
    """``Cov[s_i(x), s_j(x')]`` of ``s(x) = w_0 + W x`` fitted by least squares at one level ([G12]).

    ``law`` is one Gaussian; ``x (p, d)`` and ``other_x (q, d)`` give ``(p, d, q, d)``. Exact for
    ``n_samples > d + 2``; the fit has no bias. Raises ``ValueError`` for other laws and fewer samples, where
    the covariance is infinite.

    >>> law = DataLaw.gaussian([0.0], [[1.0]])
    >>> linear_score_covariance(law, alpha=1.0, std=1.0, n_samples=4, x=[[0.0]]).ravel()
    array([0.25])
    """
    d = law.dim
    if law.n_components != 1:
        raise ValueError(
            f"the law must be one Gaussian, got {law.n_components} components; use OneTime, to leading order"
        )
    checks.positive("std", std)
    checks.whole("n_samples", n_samples, d + 3, "with d + 2 or fewer the covariance is infinite")
    noised = law.noised(alpha, std)
    center, spread = noised.means[0], noised.covariances[0]
    first = standardised(x, center, spread)
    second = first if other_x is None else standardised(other_x, center, spread)
    lever = 1 / n_samples + (first @ second.T + d / n_samples) / (n_samples - d - 2)
    return np.einsum("pq,ij->piqj", lever, law.component_target_covariance(alpha, std)[0])


class BinScore(NamedTuple):
    """Per bin ``(m,)``: its ``probability``, the ``mean`` of the fitted score, given that the bin holds a
    sample, and the ``variance`` of it; bins are uncorrelated. ``leading`` is ``1 / (n p_b std^2)``."""

    probability: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    leading: np.ndarray


def bin_score(law: DataLaw, edges: ArrayLike, alpha: float, std: float, n_samples: int) -> BinScore:
    """The score fitted with indicators of bins, the mean target of the samples there ([G13]); exact.

    Between ``edges``, with unbounded outer bins, in one dimension. Raises ``ValueError`` for bins that hold
    nothing under the law.

    >>> bin_score(DataLaw.gaussian([0.0], [[1.0]]), [0.0], 1.0, 1.0, n_samples=50).probability
    array([0.5, 0.5])
    """
    checks.positive("std", std)
    checks.whole("n_samples", n_samples, 1)
    features = StateFeatures(Bins(np.asarray(edges, dtype=float)))

    def integrand(part: ComponentNodes, phi: np.ndarray) -> np.ndarray:
        mean, covariance = part.target()
        pull = mean[:, 0]
        second = pull**2 + covariance[:, 0, 0]
        return (part.weight * np.stack([np.ones_like(pull), pull, second])) @ phi

    mass, first, second = average(law, features, Level(float(alpha), float(std)), integrand, 2)
    if (mass <= 0).any():
        raise ValueError(f"bin {int(np.argmin(mass))} holds nothing under this law; take wider bins")
    spread = second / mass - (first / mass) ** 2
    share = np.array([mean_inverse_count(n_samples, p) for p in mass])
    return BinScore(mass, first / mass, spread * share, 1 / (n_samples * mass * std**2))


def mean_inverse_count(n_samples: int, probability: float) -> float:
    """``E[1/k | k > 0]`` for a binomial ``k``, by direct summation ([G13]; generalisation, section 11).

    >>> mean_inverse_count(2, 0.5)
    0.8333333333333334
    """
    counts = np.arange(1, n_samples + 1)
    log_mass = binom.logpmf(counts, n_samples, min(probability, 1.0))
    mass = np.exp(log_mass - log_mass.max())
    return float((mass / counts).sum() / mass.sum())
