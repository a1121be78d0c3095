"""Sampling what a convolutional law has learned makes the images whose spectrum the law predicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.fourier_spectrum import fourier_spectrum
from scorelens.core.sigma_grid import karras
from scorelens.dynamics import (
    FullConvolution,
    OneLayer,
    PatchConvolution,
    SymmetricTwoLayer,
    ToeplitzConvolution,
    autocovariance,
    fourier_variance,
    generated_variance_on_grid,
    square_patch,
)
from scorelens.sampling import sample

LOW, HIGH = 0.05, 10.0
FINE = karras(200, LOW, HIGH)


def images(shape: tuple[int, ...], n: int = 50, seed: int = 0) -> np.ndarray:
    mixing = np.random.default_rng(seed).standard_normal((int(np.prod(shape)),) * 2) / 4.0
    noise = np.random.default_rng(seed + 1).standard_normal((n, len(mixing)))
    return 2.0 + (noise @ mixing).reshape(n, *shape)


def sampled_covariance(denoiser, shape: tuple[int, ...], mean: np.ndarray | float = 0.0) -> np.ndarray:
    """Exact covariance that the sampler generates: its response to each unit of the noise."""
    size = int(np.prod(shape))
    units = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    still = sample(denoiser, torch.zeros(1, *shape, dtype=torch.float64), FINE)
    response = (sample(denoiser, units, FINE) - still).reshape(size, size).numpy()
    return response.T @ response


@pytest.mark.parametrize("inner", [OneLayer(0.3), SymmetricTwoLayer(0.3)])
def test_full_convolution_of_images_with_a_mean(inner):
    shape = (2, 3, 4)
    spectrum = fourier_spectrum(lambda: [images(shape)], shape)
    law, time = FullConvolution(12, inner), 0.02
    made = sampled_covariance(law.denoiser(spectrum, time), shape)
    predicted = law.generated_variance(spectrum.eigenvalues, time, LOW, HIGH).reshape(shape)
    for channel in range(2):
        part = made.reshape(2, 12, 2, 12)[channel, :, channel]
        power = fourier_variance(autocovariance(part, (3, 4)))
        # Heun's error on 200 levels.
        np.testing.assert_allclose(power, predicted[channel], rtol=2e-3)
        assert np.abs(made.reshape(2, 12, 2, 12)[channel, :, 1 - channel]).max() < 1e-12
    start = law.generated_variance(spectrum.eigenvalues, 0.0, LOW, HIGH)
    assert np.abs(np.log(predicted.ravel() / start)).max() > 1.0


@pytest.mark.parametrize(
    ("grid", "offsets"), [((6,), [0, 1, -2]), ((4, 5), square_patch(3)), ((3, 4), [[0, 0], [0, 1], [-1, 0]])]
)
def test_patch_convolution_with_an_asymmetric_filter(grid, offsets):
    data = images(grid).reshape(50, -1)
    taps = np.random.default_rng(3).uniform(-0.3, 0.3, len(offsets))
    law, time = PatchConvolution(autocovariance(np.cov(data.T, bias=True), grid), offsets, taps), 0.01
    made = sampled_covariance(law.denoiser(time), grid)
    np.testing.assert_allclose(
        fourier_variance(autocovariance(made, grid)), law.generated_variance(time, LOW, HIGH), rtol=2e-3
    )


def test_patch_denoiser_is_its_matrix_around_the_mean():
    """An asymmetric filter tells a convolution from a correlation; its sampled covariance does not."""
    grid = (3, 4)
    x = autocovariance(np.cov(images(grid).reshape(50, -1).T), grid)
    law = PatchConvolution(x, [[0, 0], [0, 1], [-1, 0]], [0.2, 0.5, -0.4])
    mean = np.arange(12.0)
    points = np.random.default_rng(4).standard_normal((5, 1, 3, 4))
    denoised = law.denoiser(0.01, (1, 3, 4), mean)(torch.tensor(points), 0.6).numpy().reshape(5, 12)
    expected = mean + (points.reshape(5, 12) - mean) @ law.weight_at(0.6, 0.01).T
    np.testing.assert_allclose(denoised, expected, atol=1e-12)


def test_toeplitz_convolution():
    data = np.cov(images((4,)).T)
    law = ToeplitzConvolution(data, [-1, 0, 2], [0.1, 0.3, -0.2])
    made = sampled_covariance(law.denoiser(0.1), (4,))
    np.testing.assert_allclose(made, law.generated_covariance(0.1, LOW, HIGH), rtol=1e-3)


def test_sampled_images_have_the_predicted_spectrum():
    """Plain sampling, with its statistical error."""
    grid, n, sigmas, time = (8, 8), 4000, karras(40, LOW, HIGH), 2e-3
    power = 1.0 / (0.02 + np.add.outer(np.fft.fftfreq(8) ** 2, np.fft.fftfreq(8) ** 2))
    law = PatchConvolution.of_power(power, square_patch(3))
    noise = torch.randn(n, *grid, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = sample(law.denoiser(time), noise, sigmas).numpy()
    found = np.mean(np.abs(np.fft.fft2(made, norm="ortho")) ** 2, axis=0).ravel()
    gains = np.stack([law.transfer(law.parameters(float(sigma), time)).real.ravel() for sigma in sigmas])
    predicted = generated_variance_on_grid(gains, sigmas)
    # Real coefficients are one square each, complex ones the mean of two.
    standard_error = predicted * np.sqrt(2.0 / n)
    assert np.all(np.abs(found - predicted) < 4.5 * standard_error)
    assert np.all(standard_error < 0.05 * predicted)
    exact = law.generated_variance(time, LOW, HIGH).ravel()
    np.testing.assert_allclose(predicted, exact, rtol=0.05)
    assert exact.max() / exact.min() > 3.0
