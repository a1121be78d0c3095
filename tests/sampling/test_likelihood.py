"""Likelihood through the ODE against the exact densities of Gaussians, mixtures and spheres."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.stats import kurtosis

from scorelens.core.denoiser import per_sample
from scorelens.core.jacobian import JacobianAt
from scorelens.core.parametrization import Velocity, predict
from scorelens.core.processes import FlowMatching, VariancePreserving
from scorelens.estimators import Gaussian, MixtureDenoiser
from scorelens.sampling import PIXELS_PER_UNIT, dequantised, log_likelihood

LOW, HIGH = 0.1, 300.0


def gaussian(dim: int = 4) -> tuple[torch.nn.Module, torch.Tensor]:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((200, dim)) * np.linspace(0.1, 1.5, dim) + rng.standard_normal(dim)
    return Gaussian().fit(data), torch.from_numpy(data[:5])


def mixture() -> tuple[MixtureDenoiser, torch.Tensor]:
    means = np.array([[1.0, 0.5, 0.0], [-1.0, 0.0, 0.3], [0.2, -1.0, -0.4]])
    covariances = np.stack([np.diag([0.2, 0.02, 0.1]), 0.3 * np.eye(3), np.diag([0.01, 0.4, 0.0])])
    x = torch.tensor([[0.9, 0.4, 0.1], [0.0, 0.0, 0.0], [-1.5, 0.7, 0.4], [0.2, -1.5, -0.4]])
    return MixtureDenoiser.of_covariances([0.5, 0.2, 0.3], means, covariances), x.double()


CASES = {"gaussian": gaussian, "mixture": mixture}


@pytest.mark.parametrize("name", CASES)
def test_exact_divergence_gives_the_exact_density(name: str) -> None:
    denoiser, x = CASES[name]()
    found = log_likelihood(denoiser, x, LOW, HIGH, n_levels=129)
    exact = denoiser.log_prob(x, LOW)
    # what the prior N(0, sigma_max^2) leaves out is of order (|x|^2 + variance) d / sigma_max^2
    assert (found.nats - exact).abs().max() < found.numeric_error.max() / 2 + 1e-3
    assert found.numeric_error.max() < 0.05
    assert set(found.status) == {"converged"}
    assert (found.standard_error == 0).all()
    assert found.latents.shape == x.shape


@pytest.mark.parametrize("name", CASES)
def test_the_answer_converges_as_the_square_of_the_step(name: str) -> None:
    denoiser, x = CASES[name]()
    # sigma_min where these grids resolve the narrowest component
    found = [log_likelihood(denoiser, x[:1], 0.5, 20.0, n_levels=n) for n in (33, 65, 129)]
    change = [float(one.numeric_error) for one in found]
    first, second = (math.log2(rough / fine) for rough, fine in pairwise(change))
    # Heun's error has odd powers of the step too: the slope is 2 + O(h), 2.38 and 2.21 for the Gaussian, and
    # its excess halves with the step. Without it the slope is 2 + O(h^2).
    assert abs(first - 2) < 0.5
    assert 2 * second - first == pytest.approx(2, abs=(first - 2) ** 2)
    # the grid of one call is the coarse grid of the next
    torch.testing.assert_close(found[1].numeric_error, (found[1].nats - found[0].nats).abs())


def integrated_jacobians(denoiser: MixtureDenoiser, x: torch.Tensor) -> np.ndarray:
    """Integrals of ``J`` over log sigma along the ODE from the points ``x``, by another integrator."""
    n, d = x.shape
    at = JacobianAt(denoiser, x, LOW)

    def rate(level: float, state: np.ndarray) -> np.ndarray:
        here = torch.from_numpy(state.reshape(n, -1)[:, :d].copy())
        there = at.moved(here, math.exp(level))
        return np.hstack([here - there.value, there.full().reshape(n, -1)]).ravel()

    begin = np.hstack([x, np.zeros((n, d * d))]).ravel()
    end = solve_ivp(rate, (math.log(LOW), math.log(HIGH)), begin, rtol=1e-3, atol=1e-4).y[:, -1]
    return end.reshape(n, -1)[:, d:].reshape(n, d, d)


def test_probes_are_unbiased_and_know_their_error() -> None:
    denoiser, x = mixture()
    n_probes = 200
    exact = log_likelihood(denoiser, x, LOW, HIGH, n_levels=33)
    found = log_likelihood(denoiser, x, LOW, HIGH, n_levels=33, n_probes=n_probes, seed=3)
    z = (found.nats - exact.nats) / found.standard_error
    assert z.abs().max() < 4.5
    # all eight vectors of signs give the law of one probe, and how far the spread of 200 strays
    signs = np.array(list(product((-1.0, 1.0), repeat=3)))
    forms = np.einsum("ki,bij,kj->bk", signs, integrated_jacobians(denoiser, x), signs)
    expected = forms.std(1) / math.sqrt(n_probes)
    stray = 0.5 * np.sqrt((kurtosis(forms, axis=1, fisher=False) - 1) / n_probes)
    assert (np.abs(found.standard_error.numpy() / expected - 1) < 4.5 * stray).all()
    assert stray.max() < 0.05


def test_high_dimension_with_few_probes() -> None:
    rng = np.random.default_rng(1)
    denoiser = Gaussian().fit(rng.standard_normal((400, 60)) * np.linspace(0.1, 1, 60))
    x = torch.from_numpy(rng.standard_normal((3, 60)) * np.linspace(0.1, 1, 60))
    found = log_likelihood(denoiser, x, LOW, HIGH, n_levels=81, n_probes=8)
    exact = denoiser.log_prob(x, LOW)
    scatter = (found.standard_error**2 + found.numeric_error**2).sqrt()
    assert ((found.nats - exact).abs() < 4.5 * scatter).all()
    assert (scatter < 0.05 * exact.abs()).all()


@pytest.mark.parametrize("process", [VariancePreserving(), FlowMatching()], ids=lambda p: p.name)
def test_the_ode_of_another_process_gives_the_same_number(process) -> None:
    denoiser, x = mixture()
    start, end = float(process.time(0.3)), float(process.time(5.0))

    def velocity(time: float, x_t: torch.Tensor) -> torch.Tensor:
        return predict(denoiser, x_t[None], process, time, Velocity())[0]

    def rate(time: float, state: np.ndarray) -> np.ndarray:
        x_t = torch.from_numpy(state[:3].copy())
        divergence = torch.func.jacrev(lambda y: velocity(time, y))(x_t).trace()
        return np.append(velocity(time, x_t).numpy(), float(divergence))

    alphas, std = process.alpha(np.array([start, end])), float(process.std(end))
    for point in x[:1]:
        begin = np.append(alphas[0] * point.numpy(), 0.0)
        state = solve_ivp(rate, (start, end), begin, rtol=1e-5, atol=1e-7).y[:, -1]
        prior = -0.5 * (state[:3] ** 2).sum() / std**2 - 1.5 * math.log(2 * math.pi * std**2)
        expected = prior + state[3] + 3 * math.log(alphas[0])  # density of x_t, then of x_t / alpha
        found = log_likelihood(denoiser, point[None], 0.3, 5.0, n_levels=129)
        assert float(found.nats) == pytest.approx(expected, abs=1e-3)


def test_a_wider_prior_removes_the_variance_of_the_data() -> None:
    denoiser = Gaussian().fit(np.array([[3.0], [-3.0]]))
    x = torch.tensor([[1.0]], dtype=torch.float64)
    exact = denoiser.log_prob(x, 0.5)
    plain = log_likelihood(denoiser, x, 0.5, 10.0, n_levels=129)
    wide = log_likelihood(denoiser, x, 0.5, 10.0, n_levels=129, data_variance=9.0)
    assert float((plain.nats - exact).abs()) > 0.02
    assert float((wide.nats - exact).abs()) < 3e-3


def test_a_prior_around_the_mean_removes_the_offset_of_the_data() -> None:
    around, x = gaussian()
    mean = 100.0 * torch.tensor([1.0, -1.0, 0.5, 2.0], dtype=torch.float64)

    def denoiser(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
        return mean.to(x) + around(x - mean.to(x), sigma)

    # the same path, moved: equal to rounding on any grid, so a coarse one does
    expected = log_likelihood(around, x[:2], 0.5, 50.0, n_levels=7)
    found = log_likelihood(denoiser, x[:2] + mean, 0.5, 50.0, n_levels=7, data_mean=mean)
    torch.testing.assert_close(found.nats, expected.nats, atol=1e-8, rtol=0)
    plain = log_likelihood(denoiser, x[:2] + mean, 0.5, 50.0, n_levels=7)
    lost = ((expected.latents + mean).square() - expected.latents.square()).sum(1) / (2 * 50.0**2)
    torch.testing.assert_close(expected.nats - plain.nats, lost, atol=1e-8, rtol=0)
    assert lost.min() > 5


def test_bits_per_dimension() -> None:
    # uniform over [-1, 1]^d: 1 bit per dimension; 256 equal levels of it cost 8 bits (to the border)
    denoiser, x = gaussian()
    found = log_likelihood(denoiser, x, LOW, HIGH, n_levels=41)
    expected = -found.nats / (4 * math.log(2))
    torch.testing.assert_close(found.bits_per_dim(), expected)
    torch.testing.assert_close(found.bits_per_dim(PIXELS_PER_UNIT), expected + math.log2(127.5))
    noisy = dequantised(torch.zeros(4000, dtype=torch.float64))
    assert noisy.abs().max() <= 1 / 255
    assert float(noisy.var()) == pytest.approx((1 / 127.5) ** 2 / 12, rel=0.1)
    assert torch.equal(noisy, dequantised(torch.zeros(4000, dtype=torch.float64)))


def test_models_without_derivatives_and_of_any_event_shape() -> None:
    inner, x = gaussian()

    class Closed(torch.nn.Module):
        def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            flat = inner(x.detach().flatten(1), per_sample(sigma, x))
            return torch.from_numpy(flat.numpy().copy()).reshape(x.shape)

    images = x.reshape(-1, 1, 2, 2)
    found = log_likelihood(Closed(), images, LOW, HIGH, n_levels=41)
    exact = log_likelihood(inner, x, LOW, HIGH, n_levels=41)
    torch.testing.assert_close(found.nats, exact.nats, atol=1e-4, rtol=0)
    assert found.latents.shape == images.shape


def test_too_few_levels_are_said() -> None:
    denoiser, x = mixture()
    found = log_likelihood(denoiser, x, 0.001, HIGH, n_levels=5)
    assert all(status.startswith("not converged: raise n_levels") for status in found.status)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma_min": 0.0}, "sigma_min must be finite and > 0"),
        ({"sigma_max": 0.05}, "sigma_max must exceed sigma_min"),
        ({"n_levels": 4}, "n_levels must be at least 5, got 4"),
        ({"n_probes": -1}, "n_probes must be at least 0, got -1"),
        ({"n_probes": 1}, "one probe has no standard error"),
        ({"data_mean": np.zeros(3)}, r"data_mean must be a number or have shape \(4,\), got \(3,\)"),
        ({"data_mean": math.nan}, "data_mean holds 1 non-finite"),
        ({"data_variance": -1.0}, "data_variance must be finite and >= 0"),
        ({"tolerance": 0.0}, "tolerance must be finite and > 0"),
        ({"x": torch.zeros(2, 3)}, r"x must have shape \(batch, 4\)"),
        ({"x": torch.zeros(4)}, r"one point is x\[None\]"),
    ],
)
def test_bad_input_is_refused(change: dict, message: str) -> None:
    denoiser, x = gaussian()
    given = {"x": x, "sigma_min": LOW, "sigma_max": HIGH, **change}
    with pytest.raises(ValueError, match=message):
        log_likelihood(denoiser, **given)


def test_half_a_probe_is_refused() -> None:
    denoiser, x = gaussian()
    with pytest.raises(TypeError, match=r"n_probes must be a whole number, got 2\.5; 0 makes"):
        log_likelihood(denoiser, x, LOW, HIGH, n_probes=2.5)  # pyright: ignore[reportArgumentType]
