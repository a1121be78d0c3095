"""The full-width convolution against the gradient flow of its taps, and its faster clock."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from scorelens.core.fourier_spectrum import fourier_spectrum
from scorelens.dynamics import (
    FlowOneLayer,
    FullConvolution,
    OneLayer,
    SymmetricTwoLayer,
    autocovariance,
    emergence_time,
    fourier_variance,
    full_filter,
    full_filter_spectrum,
)

N, SIGMA = 5, 0.5
LOW, HIGH = 0.02, 20.0


def covariance(n: int = N, seed: int = 0) -> np.ndarray:
    mixing = np.random.default_rng(seed).standard_normal((2 * n, n))
    return mixing.T @ mixing / (4 * n)


def circulant(taps: np.ndarray) -> np.ndarray:
    return sum(tap * np.roll(np.eye(len(taps)), k, axis=1) for k, tap in enumerate(taps))


def by_filter(taps: np.ndarray, by_weight: np.ndarray) -> np.ndarray:
    """Gradient by each tap from the gradient by the whole matrix."""
    return np.array([np.trace(by_weight @ np.roll(np.eye(len(taps)), k, axis=1).T) for k in range(len(taps))])


def flowed(rate, taps: np.ndarray, end: float) -> np.ndarray:
    return solve_ivp(lambda _, w: rate(w), (0.0, end), taps, rtol=1e-11, atol=1e-13).y[:, -1]


def one_layer_rate(data: np.ndarray, sigma: float):
    def rate(taps):
        by_weight = circulant(taps) @ (data + sigma**2 * np.eye(len(taps))) - data  # half of (1.6)
        return -by_filter(taps, by_weight)

    return rate


@pytest.mark.parametrize("time", [0.0, 0.02, 0.3])
def test_filter_is_the_gradient_flow_of_the_shared_taps(time):
    """Errata 7 and 29: from gamma at time 0, ``N`` times as fast for the loss summed over pixels."""
    data, taps = covariance(), np.random.default_rng(1).standard_normal(N)
    power = fourier_variance(autocovariance(data))
    found = full_filter(taps, power, SIGMA, time)
    expected = flowed(one_layer_rate(data, SIGMA), taps, time) if time else taps
    np.testing.assert_allclose(found, expected, atol=1e-9)
    gamma = full_filter_spectrum(taps, power, SIGMA, time)
    np.testing.assert_allclose(gamma, np.fft.fft(expected), atol=1e-8)
    assert np.abs(gamma.imag).max() > 0.1
    law = FullConvolution(N, OneLayer(np.fft.fft(taps).real))
    np.testing.assert_allclose(law.gain(power, SIGMA**2, time), gamma.real, atol=1e-13)


def test_filter_on_an_image():
    data, taps = covariance(6), np.random.default_rng(2).standard_normal((2, 3))
    power = fourier_variance(autocovariance(data, (2, 3)))
    shifts = [
        np.stack([np.roll(np.eye(6)[i].reshape(2, 3), k, (0, 1)).ravel() for i in range(6)])
        for k in np.ndindex(2, 3)
    ]

    def rate(w):
        matrix = sum(tap * shift for tap, shift in zip(w, shifts, strict=True))
        by_weight = matrix @ (data + SIGMA**2 * np.eye(6)) - data
        return -np.array([np.sum(by_weight * shift) for shift in shifts])

    expected = flowed(rate, taps.ravel(), 0.1).reshape(2, 3)
    np.testing.assert_allclose(full_filter(taps, power, SIGMA, 0.1), expected, atol=1e-9)


def test_two_tied_layers_follow_the_symmetric_two_layer_law():
    """``W = C C^T``: the squared modulus of the filter's transform, ``N`` times as fast."""
    data, taps = covariance(), np.array([0.5, 0.1, -0.1, 0.2, 0.05])
    power = fourier_variance(autocovariance(data))

    def rate(w):
        c = circulant(w)
        by_weight = c @ c.T @ (data + SIGMA**2 * np.eye(N)) - data
        return -by_filter(w, (by_weight + by_weight.T) @ c)

    law = FullConvolution(N, SymmetricTwoLayer(np.abs(np.fft.fft(taps)) ** 2))
    for time in (0.01, 0.2):
        expected = np.abs(np.fft.fft(flowed(rate, taps, time))) ** 2
        np.testing.assert_allclose(law.gain(power, SIGMA**2, time), expected, atol=1e-8)


def test_generated_variance_is_that_of_a_faster_layer():
    times = np.geomspace(1e-4, 10.0, 6)[:, None]
    power = np.array([3.0, 0.2, 0.0])
    for inner in (OneLayer(0.1), SymmetricTwoLayer(0.2)):
        found = FullConvolution(64, inner).generated_variance(power, times, LOW, HIGH)
        np.testing.assert_array_equal(found, inner.generated_variance(power, 64.0 * times, LOW, HIGH))


def test_emergence_comes_n_times_earlier():
    fast, slow = (emergence_time(law, [2.0, 0.1]) for law in (FullConvolution(100), OneLayer()))
    np.testing.assert_allclose(fast.flow_time, slow.flow_time / 100.0, rtol=1e-12)


def test_denoiser_of_images_multiplies_their_frequencies():
    images = 1.0 + np.random.default_rng(3).standard_normal((30, 2, 3, 4))
    spectrum = fourier_spectrum(lambda: [images], (2, 3, 4))
    law = FullConvolution(12, OneLayer(0.2))
    denoiser = law.denoiser(spectrum, 0.05)
    gain = law.gain(spectrum.eigenvalues, 0.49, 0.05)
    np.testing.assert_allclose(denoiser.gain(np.array([0.7]))[0], gain, rtol=1e-14)
    assert denoiser.event_shape == (2, 3, 4)


@pytest.mark.parametrize("bad", [0, -3])
def test_an_image_has_pixels(bad):
    with pytest.raises(ValueError, match=f"n_pixels must be at least 1, got {bad}"):
        FullConvolution(bad)
    with pytest.raises(TypeError, match=r"n_pixels must be a whole number, got 2\.5"):
        FullConvolution(2.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: full_filter(np.ones(3), np.ones(4), 1.0, 1.0), "must have one shape"),
        (lambda: full_filter(np.ones((1, 1, 2)), np.ones((1, 1, 2)), 1.0, 1.0), r"\(N,\) or \(N1, N2\)"),
        (lambda: full_filter(np.ones(2), -np.ones(2), 1.0, 1.0), "fourier_variance must be finite"),
        (lambda: full_filter(np.ones(2), np.ones(2), 0.0, 1.0), "sigma must be finite and > 0"),
        (lambda: full_filter(np.ones(2), np.ones(2), 1.0, -1.0), "flow_time must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_only_laws_of_the_plain_loss_are_those_of_taps():
    with pytest.raises(ValueError, match="learn by a law of the plain loss, got flow-one-layer"):
        FullConvolution(4, FlowOneLayer(0.1))
    with pytest.raises(TypeError, match="law must be a gain law"):
        FullConvolution(4, "one-layer")
