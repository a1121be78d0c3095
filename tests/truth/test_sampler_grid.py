"""What Heun on a finite grid makes of a linear denoiser: [E11], and a perfect denoiser's inflation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.linear_denoiser import LinearDenoiser
from scorelens.core.sigma_grid import karras
from scorelens.dynamics import generated_variance_on_grid
from scorelens.sampling import sample

VARIANCES = np.array([100, 5, 1, 0.25, 0.01, 1e-3, 1e-4])
SIGMA_MIN, SIGMA_MAX = 0.002, 80.0


def optimal_gain(sigma: np.ndarray) -> np.ndarray:
    return VARIANCES / (VARIANCES + sigma[:, None] ** 2)


def heun_factor(gain: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """[E11]: what one sampling run multiplies a mode by, for gains of shape ``(s, k)``."""
    h = np.diff(sigmas)[:, None]
    slope = (1 - gain) / sigmas[:, None]
    return np.prod(1 + h / 2 * (slope[:-1] + slope[1:] * (1 + h * slope[:-1])), axis=0)


def sampled_variance(
    gain, sigmas: np.ndarray, basis: np.ndarray, *, denoise_last: bool = False
) -> np.ndarray:
    """Exact generated variance of the linear sampler: its response to each eigenvector as the noise."""
    denoiser = LinearDenoiser(np.zeros(len(basis)), basis, gain, (len(basis),))
    out = sample(denoiser, torch.tensor(basis.T), sigmas, denoise_last=denoise_last).numpy()
    response = out @ basis
    np.testing.assert_allclose(response, np.diag(np.diag(response)), atol=1e-12 * np.abs(response).max())
    return np.diag(response) ** 2


def random_basis() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(2).standard_normal((7, 7)))[0]


@pytest.mark.parametrize("n_sigmas", [2, 5, 20, 40])
@pytest.mark.parametrize("undertrained", [1.0, 0.8])
def test_sampling_is_exactly_the_heun_factor(n_sigmas: int, undertrained: float) -> None:
    sigmas = karras(n_sigmas, SIGMA_MIN, SIGMA_MAX)

    def gain(sigma: np.ndarray) -> np.ndarray:
        return undertrained * optimal_gain(sigma)

    expected = (SIGMA_MAX * heun_factor(gain(sigmas), sigmas)) ** 2
    np.testing.assert_allclose(sampled_variance(gain, sigmas, random_basis()), expected, rtol=1e-9)


@pytest.mark.parametrize("n_sigmas", [20, 40])
@pytest.mark.parametrize("denoise_last", [False, True])
def test_sampling_from_a_law_is_what_the_law_forecasts_on_the_grid(n_sigmas: int, denoise_last: bool) -> None:
    sigmas = karras(n_sigmas, SIGMA_MIN, SIGMA_MAX)
    forecast = generated_variance_on_grid(optimal_gain(sigmas), sigmas, denoise_last)
    made = sampled_variance(optimal_gain, sigmas, random_basis(), denoise_last=denoise_last)
    np.testing.assert_allclose(made, forecast, rtol=1e-9)


def test_a_perfect_denoiser_inflates_small_modes_on_twenty_points() -> None:
    sigmas = karras(20, SIGMA_MIN, SIGMA_MAX)
    inflation = sampled_variance(optimal_gain, sigmas, random_basis()) / VARIANCES
    printed = [1.019, 1.056, 1.072, 1.089, 1.148, 1.218, 1.364]
    np.testing.assert_allclose(inflation, printed, atol=0.0006)
    to_zero = sampled_variance(optimal_gain, sigmas, random_basis(), denoise_last=True) / VARIANCES
    np.testing.assert_allclose(to_zero[-2:], [1.208, 1.261], atol=0.0006)


def test_forty_points_keep_modes_within_five_percent() -> None:
    sigmas = karras(40, SIGMA_MIN, SIGMA_MAX)
    inflation = sampled_variance(optimal_gain, sigmas, random_basis()) / VARIANCES
    assert (np.abs(inflation[VARIANCES >= 1e-3] - 1) < 0.05).all()
