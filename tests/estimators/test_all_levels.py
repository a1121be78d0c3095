"""One linear system for all noise levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.filters import MinimumNorm, Ridge
from scorelens.estimators import EnergyScore, Gaussian, TimeSeparableScore
from scorelens.estimators.features import Fourier, FourierQuadratic, Hermite, Monomials
from scorelens.estimators.spectral import AffineRule, Exact, Filtered, HermiteRule, MonomialRule, Penalized
from scorelens.estimators.spectral.all_levels import terminal

SIGMAS = (0.1, 0.4, 1.0, 3.0, 10.0)


def unequal(n=30, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 2)) * [1.3, 0.6] + [2.0, -1.0]


def noised(data, sigma, n=10):
    clean = torch.tensor(data[:n])
    return clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).double()


def error(estimator, data, sigma):
    x, wiener = noised(data, sigma), Gaussian().fit(data)
    return float((estimator.fit(data)(x, sigma) - wiener(x, sigma)).square().mean().sqrt())


@pytest.mark.parametrize("sigma", [*SIGMAS, 1e-3, 1e4])
@pytest.mark.parametrize("rule", [HermiteRule(2), MonomialRule(2)], ids=lambda r: r.name)
def test_one_gaussian_coordinate_is_exact_at_every_level(rule, sigma):
    """[S25]: its score is ``-z`` at all times, which the clamped coefficients are."""
    data = unequal()[:, :1]
    wiener, x = Gaussian().fit(data), noised(data, sigma)
    denoised = TimeSeparableScore(features=rule).fit(data)(x, sigma)
    torch.testing.assert_close(denoised, wiener(x, sigma), rtol=1e-9, atol=1e-9)


def test_more_rates_tend_to_the_wiener_filter_at_every_level():
    data, rates = unequal(), (2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
    for sigma in SIGMAS:
        few, many = (error(TimeSeparableScore(rates=rates[:n]), data, sigma) for n in (1, 7))
        assert many < 0.02 * min(sigma, 1.0)
        assert many < few / 5


@pytest.mark.parametrize(
    "features", [Hermite.of_degree(2, 3), Monomials.of_degree(2, 3), FourierQuadratic(Fourier.lattice(2, 1))]
)
def test_the_terminal_coefficients_have_the_score_minus_z(features):
    z = np.random.default_rng(2).standard_normal((6, 2))
    score = np.einsum("nml,m->nl", features.jacobian(z), terminal(features))
    assert score == pytest.approx(-z, abs=1e-11)


def test_it_is_the_best_in_its_loss():
    """[S23]: any change of a free coefficient raises the loss, here of one narrow band of levels."""
    data = unequal()
    band = TimeSeparableScore(features=HermiteRule(3), rates=(2.0,), sigmas=(0.69, 0.71)).fit(data)
    alone = EnergyScore(features=HermiteRule(3), solver=Exact(), sigmas=(0.7,)).fit(data)
    x = noised(data, 0.7)
    torch.testing.assert_close(band(x, 0.7), alone(x, 0.7), rtol=0, atol=2e-3)


def test_what_the_solver_found_is_kept():
    denoiser = TimeSeparableScore(rates=(2.0, 4.0), solver=Filtered(MinimumNorm())).fit(unequal())
    assert denoiser.normal_spectra.shape == (1, 10)
    assert denoiser.ranks.tolist() == [10]
    assert denoiser.bounded.tolist() == [1]
    assert denoiser.coefficients.shape == (3, 5)
    assert denoiser.residuals[0] < 1e-9


@pytest.mark.parametrize("solver", [Penalized(1e12), Filtered(Ridge(1e12))])
def test_penalised_away_the_limit_of_large_noise_is_left(solver):
    """Roughness counts every coefficient at every rate; what is left is ``D = mean + (x - mean) alpha^2``."""
    data = unequal()
    denoiser, x = TimeSeparableScore(rates=(2.0, 3.0), solver=solver).fit(data), noised(data, 0.7)
    scale = float(denoiser.scale)
    expected = denoiser.mean + (x - denoiser.mean) * scale**2 / (scale**2 + 0.7**2)
    torch.testing.assert_close(denoiser(x, 0.7), expected, rtol=1e-8, atol=1e-8)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="rates must be >= 2"):
        TimeSeparableScore(rates=(1.0, 2.0))
    with pytest.raises(ValueError, match="number of rates"):
        TimeSeparableScore(rates=())
    with pytest.raises(ValueError, match="once each"):
        TimeSeparableScore(rates=(2.0, 2.0))
    with pytest.raises(ValueError, match="smallest, largest"):
        TimeSeparableScore(sigmas=(2.0, 1.0))
    with pytest.raises(ValueError, match="all events are the same"):
        TimeSeparableScore().fit(np.ones((3, 2)))
    with pytest.raises(TypeError, match="offer no gradients"):
        TimeSeparableScore(features=AffineRule()).fit(unequal())
    with pytest.raises(ValueError, match="singular"):
        TimeSeparableScore(features=HermiteRule(2, constant=True)).fit(unequal())
