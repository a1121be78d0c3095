"""Normal equations exact over the noise are what a Monte Carlo assembly tends to as its draws grow."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly
from scorelens.estimators.features import Fourier, FourierQuadratic, Hermite, SmoothFeatureMap

ALPHA, STD = 0.8, 0.6
FAMILIES = (FourierQuadratic(Fourier.lattice(2, 2, period=8.0)), Hermite.of_degree(2, 4))


def points() -> np.ndarray:
    centres = np.array([[1.2, 0.0], [-0.6, 1.0], [-0.6, -1.0]])
    rng = np.random.default_rng(0)
    return centres[rng.integers(0, 3, 6)] + 0.3 * rng.standard_normal((6, 2))


def monte_carlo(features: SmoothFeatureMap, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """``[A | b]`` from ``draws`` of noise per point, and its standard error.

    The points are given and not drawn: the variance is that within each point.
    """
    rng, x0, system = np.random.default_rng(7), points(), 0.0
    variance = 0.0
    for point in x0:
        noise = rng.standard_normal((draws, 2))
        slopes = features.jacobian(ALPHA * point + STD * noise)
        vectors = np.einsum("nml,nl->nm", slopes, noise) / STD
        terms = np.concatenate([slopes @ slopes.transpose(0, 2, 1), vectors[:, :, None]], axis=2)
        system = system + terms.mean(axis=0) / len(x0)
        variance = variance + terms.var(axis=0, ddof=1) / (draws * len(x0) ** 2)
    return np.asarray(system), np.sqrt(variance)


def exact(features: SmoothFeatureMap) -> np.ndarray:
    equations = NormalEquations.denoising(features, points(), ALPHA, STD)
    return np.concatenate([equations.matrix, equations.vector[:, None]], axis=1)


@pytest.mark.parametrize("features", FAMILIES, ids=lambda features: features.name)
def test_monte_carlo_tends_to_the_exact_system_within_its_standard_error(features: SmoothFeatureMap) -> None:
    truth, sizes = exact(features), []
    for draws in (2000, 16000):
        system, error = monte_carlo(features, draws)
        noisy = error > 1e-10 * np.abs(truth).max()  # entries such as E[x' x'] = 1 have no noise
        z = (system - truth)[noisy] / error[noisy]
        assert np.abs(z).max() < 4.8
        assert 0.5 < np.sqrt(np.mean(z**2)) < 1.5
        np.testing.assert_allclose(system[~noisy], truth[~noisy], atol=1e-10 * np.abs(truth).max())
        sizes.append(np.linalg.norm(error) / np.linalg.norm(truth))
    assert sizes[1] < 0.05
    assert sizes[0] / sizes[1] == pytest.approx(np.sqrt(8), rel=0.25)


@pytest.mark.parametrize("features", FAMILIES, ids=lambda features: features.name)
def test_the_score_of_the_monte_carlo_system_tends_to_that_of_the_exact_one(
    features: SmoothFeatureMap,
) -> None:
    jacobian = features.jacobian(ALPHA * points())
    whole = exact(features)
    score = np.einsum(
        "nml,m->nl", jacobian, solve_exactly(NormalEquations(whole[:, :-1], whole[:, -1])).theta
    )
    away = []
    for draws in (200, 8000):
        system, _ = monte_carlo(features, draws)
        theta = solve_exactly(NormalEquations(system[:, :-1], system[:, -1])).theta
        away.append(np.linalg.norm(np.einsum("nml,m->nl", jacobian, theta) - score) / np.linalg.norm(score))
    assert away[1] < 0.1
    assert away[1] < away[0] / 2  # sqrt(40) = 6 on average
