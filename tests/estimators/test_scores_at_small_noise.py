"""Scores of Gaussians and mixtures keep their digits however small the noise: against 50 digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch

from scorelens import estimators
from scorelens.estimators import MixtureDenoiser, WithScore
from scorelens.estimators.fourier_gaussian import FourierGaussianDenoiser
from scorelens.estimators.gaussian import FactorDenoiser, GaussianDenoiser

DIM = 4
RNG = np.random.default_rng(2)
MEAN = 1e3 + RNG.standard_normal(DIM)
FRAME = np.linalg.qr(RNG.standard_normal((DIM, DIM)))[0]
FACTORS = np.array([[2.0, 0.3], [0.4, 1.5], [0.7, -0.6], [-0.3, 0.8]])
SIGMAS = (1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e3)


def tensors(*values):
    return [torch.as_tensor(np.asarray(value, dtype=float)) for value in values]


def exact(covariance):
    return mp.matrix([[mp.mpf(float(value)) for value in row] for row in covariance])


def rotated(variances):
    """``U diag(variances) U^T`` for the frame in doubles."""
    frame = exact(FRAME)
    return frame * mp.diag([mp.mpf(float(v)) for v in variances]) * frame.T


def gaussians():
    diagonal = np.array([1.2, 0.4, 0.0, 3.0])
    square = np.linalg.cholesky(np.cov(RNG.standard_normal((DIM, 50))))
    one = np.zeros((DIM, 1))
    one[2] = 1.7
    own = {
        "diagonal and factors": (np.array([1.2, 0.4, 0.1, 3.0]), FACTORS),
        "values explained by factors alone": (np.array([1.2, 0.0, 1e-17, 3.0]), FACTORS),
        "one value that is a factor": (diagonal, one),
        "as many factors as values": (np.array([1e-17, 0.0, 0.0, 2e-17]), square),
        "diagonal alone": (np.array([1.2, 0.4, 0.1, 3.0]), np.zeros((DIM, 0))),
    }
    full, rest = [5.0, 2.0, 0.5, 0.1], [5.0, 2.0, 0.3, 0.3]
    basis = GaussianDenoiser((DIM,), *tensors(MEAN, FRAME, full, 0.0))
    few = GaussianDenoiser((DIM,), *tensors(MEAN, FRAME[:, :2], full[:2], 0.3))
    yield pytest.param(basis, rotated(full), id="eigenbasis")
    yield pytest.param(few, rotated(rest), id="leading modes")
    for name, (d, f) in own.items():
        covariance = exact(np.diag(d)) + (exact(f) * exact(f).T if f.size else mp.zeros(DIM))
        yield pytest.param(FactorDenoiser((DIM,), *tensors(MEAN, d, f)), covariance, id=name)
    power = np.array([4.0, 1.0, 0.2, 1.0])
    wave = FourierGaussianDenoiser((DIM,), *tensors(MEAN, power))
    circulant = np.fft.ifft(power).real[(np.arange(DIM)[:, None] - np.arange(DIM)) % DIM]
    yield pytest.param(wave, exact(circulant), id="fourier")


def points(sigma: float) -> torch.Tensor:
    return torch.as_tensor(MEAN + RNG.standard_normal((3, DIM)) * (1 + sigma))


def gaussian_score(x, mean, covariance, sigma):
    noised = covariance + mp.mpf(sigma) ** 2 * mp.eye(DIM)
    centred = mp.matrix([mp.mpf(float(a)) - mp.mpf(float(b)) for a, b in zip(x, mean, strict=True)])
    return -mp.lu_solve(noised, centred), noised, centred


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize(("denoiser", "covariance"), [*gaussians()])
def test_a_gaussian_score_has_full_digits(denoiser, covariance, sigma):
    assert isinstance(denoiser, WithScore)
    x = points(sigma)
    for found, event in zip(denoiser.score(x, sigma).numpy(), x.numpy(), strict=True):
        with mp.workdps(50):
            expected = np.array([float(v) for v in gaussian_score(event, MEAN, covariance, sigma)[0]])
        assert np.linalg.norm(found - expected) <= 1e-12 * np.linalg.norm(expected)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("form", ["covariances", "subspaces"])
def test_a_mixture_score_has_full_digits(form, sigma):
    means, weights = np.stack([MEAN, MEAN + 0.5]), [0.3, 0.7]
    spreads = [[2.0, 1.0, 0.5, 0.25], [0.5, 3.0, 1.0, 0.75]]
    exact_covariances = [rotated(v) for v in spreads]
    covariances = [(FRAME * v) @ FRAME.T for v in spreads]
    if form == "covariances":
        denoiser = MixtureDenoiser.of_covariances(weights, means, covariances)
    else:
        denoiser = MixtureDenoiser.of_subspaces(weights, [FRAME, FRAME], spreads, means)
    x = points(sigma)
    for found, event in zip(denoiser.score(x, sigma).numpy(), x.numpy(), strict=True):
        with mp.workdps(50):
            top, bottom = mp.zeros(DIM, 1), mp.mpf(0)
            for weight, mean, covariance in zip(weights, means, exact_covariances, strict=True):
                pull, noised, centred = gaussian_score(event, mean, covariance, sigma)
                share = mp.mpf(weight) * mp.exp((centred.T * pull)[0] / 2) / mp.sqrt(mp.det(noised))
                top, bottom = top + share * pull, bottom + share
            expected = np.array([float(v / bottom) for v in top])
        assert np.linalg.norm(found - expected) <= 1e-11 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    "estimator",
    [
        estimators.Gaussian(),
        estimators.DiagonalGaussian(),
        estimators.LowRankGaussian(rank=DIM),
        estimators.LowRankGaussian(rank=1),
        estimators.FourierGaussian(),
        estimators.GaussianMixture(),
    ],
    ids=lambda estimator: estimator.name,
)
def test_its_derivative_keeps_its_digits_under_transforms(estimator):
    denoiser = estimator.fit(MEAN + RNG.standard_normal((50, DIM)))
    x, sigma = points(0.0), 1e-8
    step = 1e-3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).double()
    slope = torch.func.jvp(lambda e: denoiser.score(e, sigma), (x,), (step,))[1]
    ahead, behind = denoiser.score(x + step, sigma), denoiser.score(x - step, sigma)
    torch.testing.assert_close(slope, (ahead - behind) / 2, rtol=1e-4, atol=1e-7)
