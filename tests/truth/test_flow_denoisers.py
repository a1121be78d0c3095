"""A flow-matching law as a Denoiser: sampled like any network, it generates what the law says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from scorelens.core.parametrization import Velocity
from scorelens.core.processes import FlowMatching
from scorelens.core.sigma_grid import karras
from scorelens.core.spectrum import Spectrum
from scorelens.dynamics import FlowOneLayer, FlowTwoLayer, HeunSampler
from scorelens.sampling import sample

VARIANCES = np.array([4.0, 0.5, 0.02])
LOW, HIGH, TIME = 0.01, 40.0, 1.4
LAWS = [FlowOneLayer(0.2), FlowTwoLayer(0.2)]

every_law = pytest.mark.parametrize("law", LAWS, ids=[law.name for law in LAWS])


def _spectrum() -> Spectrum:
    basis = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))[0]
    return Spectrum(np.zeros(3), VARIANCES, basis, 1000, float(VARIANCES.sum()), (3,))


def _sampled_variance(law, sigmas: np.ndarray) -> np.ndarray:
    """Exact variance that the sampler generates: its response to each eigenvector as the noise."""
    spectrum = _spectrum()
    basis = spectrum.eigenvectors
    out = sample(law.denoiser(spectrum, TIME), torch.tensor(basis.T), sigmas).numpy()
    response = out @ basis
    np.testing.assert_allclose(response, np.diag(np.diag(response)), atol=1e-12 * np.abs(response).max())
    return np.diag(response) ** 2


@every_law
def test_ordinary_sampler_reproduces_the_forecast_on_its_grid(law) -> None:
    sigmas = karras(18, LOW, HIGH)
    forecast = np.exp(HeunSampler(sigmas).log_variance(law, VARIANCES, TIME))
    np.testing.assert_allclose(_sampled_variance(law, sigmas), forecast, rtol=1e-9)


@every_law
def test_fine_grid_reproduces_the_closed_variance(law) -> None:
    errors = []
    for n_sigmas in (150, 300):
        exact = law.generated_variance(VARIANCES, TIME, LOW, HIGH)
        errors.append(np.abs(_sampled_variance(law, karras(n_sigmas, LOW, HIGH)) / exact - 1.0).max())
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15)  # order 2 of Heun's method


@every_law
def test_the_flow_in_its_own_time_is_the_same_sampler(law) -> None:
    start, end = 1.0 / (1.0 + HIGH), 1.0 / (1.0 + LOW)
    for lam in VARIANCES:
        ode = solve_ivp(
            lambda t, x, k=lam: law.velocity_gain(k, t, TIME) * x, (start, end), [1.0], rtol=1e-10, atol=1e-13
        )
        native = float(law.log_flow_variance(lam, TIME, start, end))
        assert 2.0 * np.log(ode.y[0, -1]) == pytest.approx(native, abs=1e-8)
        # x_t / t starts with the standard deviation sigma_max instead of 1, at t = 1 / (1 + sigma_max).
        rescaled = (HIGH * start * ode.y[0, -1] / end) ** 2
        assert float(law.generated_variance(lam, TIME, LOW, HIGH)) == pytest.approx(rescaled, rel=1e-8)


@every_law
@pytest.mark.parametrize("t", [0.1, 0.5, 0.85])
def test_velocity_agrees_with_the_process_and_its_parametrization(law, t: float) -> None:
    # The library's process runs from data to noise: its time is 1 - t, its velocity the opposite.
    process, spectrum = FlowMatching(), _spectrum()
    sigma = float(process.sigma(1.0 - t))
    assert sigma == pytest.approx((1.0 - t) / t, rel=1e-14)
    at = process.coefficients(1.0 - t)
    assert float(at.alpha) == pytest.approx(t)
    x = np.random.default_rng(0).standard_normal((5, 3))
    clean = law.denoiser(spectrum, TIME)(torch.tensor(x / t), sigma)
    converted = -Velocity().from_x0(clean.numpy(), x, at)
    basis = spectrum.eigenvectors
    expected = (x @ basis * law.velocity_gain(VARIANCES, t, TIME)) @ basis.T
    np.testing.assert_allclose(converted, expected, rtol=1e-10, atol=1e-12)


def test_fully_trained_tied_layers_generate_the_noise_on_top_of_the_data() -> None:
    # Learning dynamics (11.5), through the sampler: 1 + eigenvalue instead of the eigenvalue.
    sigmas = karras(500, 1e-3, 1e3)
    spectrum = _spectrum()
    basis = spectrum.eigenvectors
    out = sample(FlowTwoLayer(0.2).denoiser(spectrum, 1e9), torch.tensor(basis.T), sigmas).numpy()
    np.testing.assert_allclose(np.diag(out @ basis) ** 2, 1.0 + VARIANCES, rtol=5e-3)
