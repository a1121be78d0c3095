"""Leverage where it is a closed form, and the Fisher information of a mixture's centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import ComponentNodes, DataLaw
from scorelens.generalization.places import standardised
from scorelens.generalization.statistics.averages import average
from scorelens.generalization.statistics.features import Level, MixtureFeatures


def orthogonal_leverage(phi: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> np.ndarray:
    """``1 + sum_j (phi_j - mu_j)^2 / Var phi_j`` of uncorrelated features ``(p, m)`` and a constant ([G24]).

    >>> orthogonal_leverage([[3.0, 0.0]], [1.0, 0.0], [2.0, 1.0])
    array([3.])
    """
    checks.positive("variance", variance)
    apart = np.asarray(phi, dtype=float) - np.asarray(mean, dtype=float)
    return 1 + (apart**2 / np.asarray(variance, dtype=float)).sum(axis=1)


def bin_leverage(probability: ArrayLike) -> np.ndarray:
    """``1 / p_b`` in each bin, with or without a constant in place of one of them ([G25]).

    >>> bin_leverage([0.25, 0.75]).round(4)
    array([4.    , 1.3333])
    """
    checks.positive("probability", probability, "a bin without data has no fit")
    return 1 / np.asarray(probability, dtype=float)


def affine_leverage(x: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> np.ndarray:
    """``1 + (x - mu)^T Sigma^-1 (x - mu)`` at ``x (p, d)``, for a constant and the coordinates ([G26])."""
    return 1 + (standardised(x, mean, covariance) ** 2).sum(axis=1)


def center_information(law: DataLaw, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
    """Fisher information of the centres of a noised mixture, ``(k d, k d)``, per sample ([G29]).

    Of the centres of ``x = alpha x_0 + std n``, that is of ``alpha mu_m``; index ``m d + i``.

    >>> center_information(DataLaw.gaussian([0.0], [[4.0]]))
    array([[0.25]])
    """
    features = MixtureFeatures(law)

    def integrand(part: ComponentNodes, phi: np.ndarray) -> np.ndarray:
        return (part.weight * phi.T) @ phi

    return average(law, features, Level(float(alpha), float(std)), integrand, 2)
