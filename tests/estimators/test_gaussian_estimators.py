"""Gaussian denoisers against the dense formula, in every form of the covariance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from scorelens.estimators import (
    DiagonalGaussian,
    FactorDenoiser,
    Gaussian,
    GaussianDenoiser,
    LowRankGaussian,
)

DIM = 7
RNG = np.random.default_rng(11)
EVENTS = RNG.standard_normal((40, DIM)) @ RNG.standard_normal((DIM, DIM)) + 3.0
FEW = EVENTS[:4]
X = torch.tensor(RNG.standard_normal((6, DIM)) * 4 + 3)


def covariance_of(denoiser: GaussianDenoiser | FactorDenoiser) -> np.ndarray:
    if isinstance(denoiser, FactorDenoiser):
        return (denoiser.diagonal.diag() + denoiser.factors @ denoiser.factors.T).numpy()
    basis, rest = denoiser.eigenvectors, denoiser.rest
    return (basis * (denoiser.eigenvalues - rest) @ basis.T + rest * torch.eye(DIM, dtype=rest.dtype)).numpy()


FITS = {
    "full": Gaussian().fit(EVENTS),
    "leading": Gaussian(n_modes=2).fit(EVENTS),
    "fewer than d": Gaussian().fit(FEW),
    "diagonal": DiagonalGaussian().fit(EVENTS),
    "low rank": LowRankGaussian(rank=3).fit(EVENTS),
    "low rank of few": LowRankGaussian(rank=2).fit(FEW),
}
every_fit = pytest.mark.parametrize("denoiser", FITS.values(), ids=FITS)


@every_fit
@pytest.mark.parametrize("sigma", [1e-2, 0.5, 30.0])
def test_it_is_the_dense_wiener_filter(denoiser, sigma: float) -> None:
    covariance, mean = covariance_of(denoiser), denoiser.mean.numpy()
    noised = covariance + sigma**2 * np.eye(DIM)
    expected = mean + (X.numpy() - mean) @ np.linalg.solve(noised, covariance)
    np.testing.assert_allclose(denoiser(X, sigma).numpy(), expected, rtol=1e-9, atol=1e-9)
    law = multivariate_normal(mean, noised)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(denoiser.log_prob(X, sigma).numpy(), law.logpdf(X.numpy()), rtol=1e-9)
    posterior = covariance - covariance @ np.linalg.solve(noised, covariance)
    found = denoiser.posterior_covariance(X, sigma).numpy()
    np.testing.assert_allclose(found, np.broadcast_to(posterior, found.shape), rtol=1e-7, atol=1e-8)


def test_the_full_form_holds_the_covariance_of_the_data() -> None:
    np.testing.assert_allclose(covariance_of(FITS["full"]), np.cov(EVENTS.T, bias=True), atol=1e-12)
    few = covariance_of(FITS["fewer than d"])
    np.testing.assert_allclose(few, np.cov(FEW.T, bias=True), atol=1e-12)


def test_leading_modes_keep_the_total_variance() -> None:
    exact = np.cov(EVENTS.T, bias=True)
    kept = covariance_of(FITS["leading"])
    np.testing.assert_allclose(np.trace(kept), np.trace(exact), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(kept)[-2:], np.linalg.eigvalsh(exact)[-2:], rtol=1e-10)


@pytest.mark.parametrize("form", ["diagonal", "low rank", "low rank of few"])
def test_factor_forms_keep_every_single_variance(form: str) -> None:
    data = FEW if "few" in form else EVENTS
    np.testing.assert_allclose(covariance_of(FITS[form]).diagonal(), data.var(0), rtol=1e-12)


@pytest.mark.parametrize("sigma", [1e-6, 1e6])
def test_low_rank_loses_no_digits_at_extreme_noise(sigma: float) -> None:
    """One large direction and no variance elsewhere: the plain inversion lemma subtracts equal numbers."""
    way = torch.full((3, 1), 1e3 / 3**0.5, dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)
    denoiser = FactorDenoiser((3,), zero, zero, way)
    x = torch.tensor([[1.0, 2.0, 6.0]], dtype=torch.float64)
    along = torch.full_like(x, 3.0)
    torch.testing.assert_close(denoiser(x, sigma), along / (1 + sigma**2 / 1e6), rtol=1e-9, atol=1e-14)
    across = (x - along).square().sum() / sigma**2
    expected = across + along.square().sum() / (1e6 + sigma**2)
    flat = np.log(2 * np.pi) * 3 + np.log(sigma**2) * 2 + np.log(1e6 + sigma**2)
    torch.testing.assert_close(
        denoiser.log_prob(x, sigma), -0.5 * (expected.reshape(1) + flat), rtol=1e-9, atol=0
    )


def test_impossible_ranks_are_refused() -> None:
    with pytest.raises(ValueError, match="n_modes must be at least 1, got 0"):
        Gaussian(n_modes=0)
    with pytest.raises(ValueError, match="rank must be at least 1"):
        LowRankGaussian(rank=0)
    with pytest.raises(ValueError, match=f"^rank must be at most .*, {DIM}, got {DIM + 1}$"):
        LowRankGaussian(rank=DIM + 1).fit(EVENTS)
    with pytest.raises(ValueError, match="number of samples must be at least 2"):
        Gaussian().fit(EVENTS[:1])
