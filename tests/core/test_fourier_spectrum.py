"""The Fourier spectrum of images against the dense matrix F* Sigma F."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.blocks import row_blocks
from scorelens.core.fourier_spectrum import FourierSpectrum, fourier_spectrum
from scorelens.core.spectrum import Spectrum
from scorelens.core.spectrum_fit import fit_spectrum


def images(n: int = 60, shape: tuple[int, ...] = (2, 4, 6), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((np.prod(shape), np.prod(shape)))
    return (5.0 + rng.standard_normal((n, np.prod(shape))) @ mixing).reshape(n, *shape)


def dense_transform(height: int, width: int) -> np.ndarray:
    """``F`` with ``F[m, k] = N^-1/2 exp(-2 pi i (m1 k1 / N1 + m2 k2 / N2))``."""
    rows = np.exp(-2j * np.pi * np.outer(range(height), range(height)) / height)
    columns = np.exp(-2j * np.pi * np.outer(range(width), range(width)) / width)
    return np.kron(rows, columns) / np.sqrt(height * width)


def test_power_is_the_diagonal_of_the_transformed_covariance():
    x = images()
    spectrum = fourier_spectrum(lambda: row_blocks(x, 7), (2, 4, 6))
    transform = dense_transform(4, 6)
    for channel in range(2):
        covariance = np.cov(x[:, channel].reshape(60, 24).T, bias=True)
        diagonal = np.diag(transform.conj().T @ covariance @ transform)
        np.testing.assert_allclose(diagonal.imag, 0, atol=1e-9)
        np.testing.assert_allclose(spectrum.power[channel].ravel(), diagonal.real, rtol=1e-10)


def test_a_shift_invariant_covariance_has_its_power_as_eigenvalues():
    power = 1.0 / (1.0 + 10 * (dense_frequency(4, 4)) ** 2)
    transform = dense_transform(4, 4)
    covariance = (transform @ np.diag(power.ravel()) @ transform.conj().T).real
    values, vectors = np.linalg.eigh(covariance)
    # Plus and minus each scaled eigenvector: data with exactly this covariance.
    x = np.concatenate([vectors.T, -vectors.T]) * np.sqrt(16 * np.tile(values, 2))[:, None]
    found = fourier_spectrum(lambda: [x.reshape(-1, 4, 4)], (4, 4))
    np.testing.assert_allclose(found.power[0], power, rtol=1e-12)


def dense_frequency(height: int, width: int) -> np.ndarray:
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) / n for n in (height, width))
    return np.sqrt(rows[:, None] ** 2 + columns**2)


def test_total_variance_is_the_covariances_trace():
    x = images()
    fourier = fourier_spectrum(lambda: [x], (2, 4, 6))
    dense = fit_spectrum(lambda: [x], (2, 4, 6))
    assert fourier.total_variance == pytest.approx(dense.total_variance, rel=1e-12)


def test_white_noise_is_flat_within_its_sampling_error():
    n = 4000
    x = 3.0 * np.random.default_rng(1).standard_normal((n, 1, 8, 8)) + 100.0
    radial = fourier_spectrum(lambda: row_blocks(x, 500), (1, 8, 8)).radial()
    # A coefficient and its mirror image are one draw: at least n * count / 2 independent squares.
    standard_error = 9.0 * np.sqrt(2 / (n * radial.count / 2))
    assert (np.abs(radial.power[0] - 9.0) < 4.5 * standard_error).all()
    assert (standard_error < 0.05 * 9.0).all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 9), (1, 1, 7), (2, 3, 2)])
def test_rings_cover_the_plane_once(shape):
    power = np.random.default_rng(2).random(shape)
    spectrum = FourierSpectrum(power, 10)
    radial = spectrum.radial()
    assert radial.count.sum() == shape[1] * shape[2]
    assert (np.diff(radial.frequency) > 0).all()
    np.testing.assert_allclose((radial.power * radial.count).sum(axis=1), power.sum(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(spectrum.frequency, dense_frequency(*shape[1:]), atol=1e-15)
    assert radial.frequency[0] == 0
    np.testing.assert_allclose(radial.power[:, 0], power[:, 0, 0])


def test_a_single_wave_has_power_at_its_frequency_alone():
    phase = np.random.default_rng(3).uniform(0, 2 * np.pi, 200)
    wave = np.cos(2 * np.pi * 3 * np.arange(16) / 16 + phase[:, None])
    x = np.broadcast_to(wave[:, None, :], (200, 16, 16))
    power = fourier_spectrum(lambda: [x], (16, 16)).power[0]
    on = np.zeros((16, 16), bool)
    on[0, [3, 13]] = True
    assert power[on].min() > 0.9 * 16 * 16 / 4
    assert power[~on].max() < 1e-20 * power.max()


def test_a_large_mean_costs_no_accuracy():
    x = np.round(images() * 64) / 64
    centred = fourier_spectrum(lambda: [x], (2, 4, 6))
    shifted = fourier_spectrum(lambda: [x + 2.0**38], (2, 4, 6))
    np.testing.assert_allclose(shifted.power, centred.power, rtol=1e-10)


def test_file_round_trip_and_damage(tmp_path):
    path = tmp_path / "fourier.safetensors"
    spectrum = fourier_spectrum(lambda: [images()], (2, 4, 6))
    spectrum.save(path)
    again = FourierSpectrum.load(path)
    np.testing.assert_array_equal(again.power, spectrum.power)
    assert again.n_samples == 60
    with pytest.raises(ValueError, match="holds 'Fourier spectrum'"):
        Spectrum.load(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"fourier\.safetensors.*make it again"):
        FourierSpectrum.load(path)


def test_bad_input_is_refused():
    x = images()
    with pytest.raises(ValueError, match=r"images have shape .* got \(48,\)"):
        fourier_spectrum(lambda: [x.reshape(60, 48)], (48,))
    with pytest.raises(ValueError, match="at least 2, got 1"):
        fourier_spectrum(lambda: [x[:1]], (2, 4, 6))
    with pytest.raises(ValueError, match="every block must have shape"):
        fourier_spectrum(lambda: [x], (2, 6, 4))
    for power, message in (
        (np.ones((4, 4)), "power must have shape"),
        (-np.ones((1, 2, 2)), "power must be"),
    ):
        with pytest.raises(ValueError, match=message):
            FourierSpectrum(power, 5)


def test_first_bad_number_is_named():
    x = images()
    x[33, 1, 0, 4] = np.nan
    with pytest.raises(ValueError, match="sample 33 holds nan at feature 28"):
        fourier_spectrum(lambda: row_blocks(x, 10), (2, 4, 6))
