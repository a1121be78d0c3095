"""The stationary Gaussian against the dense Gaussian of all cyclic shifts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from scorelens.estimators import FourierGaussian, FourierGaussianDenoiser

RNG = np.random.default_rng(4)


def shift_averaged(events: np.ndarray) -> np.ndarray:
    """Covariance of one channel averaged over all cyclic shifts of the centred events, ``(d, d)``."""
    centred = events - events.mean(0)
    axes = tuple(range(1, events.ndim))
    shifted = [np.roll(centred, shift, axes) for shift in np.ndindex(events.shape[1:])]
    rows = np.concatenate(shifted).reshape(-1, int(np.prod(events.shape[1:])))
    return rows.T @ rows / len(rows)


@pytest.mark.parametrize("shape", [(6,), (3, 4), (5, 5)])
@pytest.mark.parametrize("sigma", [0.01, 0.6, 20.0])
def test_it_is_the_wiener_filter_of_all_shifts(shape: tuple[int, ...], sigma: float) -> None:
    data = np.cumsum(RNG.standard_normal((9, *shape)), axis=-1) + 2.0
    denoiser, d = FourierGaussian().fit(data), int(np.prod(shape))
    covariance, mean = shift_averaged(data), data.mean(0).ravel()
    noised = covariance + sigma**2 * np.eye(d)
    x = RNG.standard_normal((4, *shape)) * 3
    rows = x.reshape(4, d)
    expected = mean + (rows - mean) @ np.linalg.solve(noised, covariance)
    found = denoiser(torch.tensor(x), sigma).numpy().reshape(4, d)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    law = multivariate_normal(mean, noised)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(denoiser.log_prob(torch.tensor(x), sigma), law.logpdf(rows), rtol=1e-8)
    posterior = covariance - covariance @ np.linalg.solve(noised, covariance)
    np.testing.assert_allclose(denoiser.posterior_covariance(torch.tensor(x), sigma)[2], posterior, atol=1e-9)


def test_channels_are_denoised_on_their_own() -> None:
    data = RNG.standard_normal((12, 2, 3, 4)) * np.array([1.0, 5.0])[:, None, None]
    x = torch.tensor(RNG.standard_normal((3, 2, 3, 4)))
    together = FourierGaussian().fit(data)(x, 0.8)
    for channel in range(2):
        alone = FourierGaussian().fit(data[:, channel])(x[:, channel], 0.8)
        torch.testing.assert_close(together[:, channel], alone)


def test_it_follows_shifts_of_the_input() -> None:
    data = RNG.standard_normal((10, 5, 6))
    data -= data.mean(0)  # the mean image is the only thing that is not stationary
    denoiser, x = FourierGaussian().fit(data), torch.tensor(RNG.standard_normal((2, 5, 6)))
    shifted = denoiser(x.roll((1, 2), (1, 2)), 0.5)
    torch.testing.assert_close(shifted, denoiser(x, 0.5).roll((1, 2), (1, 2)))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="events must be"):
        FourierGaussian().fit(np.ones((3, 1, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        FourierGaussianDenoiser((4,), torch.zeros(4), torch.ones(3))
