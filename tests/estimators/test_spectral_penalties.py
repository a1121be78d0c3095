"""Roughness penalties of feature scores, and systems that cannot be solved."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.filters import MinimumNorm, Ridge
from scorelens.estimators import EnergyScore, WeightScore
from scorelens.estimators.features import Bins, Fourier, Hermite, Monomials
from scorelens.estimators.spectral import (
    AffineRule,
    BinsRule,
    Filtered,
    FourierRule,
    Penalized,
    Roughness,
)


def mixture(n, seed=0):
    generator = np.random.default_rng(seed)
    centers = np.array([[-1.5, 0.0], [1.2, 0.8]])[generator.integers(0, 2, n)]
    return centers + 0.4 * generator.standard_normal((n, 2))


@pytest.mark.parametrize("order", [0, 0.5, 1, 2])
def test_the_roughness_of_hermite_products_and_waves(order):
    """[S14]: by quadrature of the generator's powers; a factor 2 for waves."""
    hermite = Hermite([[1, 0], [0, 3], [2, 1]])
    assert Roughness(order)(hermite) == pytest.approx([1, 3**order * 6, 3**order * 2])
    assert Roughness(order)(Fourier([[3.0, 4.0]])) == pytest.approx([25.0**order] * 2)
    squares = Roughness(order)(Monomials([[1, 1], [2, 0]]))
    assert squares == pytest.approx([2**order, 2**order * 3])


def test_order_one_is_the_mean_square_of_the_gradient():
    hermite = Hermite([[1, 0], [0, 3], [2, 1]])
    origin = np.zeros((1, 2))
    assert Roughness(1)(hermite) == pytest.approx(np.diag(hermite.gradient_gram(origin, 0.0, 1.0)))


def test_a_rougher_penalty_damps_high_frequencies_more():
    data, rule = mixture(50)[:, :1], FourierRule(degree=6, quadratic=False)
    high = []
    for order in (1, 3):
        solver = Filtered(Ridge(1e-2), penalty=Roughness(order))
        theta = EnergyScore(features=rule, solver=solver, sigmas=(0.3,)).fit(data).coefficients[0]
        high.append(float(theta[5].abs() / theta[0].abs()))
    assert high[1] < high[0] / 2


def test_a_free_feature_needs_the_penalized_solver():
    estimator = EnergyScore(solver=Filtered(Ridge(1e-3), penalty=Roughness(1)), sigmas=(1.0,))
    with pytest.raises(ValueError, match="a free feature needs solve_penalized"):
        estimator.fit(mixture(20))


def test_bins_and_a_constant_are_exactly_singular():
    estimator = WeightScore(features=BinsRule(4, extent=1.0, constant=True), sigmas=(0.5,))
    with pytest.raises(ValueError, match=r"level 0\.5: .*singular: rank 4 of 5 features.*not unique"):
        estimator.fit(mixture(50)[:, :1])
    for sigma in (0.5, 1e-3):
        low = WeightScore(features=BinsRule(8, extent=3.0, constant=True), sigmas=(sigma,))
        with pytest.raises(
            ValueError, match=r"singular.*; the bins sum to the constant at every point: leave"
        ):
            low.fit(mixture(50)[:, :1])
    denoiser = WeightScore(
        features=BinsRule(4, extent=1.0, constant=True),
        solver=Filtered(MinimumNorm()),
        sigmas=(0.5,),
    ).fit(mixture(50)[:, :1])
    assert denoiser.ranks.tolist() == [4]


def test_a_bin_without_samples_is_named():
    estimator = WeightScore(features=lambda dim: Bins([-0.5, 0.5, 9.0]), sigmas=(0.02,))
    with pytest.raises(ValueError, match=r"rank 3 of 4 .*features \[3\] are not seen by any sample"):
        estimator.fit(mixture(50)[:, :1])


def test_features_without_gradients_make_no_energy():
    with pytest.raises(TypeError, match="offer no gradients"):
        EnergyScore(features=AffineRule()).fit(mixture(20))
    with pytest.raises(ValueError, match="whose slope needs noise"):
        WeightScore(features=BinsRule(), matching="implicit").fit(mixture(20)[:, :1])
    with pytest.raises(TypeError, match="have no roughness"):
        WeightScore(features=BinsRule(), solver=Penalized(1.0)).fit(mixture(20)[:, :1])


def test_a_lattice_too_large_says_its_size_before_it_is_made():
    estimator = EnergyScore(features=FourierRule(degree=9))
    with pytest.raises(ValueError, match=r"would take \d+(\.\d+)?(e\+\d+)? [PTE]iB .*take random waves"):
        estimator.fit(np.random.default_rng(0).standard_normal((5, 6)))


def test_features_that_overflow_are_refused():
    outlier = np.r_[np.zeros(400), 1.0][:, None]
    estimator = EnergyScore(features=lambda dim: Monomials([[1], [120]]), sigmas=(0.01,))
    with pytest.raises(ValueError, match=r"level 0\.01: .*non-finite.*lower the degree"):
        estimator.fit(outlier)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"unknown matching 'denoise'; choose from denoising.*did you mean"):
        EnergyScore(matching="denoise")
    with pytest.raises(ValueError, match="unknown matching"):
        WeightScore(matching="sliced")
    with pytest.raises(ValueError, match=r"NormalEquations\.implicit"):
        EnergyScore(sigmas=(0.0, 1.0))
    with pytest.raises(ValueError, match="once each"):
        WeightScore(sigmas=(1.0, 1.0))
    with pytest.raises(ValueError, match="all events are the same"):
        EnergyScore().fit(np.ones((5, 2)))
    with pytest.raises(ValueError, match="one dimension"):
        WeightScore(features=BinsRule()).fit(mixture(9))
