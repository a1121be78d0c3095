"""Instruments on denoisers whose every number is known: transfer, variance, alignment."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ortho_group

from scorelens.core.linear_denoiser import LinearDenoiser
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.sigma_grid import karras
from scorelens.core.spectrum import Spectrum
from scorelens.data import Data
from scorelens.instruments import GeneratedVariance, Probes, TransferFunction

SIGMAS = np.geomspace(0.002, 80.0, 24)
GRID = karras(40, 0.002, 80.0)
DIM = 6
EIGENVALUES = np.array([9.0, 2.0, 0.5, 0.5, 0.01, 0.0])


def heun_variance(gain, sigmas: np.ndarray) -> np.ndarray:
    """[E11] as a plain loop: variance that Heun's method makes of a mode with ``gain(sigma)``."""
    factor = 1.0
    for now, then in pairwise(sigmas):
        first = (1 - gain(now)) / now
        second = (1 - gain(then)) / then * (1 + (then - now) * first)
        factor = factor * (1 + (then - now) / 2 * (first + second))
    return sigmas[0] ** 2 * factor**2


def _spectrum(n_modes: int = DIM) -> Spectrum:
    vectors = ortho_group.rvs(DIM, random_state=1)[:, :n_modes]
    mean = np.linspace(-1, 1, DIM)
    return Spectrum(mean, EIGENVALUES[:n_modes], vectors, 1000, float(EIGENVALUES.sum()), (DIM,))


def _gaussian(spectrum: Spectrum, n: int) -> Data:
    coordinates = np.random.default_rng(2).standard_normal((n, DIM)) * np.sqrt(EIGENVALUES)
    return Data("gaussian", spectrum.mean + coordinates @ spectrum.eigenvectors.T, kind="vector")


def _wiener(sigma: float) -> np.ndarray:
    return EIGENVALUES / (EIGENVALUES + sigma**2)


def _transfer(spectrum: Spectrum, n: int = 500) -> TransferFunction:
    return TransferFunction(spectrum, Probes.choose(_gaussian(_spectrum(), n), n, 0, "t"), SIGMAS, GRID)


def test_transfer_of_the_optimal_denoiser_is_wieners():
    spectrum = _spectrum()
    measured = _transfer(spectrum).measure(optimal_linear_denoiser(spectrum))
    exact = np.stack([_wiener(sigma) for sigma in SIGMAS])
    np.testing.assert_allclose(measured.transfer, exact, atol=2e-5)
    np.testing.assert_allclose(measured.optimal_transfer, exact, rtol=1e-12)
    assert float(measured.standard_error.max()) < 1e-5


def test_transfer_where_modes_mix_is_the_diagonal_within_its_standard_error():
    spectrum = _spectrum()
    tilt = ortho_group.rvs(DIM, random_state=5)
    gains = np.linspace(0.9, 0.2, DIM)
    mixing = LinearDenoiser(spectrum.mean, tilt, lambda s: np.tile(gains, (len(s), 1)), (DIM,))
    measured = _transfer(spectrum, 4000).measure(mixing)
    frame = spectrum.eigenvectors
    exact = np.diag(frame.T @ tilt @ np.diag(gains) @ tilt.T @ frame)
    # Inputs of a mode are independent of those of the others, so the slope is unbiased for the diagonal.
    z = (measured.transfer.values - exact) / measured.standard_error.values
    assert np.abs(z).max() < 4.5
    assert 0.8 < np.sqrt((z**2).mean()) < 1.2
    at_large_sigma = measured.standard_error.values[-1]
    assert (at_large_sigma < 0.05 * np.abs(exact)).all()


def test_implied_variance_is_heuns_product_on_the_sampler_grid():
    spectrum = _spectrum()
    measured = _transfer(spectrum).measure(optimal_linear_denoiser(spectrum))
    np.testing.assert_allclose(measured.implied_variance, heun_variance(_wiener, GRID), rtol=0.01)


def _generated(spectrum: Spectrum, denoiser: LinearDenoiser, n: int = 3000):
    return GeneratedVariance(spectrum, GRID, n, seed=0).measure(denoiser)


@pytest.mark.parametrize("n_modes", [DIM, 3])
def test_generated_variance_of_the_optimal_denoiser_is_heuns_product(n_modes):
    spectrum = _spectrum(n_modes)
    measured = _generated(spectrum, optimal_linear_denoiser(_spectrum()))
    exact, error = heun_variance(_wiener, GRID)[:n_modes], measured.standard_error.values
    deviation = np.abs(measured.generated_variance.values - exact)
    assert (deviation < 4.5 * error + 1e-4 * exact).all()  # single precision
    assert (error < 0.05 * exact).all()


def test_generated_variance_where_modes_mix_is_that_of_the_covariance():
    """Wiener's denoiser of another frame: the variance along our modes is a mixture of its own."""
    spectrum = _spectrum()
    frame = ortho_group.rvs(DIM, random_state=7)
    turned = Spectrum(spectrum.mean, EIGENVALUES, frame, 1000, spectrum.total_variance, (DIM,))
    measured = _generated(spectrum, optimal_linear_denoiser(turned))
    overlap = (spectrum.eigenvectors.T @ frame) ** 2
    exact, error = overlap @ heun_variance(_wiener, GRID), measured.standard_error.values
    z = (measured.generated_variance.values - exact) / error
    assert np.abs(z).max() < 4.5
    assert (error < 0.05 * exact).all()
    assert (error > 0.005 * exact).all()


def test_generated_mean_is_that_of_the_probability_flow():
    spectrum = _spectrum()
    off = LinearDenoiser(
        spectrum.mean + spectrum.eigenvectors @ np.ones(DIM),
        spectrum.eigenvectors,
        lambda s: EIGENVALUES / (EIGENVALUES + s[:, None] ** 2),
        (DIM,),
    )
    measured = _generated(spectrum, off)
    factor = np.sqrt(heun_variance(_wiener, GRID)) / GRID[0]
    shift = 1 - factor * (
        1 + spectrum.mean @ spectrum.eigenvectors
    )  # the sampler starts at 0, not at the mean
    np.testing.assert_allclose(measured.generated_mean, shift, rtol=1e-4)


@pytest.mark.parametrize("n_modes", [DIM, 3])
def test_alignment_of_a_perfect_denoiser_is_its_ceiling_on_average(n_modes):
    spectrum = _spectrum(n_modes)
    optimal = optimal_linear_denoiser(_spectrum())
    draws = [GeneratedVariance(spectrum, GRID, 60, seed=s).measure(optimal) for s in range(40)]
    alignment = np.stack([draw.alignment.values for draw in draws])
    error = alignment.std(axis=0, ddof=1) / np.sqrt(len(draws))
    ceiling = draws[0].alignment_ceiling.values
    assert (np.abs(alignment.mean(axis=0) - ceiling) < 4.5 * error + 0.01 * ceiling).all()
    assert (error[:3] < 0.05 * ceiling[:3]).all()
    assert ceiling[0] > 0.95
    assert ceiling[2] < 0.9


def test_alignment_falls_where_modes_are_mixed():
    spectrum = _spectrum()
    turned = Spectrum(
        spectrum.mean,
        EIGENVALUES,
        ortho_group.rvs(DIM, random_state=9),
        1000,
        spectrum.total_variance,
        (DIM,),
    )
    measured = _generated(spectrum, optimal_linear_denoiser(turned))
    assert (measured.alignment < measured.alignment_ceiling - 0.1).values[:4].all()
