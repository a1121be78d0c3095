"""Standard errors of a variance, and the limits of what can be asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.evaluation import generator, normal_batches
from scorelens.core.sigma_grid import karras
from scorelens.core.spectrum import Spectrum
from scorelens.instruments import GeneratedVariance, SampleGrid
from scorelens.instruments.generated_variance import _moments, controlled_mean, variance_with_error
from scorelens.instruments.generation import STREAM

GRID = karras(5, 0.01, 10.0)
SPECTRUM = Spectrum(np.zeros(2), np.array([1.0, 0.5]), np.eye(2), 10, 1.5, (2,))


@pytest.mark.parametrize("law", ["standard_normal", "standard_exponential", "random"])
@pytest.mark.parametrize("explained", [0.0, 0.9])
def test_standard_error_holds_for_any_distribution(law, explained):
    rng = np.random.default_rng(0)
    control = rng.standard_normal((200, 3000))
    draws = explained * control + (1 - explained) * getattr(rng, law)((200, 3000))
    variance, error = variance_with_error(draws, control)
    exact = explained**2 + (1 - explained) ** 2 * {"random": 1 / 12}.get(law, 1.0)
    assert np.sqrt((error**2).mean()) == pytest.approx(variance.std(), rel=0.1)
    assert abs(variance.mean() - exact) < 0.01 * exact


def test_the_noise_that_starts_the_sampler_explains_the_scatter():
    rng = np.random.default_rng(1)
    control = rng.standard_normal((100, 500))
    draws = control + 0.2 * rng.standard_normal((100, 500))
    with_control, _ = variance_with_error(draws, control)
    assert with_control.std() < 0.5 * draws.var(axis=0).std()


def test_few_samples_have_their_plain_variance():
    draws, control = np.random.default_rng(2).standard_normal((2, 5, 3))
    np.testing.assert_allclose(variance_with_error(draws, control)[0], draws.var(axis=0, ddof=1))
    mean, _ = controlled_mean(draws, control, 0.0)
    np.testing.assert_allclose(mean, draws.mean(axis=0))


def test_moments_of_batches_are_those_of_all_samples():
    rng = np.random.default_rng(3)
    noise, samples = rng.standard_normal((20, 3)), rng.standard_normal((20, 3)) + 5
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0][:, :2]
    spectrum = Spectrum(np.ones(3), np.array([1.0, 0.5]), frame, 10, 2.0, (3,))
    batches = [(noise[:12], samples[:12]), (noise[12:], samples[12:])]
    start, coordinates, image = _moments(batches, spectrum)
    np.testing.assert_allclose(start, noise @ frame)
    np.testing.assert_allclose(coordinates, (samples - 1) @ frame)
    np.testing.assert_allclose(image, np.cov(samples.T) @ frame)


def test_one_sample_has_no_variance():
    with pytest.raises(ValueError, match="n_generated must be at least 2, got 1"):
        GeneratedVariance(SPECTRUM, GRID, 1)


def test_the_grid_shows_the_samples_that_are_measured():
    def shrink(x, sigma):
        return torch.tanh(x) / (1 + sigma**2)

    shown = SampleGrid((2,), GRID, 300, seed=4).measure(shrink).image.values
    measured = GeneratedVariance(SPECTRUM, GRID, 300, seed=4).measure(shrink)
    along, start = shown.astype(float), next(normal_batches(300, (2,), generator(4, STREAM))).numpy()
    np.testing.assert_allclose(measured.generated_variance, variance_with_error(along, start)[0], rtol=1e-6)
    few = SampleGrid((2,), GRID, 7, seed=4).measure(shrink).image.values
    np.testing.assert_allclose(few, shown[:7], rtol=1e-5)
