"""Sampling a law's Denoiser with the ordinary sampler generates what the law says it generates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens import dynamics
from scorelens.core.fourier_spectrum import FourierSpectrum
from scorelens.core.sigma_grid import karras
from scorelens.core.spectrum import Spectrum
from scorelens.sampling import sample

SIGMAS = karras(30, 0.02, 20.0)
SAMPLER = dynamics.HeunSampler(SIGMAS)
EIGENVALUES = np.array([4.0, 0.7, 0.05])
LAWS = [
    member(9) if member is dynamics.FullConvolution else member()
    for member in dynamics.ALL
    if member is not dynamics.PreconditionedOneLayer
] + [dynamics.PreconditionedOneLayer.edm(), dynamics.AsymmetricTwoLayer(0.4, -0.4)]


def _spectrum(n_modes=3):
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    return Spectrum(
        np.array([0.3, -1.0, 2.0]),
        EIGENVALUES[:n_modes],
        vectors[:, :n_modes],
        100,
        float(EIGENVALUES.sum()),
        (3,),
    )


def _covariance(denoiser, dim, event_shape):
    """Covariance of the samples, exact: the sampler is an affine map of its noise."""
    noise = torch.cat([torch.zeros(1, dim), torch.eye(dim)]).double().reshape(-1, *event_shape)
    ends = sample(denoiser, noise, SIGMAS).reshape(-1, dim).numpy()
    columns = ends[1:] - ends[0]
    return columns.T @ columns, ends[0]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("time", [0.0, 0.4, 20.0])
def test_samples_have_the_covariance_of_the_law(law, time):
    spectrum = _spectrum()
    covariance, _ = _covariance(law.denoiser(spectrum, time), 3, (3,))
    variance = np.exp(SAMPLER.log_variance(law, EIGENVALUES, time))
    vectors = spectrum.eigenvectors
    rounding = 1e-13 * variance.max()
    np.testing.assert_allclose(covariance, (vectors * variance) @ vectors.T, rtol=1e-9, atol=rounding)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_directions_without_a_mode_learn_their_mean_variance(law):
    spectrum = _spectrum(2)
    covariance, _ = _covariance(law.denoiser(spectrum, 1.5), 3, (3,))
    rest = np.exp(SAMPLER.log_variance(law, spectrum.residual_variance, 1.5))
    assert np.linalg.eigvalsh(covariance) == pytest.approx(
        np.sort(np.append(np.exp(SAMPLER.log_variance(law, EIGENVALUES[:2], 1.5)), rest)), rel=1e-9
    )


def test_a_convolution_generates_its_fourier_spectrum():
    power = np.array([[[3.0, 0.4, 0.4], [0.8, 0.1, 0.2], [0.8, 0.2, 0.1]]])
    spectrum = FourierSpectrum(power, 100, np.zeros((1, 3, 3)))
    law = dynamics.FullConvolution(9, dynamics.SymmetricTwoLayer(0.2))
    covariance, _ = _covariance(law.denoiser(spectrum, 0.05), 9, (1, 3, 3))
    waves = np.fft.fft2(np.eye(9).reshape(9, 3, 3), norm="ortho").reshape(9, 9)
    found = np.einsum("im,ij,jm->m", waves.conj(), covariance, waves).real
    np.testing.assert_allclose(found, np.exp(SAMPLER.log_variance(law, power.ravel(), 0.05)), rtol=1e-9)


def test_a_parameter_per_mode_needs_a_spectrum_with_all_modes():
    law = dynamics.OneLayer(np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"one-layer has a parameter per mode.*fit the spectrum with all"):
        law.denoiser(_spectrum(2), 1.0)


def test_parameters_of_another_number_of_modes_are_refused():
    with pytest.raises(ValueError, match=r"parameters of shape \(2,\) for modes of shape \(3,\)"):
        dynamics.OneLayer(np.array([0.1, 0.2])).denoiser(_spectrum(3), 1.0)
