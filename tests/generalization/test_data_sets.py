"""Averages over a data set: fast rules against exact ones, and closed forms against both."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.estimators.features import Affine, Bins, Fourier, Monomials
from scorelens.generalization.laws import MANY_POINTS, DataLaw, truncated_moments
from scorelens.generalization.posterior_of_points import posterior_of_points
from scorelens.generalization.statistics import (
    AffineOfPoints,
    Level,
    OneTime,
    PlacedFeatures,
    StateBumps,
    StateFeatures,
)
from scorelens.generalization.statistics.averages import DRAWS

RNG = np.random.default_rng(0)
LINE = np.concatenate([RNG.normal(-1.0, 0.2, (12, 1)), RNG.normal(0.7, 0.4, (18, 1))])
MIXED = RNG.normal(size=(20, 2)) @ np.array([[1.0, 0.4], [0.0, 0.5]])
PLANE = MIXED + np.array([0.3, -0.2]) + RNG.gamma(1.0, 1.0, (20, 1))
AT = {1: np.array([[-1.2], [-0.9], [0.4], [1.0]]), 2: np.array([[0.3, 0.1], [2.0, -1.0], [1.0, 3.0]])}


def many(points: np.ndarray) -> np.ndarray:
    """The same law as a data set: every point repeated."""
    return np.repeat(points, MANY_POINTS // len(points) + 1, axis=0)


FEATURES = {
    "affine": StateFeatures(Affine(1)),
    "cubic": StateFeatures(Monomials([[0], [1], [2], [3]])),
    "waves": StateFeatures(Fourier([[0.7], [1.4]]), intercept=True),
    "bins": StateFeatures(Bins([-0.8, 0.1, 0.9])),
    "bumps": StateBumps.on_grid(1, 4, 1.5),
    "placed bins": PlacedFeatures(StateFeatures(Bins([-0.8, 0.1, 0.9])), LINE.mean(axis=0), 0.9),
    "placed bumps": PlacedFeatures(StateBumps.on_grid(1, 4, 1.5), LINE.mean(axis=0), 0.9),
}


@pytest.mark.parametrize("std", [0.15, 1.2])
@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
def test_a_data_set_has_the_statistics_of_the_same_few_points(features, std: float) -> None:
    few = OneTime(features, DataLaw.points(LINE), 1.0, std)
    fast = OneTime(features, DataLaw.points(many(LINE)), 1.0, std)
    assert fast.law.is_data_set
    assert not few.law.is_data_set
    for quantity in ("leverage", "local_covariance"):
        exact, found = getattr(few, quantity)(AT[1]), getattr(fast, quantity)(AT[1])
        np.testing.assert_allclose(found, exact, rtol=0.1, atol=0.01 * np.abs(exact).max())
    # the optimum is a fit to DRAWS draws, and varies as such
    error = np.sqrt(few.local_covariance(AT[1]).max() / DRAWS)
    np.testing.assert_allclose(fast.score(AT[1]), few.score(AT[1]), atol=4.5 * error)
    # a mean of r phi l, with l about F: what DRAWS draws leave of it
    error = features.n_features * np.sqrt(few.local_covariance(AT[1]).max() / DRAWS)
    np.testing.assert_allclose(fast.bias(AT[1]), few.bias(AT[1]), atol=4.5 * error)
    assert fast.misfit == pytest.approx(few.misfit, rel=0.1, abs=1e-3 * few.local_covariance(AT[1]).max())


@pytest.mark.parametrize("std", [0.15, 1.2])
def test_closed_forms_of_affine_scores_are_those_of_the_quadrature(std: float) -> None:
    exact = OneTime(StateFeatures(Affine(2)), DataLaw.points(PLANE), 1.0, std)
    found = AffineOfPoints(PLANE, std)
    x = AT[2]
    total = np.trace(exact.local_covariance(x), axis1=1, axis2=2)
    np.testing.assert_allclose(found.total_variance(x), total, rtol=1e-10)
    np.testing.assert_allclose(found.bias(x), exact.bias(x), rtol=1e-9)
    np.testing.assert_allclose(found.score(x), exact.score(x), rtol=1e-10)
    np.testing.assert_allclose(found.leverage(x), exact.leverage(x), rtol=1e-10)


@pytest.mark.parametrize("std", [0.05, 0.4])
def test_the_posterior_of_points_is_that_of_the_law(std: float) -> None:
    law, x = DataLaw.points(PLANE), np.concatenate([AT[2], PLANE[:5] + 0.02])
    found = posterior_of_points(PLANE, x, std)
    np.testing.assert_allclose(found.score, law.score(x, 1.0, std), rtol=1e-9)
    trace = np.trace(law.target_covariance(x, 1.0, std), axis1=1, axis2=2)
    np.testing.assert_allclose(found.target_variance, trace, rtol=1e-7, atol=1e-10 / std**4)


def test_moments_of_a_truncated_normal() -> None:
    draws, ends = RNG.normal(size=400_000), np.array([-np.inf, -0.5, 0.3, np.inf])
    mass, mean, variance = (found[0] for found in truncated_moments(ends[None]))
    for i in range(3):
        inside = draws[(draws > ends[i]) & (draws <= ends[i + 1])]
        error = inside.std() / np.sqrt(len(inside))
        assert abs(inside.mean() - mean[i]) < 4.5 * error
        assert inside.var() == pytest.approx(variance[i], rel=0.02)
        assert len(inside) / len(draws) == pytest.approx(mass[i], rel=0.01)


def test_placed_features_follow_the_noise() -> None:
    placed = PlacedFeatures(StateFeatures(Bins([-1.0, 1.0])), np.array([2.0]), 3.0)
    level = Level(0.5, 2.0)
    assert placed.breaks(level) == (-1.5, 3.5)
    assert placed.value(np.array([[-1.6], [0.0], [3.6]]), level).argmax(axis=1).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="scale"):
        PlacedFeatures(StateFeatures(Affine(1)), np.zeros(1), 0.0)
