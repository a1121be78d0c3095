"""The Fourier denoiser against the circulant matrix that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.denoiser import Denoiser
from scorelens.core.fourier_denoiser import FourierDenoiser
from scorelens.core.fourier_spectrum import FourierSpectrum, fourier_spectrum


def transform(shape: tuple[int, ...]) -> np.ndarray:
    """Matrix of the discrete Fourier transform over the last one or two axes, every channel on its own."""
    parts = [np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) for n in shape]
    if len(shape) == 3:
        parts[0] = np.eye(shape[0])
    whole = np.eye(1)
    for part in parts:
        whole = np.kron(whole, part)
    return whole


def hermitian_gain(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Gains of a real filter, which need not be symmetric."""
    axes = (-1,) if len(shape) == 1 else (-2, -1)
    return np.fft.fftn(np.random.default_rng(seed).standard_normal(shape), axes=axes).ravel()


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4)])
def test_it_multiplies_the_coefficients_around_the_mean(shape):
    gain, mean = hermitian_gain(shape), np.random.default_rng(1).standard_normal(int(np.prod(shape)))
    denoiser = FourierDenoiser(mean, lambda sigma: gain / (1.0 + sigma[:, None]), shape)
    x = torch.randn(6, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    sigma = torch.linspace(0.1, 3.0, 6, dtype=torch.float64)
    matrix = np.linalg.inv(transform(shape)) @ np.diag(gain) @ transform(shape)
    np.testing.assert_allclose(matrix.imag, 0.0, atol=1e-12)
    moved = (x.flatten(1).numpy() - mean) @ matrix.real.T / (1.0 + sigma[:, None].numpy()) + mean
    np.testing.assert_allclose(denoiser(x, sigma).flatten(1).numpy(), moved, atol=1e-11)
    np.testing.assert_allclose(
        denoiser(x, 0.1)[:1].flatten(1).numpy(), denoiser(x, sigma)[:1].flatten(1).numpy(), atol=1e-12
    )


def test_dtype_of_x_and_gradient_in_x():
    denoiser = FourierDenoiser(np.zeros(4), lambda sigma: np.full((len(sigma), 4), 0.25), (4,))
    x = torch.randn(2, 4, requires_grad=True)
    out = denoiser(x, torch.tensor([0.5, 2.0]))
    assert out.dtype == torch.float32
    (gradient,) = torch.autograd.grad(out[1, 2], x)
    np.testing.assert_allclose(gradient.numpy(), [[0, 0, 0, 0], [0, 0, 0.25, 0]], atol=1e-7)


def test_it_is_a_denoiser_and_a_module_that_moves():
    denoiser = FourierDenoiser(np.zeros(4), lambda sigma: np.ones((len(sigma), 4)), (4,))
    assert isinstance(denoiser, Denoiser)
    assert denoiser.float().mean.dtype == torch.float32
    assert set(denoiser.state_dict()) == {"mean"}


def test_a_fourier_spectrum_makes_the_denoiser_of_its_images(tmp_path):
    images = 3.0 + np.random.default_rng(4).standard_normal((40, 2, 3, 4))
    spectrum = fourier_spectrum(lambda: [images], (2, 3, 4))
    np.testing.assert_allclose(spectrum.mean, images.mean(axis=0), rtol=1e-13)
    assert not spectrum.has_rest
    np.testing.assert_array_equal(spectrum.eigenvalues, spectrum.power.ravel())
    path = tmp_path / "spectrum.safetensors"
    spectrum.save(path)
    denoiser = FourierSpectrum.load(path).denoiser(lambda power: lambda s: power / (power + s[:, None] ** 2))
    x = torch.as_tensor(images[:3])
    coefficients = np.fft.fft2(images[:3] - spectrum.mean) * spectrum.power / (spectrum.power + 0.49)
    np.testing.assert_allclose(denoiser(x, 0.7), spectrum.mean + np.fft.ifft2(coefficients).real, atol=1e-12)


def test_a_spectrum_stored_without_its_mean_loads_and_makes_no_denoiser(tmp_path):
    path = tmp_path / "old.safetensors"
    FourierSpectrum(np.ones((1, 2, 2)), 5).save(path)
    old = FourierSpectrum.load(path)
    assert old.mean is None
    with pytest.raises(ValueError, match="make it again"):
        old.denoiser(lambda power: lambda sigma: power / (power + sigma[:, None] ** 2))
    with pytest.raises(ValueError, match=r"mean must have the shape of power, \(1, 2, 2\), got \(4,\)"):
        FourierSpectrum(np.ones((1, 2, 2)), 5, mean=np.zeros(4))


def flat(mean: int = 4, shape: tuple[int, ...] = (4,), columns: int = 4) -> FourierDenoiser:
    return FourierDenoiser(np.zeros(mean), lambda sigma: np.ones((len(sigma), columns)), shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flat(mean=3), r"mean must have shape \(4,\)"),
        (lambda: flat(shape=(1, 1, 2, 2)), "event_shape must be"),
        (lambda: flat()(torch.ones(2, 5), 1.0), "x must have shape"),
        (lambda: flat()(torch.ones(2, 4), 0.0), "sigma must be finite and > 0, got 0"),
        (lambda: flat()(torch.ones(2, 4), torch.ones(3)), r"sigma must be a scalar or have shape \(2,\)"),
        (lambda: flat(columns=2)(torch.ones(2, 4), 1.0), r"gain must return shape \(1, 4\), got \(1, 2\)"),
    ],
)
def test_wrong_shapes_and_levels_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
