"""What every noise process must be; registering a process buys these tests."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from scorelens.core import processes
from scorelens.core.processes import NoiseProcess

ALL = [member() for member in processes.ALL]
every_process = pytest.mark.parametrize("process", ALL, ids=lambda p: p.name)


def interior(process: NoiseProcess, n: int = 40) -> np.ndarray:
    if math.isinf(process.time_range[1]):
        return np.geomspace(0.02, 90.0, n)
    return np.linspace(0.01, 0.97, n)


def derivative(function, time: np.ndarray) -> np.ndarray:
    """Five-point central difference, relative error about 1e-9 for smooth functions."""
    h = 1e-4 * time
    terms = [function(time + k * h) * w for k, w in ((-2, 1), (-1, -8), (1, 8), (2, -1))]
    return sum(terms) / (12 * h)


@every_process
def test_noise_grows_from_the_clean_data(process: NoiseProcess) -> None:
    time = interior(process)
    assert (np.diff(process.sigma(time)) > 0).all()
    assert (np.diff(process.alpha(time)) <= 0).all()
    start = process.coefficients(0.0)
    assert start.alpha == 1
    assert start.std == 0
    assert process.time(0.0) == 0


@every_process
def test_sigma_is_std_over_alpha(process: NoiseProcess) -> None:
    time = interior(process)
    np.testing.assert_allclose(process.std(time) / process.alpha(time), process.sigma(time), rtol=1e-13)


@every_process
def test_coefficients_are_the_single_functions(process: NoiseProcess) -> None:
    time = interior(process)
    single = (process.alpha(time), process.std(time), process.drift(time), process.diffusion(time))
    for together, alone in zip(process.coefficients(time), single, strict=True):
        np.testing.assert_array_equal(together, alone)


@every_process
def test_drift_is_the_log_derivative_of_alpha_by_autodiff_and_by_differences(process: NoiseProcess) -> None:
    time = interior(process)
    tracked = torch.tensor(time, requires_grad=True)
    log_alpha = process.alpha(tracked).log().sum() + 0 * tracked.sum()  # a constant alpha has no graph
    by_autodiff = torch.autograd.grad(log_alpha, tracked)[0].numpy()
    scale = 1 + np.abs(by_autodiff)
    np.testing.assert_allclose(process.drift(time) / scale, by_autodiff / scale, atol=1e-12)
    by_differences = derivative(lambda t: np.log(process.alpha(t)), time)
    np.testing.assert_allclose(process.drift(time) / scale, by_differences / scale, atol=1e-8)


@every_process
def test_diffusion_feeds_the_growth_of_sigma(process: NoiseProcess) -> None:
    # [P1]: d(sigma^2)/dt = g^2 / alpha^2
    time = interior(process)
    tracked = torch.tensor(time, requires_grad=True)
    (growth,) = torch.autograd.grad((process.sigma(tracked) ** 2).sum(), tracked)
    fed = (process.diffusion(time) / process.alpha(time)) ** 2
    np.testing.assert_allclose(fed, growth.numpy(), rtol=1e-11)
    np.testing.assert_allclose(fed, derivative(lambda t: process.sigma(t) ** 2, time), rtol=1e-7)


@every_process
def test_sigma_and_time_are_inverse(process: NoiseProcess) -> None:
    time = np.concatenate([[0.0, 1e-12, 1e-6], interior(process)])
    np.testing.assert_allclose(process.time(process.sigma(time)), time, rtol=1e-12, atol=0)
    sigma = np.geomspace(1e-8, min(process.sigma_range[1], 1e4), 50)
    np.testing.assert_allclose(process.sigma(process.time(sigma)), sigma, rtol=1e-10)


@every_process
def test_torch_agrees_with_numpy_and_keeps_dtype_and_shape(process: NoiseProcess) -> None:
    time = interior(process).reshape(8, 5)
    for name in ("alpha", "sigma", "std", "drift", "diffusion"):
        function = getattr(process, name)
        exact = function(time)
        assert exact.dtype == np.float64
        double, single = function(torch.tensor(time)), function(torch.tensor(time, dtype=torch.float32))
        assert double.shape == single.shape == (8, 5)
        assert single.dtype == torch.float32
        np.testing.assert_allclose(double.numpy(), exact, rtol=1e-12)
        np.testing.assert_allclose(single.numpy(), exact, rtol=2e-4)


@every_process
def test_single_precision_levels_survive_a_round_trip_at_the_ends(process: NoiseProcess) -> None:
    last = min(process.sigma_range[1], 1e3)
    sigma = torch.tensor([1e-4, last])
    torch.testing.assert_close(process.sigma(process.time(sigma)), sigma, rtol=2e-3, atol=0)


@every_process
@pytest.mark.parametrize("bad", [-0.1, math.inf, math.nan])
def test_times_outside_are_refused(process: NoiseProcess, bad: float) -> None:
    for function in (process.alpha, process.sigma, process.std, process.drift, process.coefficients):
        with pytest.raises(ValueError, match=r"must lie in 0 <= time .* got"):
            function(np.array([0.5, bad]))
        with pytest.raises(ValueError, match="must lie in"):
            function(torch.tensor([0.5, bad]))


@every_process
@pytest.mark.parametrize("bad", [-1.0, math.inf, math.nan])
def test_levels_that_are_not_reached_are_refused(process: NoiseProcess, bad: float) -> None:
    with pytest.raises(ValueError, match=r"sigma of the .* process must lie in"):
        process.time(bad)


@every_process
def test_a_singular_end_is_refused_and_a_regular_one_is_finite(process: NoiseProcess) -> None:
    last = process.time_range[1]
    if process.end_is_singular:
        assert math.isinf(process.sigma_range[1])
        with pytest.raises(ValueError, match="stop before it"):
            process.sigma(last)
    else:
        assert process.sigma(last) == process.sigma_range[1]
        assert process.time(process.sigma_range[1]) == pytest.approx(last, rel=1e-14)
        with pytest.raises(ValueError, match="sigma"):
            process.time(1.01 * process.sigma_range[1])


def simulate(process: NoiseProcess, x0: float, last: float, n: int = 20_000, steps: int = 600) -> np.ndarray:
    """Exponential Euler-Maruyama paths of ``dx = f x dt + g dw`` from ``x0``."""
    random = np.random.default_rng(5)
    x, h = np.full(n, x0), last / steps
    for time in (np.arange(steps) + 0.5) * h:  # midpoint coefficients: bias of second order in h
        f, g = process.drift(time), process.diffusion(time)
        x = np.exp(f * h) * x + g * math.sqrt(h) * np.exp(0.5 * f * h) * random.standard_normal(n)
    return x


def last_simulated(process: NoiseProcess) -> float:
    return 3.0 if math.isinf(process.time_range[1]) else 0.6


@every_process
def test_marginals_are_those_of_the_simulated_sde(process: NoiseProcess) -> None:
    last, x0 = last_simulated(process), 5.0
    x = simulate(process, x0, last)
    mean, variance = process.alpha(last) * x0, process.std(last) ** 2
    mean_error = math.sqrt(variance / len(x))
    assert abs(x.mean() - mean) < 4.5 * mean_error
    assert mean_error < 0.05 * mean
    variance_error = variance * math.sqrt(2 / len(x))
    assert abs(x.var() - variance) < 4.5 * variance_error
    assert variance_error < 0.05 * variance


def often_quoted_variance(process: NoiseProcess, last: float) -> float:
    """``int g^2 alpha^2`` from 0 to ``last``; right is ``alpha(last)^2 int g^2 / alpha^2`` ([G1])."""
    return quad(lambda t: float(process.diffusion(t) * process.alpha(t)) ** 2, 0, last, limit=200)[0]


def test_the_often_quoted_variance_holds_for_vp_and_fails_for_sub_vp() -> None:
    vp, sub_vp = processes.VariancePreserving(), processes.SubVariancePreserving()
    assert often_quoted_variance(vp, 0.6) == pytest.approx(vp.std(0.6) ** 2, rel=1e-9)
    # [G1]: the truth tends to 1, the formula to 2/3
    assert often_quoted_variance(sub_vp, 1.0) == pytest.approx(2 / 3, abs=1e-4)
    assert sub_vp.std(1.0) ** 2 == pytest.approx(1.0, abs=1e-4)
    x = simulate(sub_vp, 0.0, 0.6)
    error = x.var() * math.sqrt(2 / len(x))
    assert abs(x.var() - sub_vp.std(0.6) ** 2) < 4.5 * error
    assert abs(x.var() - often_quoted_variance(sub_vp, 0.6)) > 20 * error


def test_sub_vp_variance_is_the_integral_of_what_the_sde_adds() -> None:
    process = processes.SubVariancePreserving()
    for last in (0.1, 0.5, 1.0):
        fed = quad(lambda t: float(process.diffusion(t) / process.alpha(t)) ** 2, 0, last, epsrel=1e-11)[0]
        assert process.std(last) ** 2 == pytest.approx(process.alpha(last) ** 2 * fed, rel=1e-9)


@pytest.mark.parametrize("process", [processes.VariancePreserving(), processes.Cosine()])
def test_variance_is_preserved(process: NoiseProcess) -> None:
    time = interior(process)
    np.testing.assert_allclose(process.alpha(time) ** 2 + process.std(time) ** 2, 1, rtol=1e-13)


@pytest.mark.parametrize("process", [processes.VariancePreserving(), processes.SubVariancePreserving()])
def test_small_levels_keep_their_digits(process: NoiseProcess) -> None:
    # sigma^2 = B + ... and sigma = B + ... with B = beta_min t at small t
    time = 1e-14
    small = 0.1 * time
    exact = math.sqrt(small) if process.name == "vp" else small
    assert process.sigma(time) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("family", [processes.VariancePreserving, processes.SubVariancePreserving])
def test_rounding_does_not_push_the_last_level_out(family) -> None:
    for beta_max in np.linspace(5, 25, 41):
        process = family(beta_max=beta_max)
        assert 1 - 1e-13 < process.time(process.sigma_range[1]) <= 1
        single = torch.tensor(1.0)
        assert 1 - 1e-4 < process.time(process.sigma(single)) <= 1


def test_cosine_without_offset_starts_cleanly() -> None:
    process = processes.Cosine(offset=0.0)
    time = np.array([0.0, 1e-9, 0.3, 0.9])
    np.testing.assert_allclose(process.sigma(time), np.tan(0.5 * np.pi * time), rtol=1e-13)
    np.testing.assert_allclose(process.time(process.sigma(time)), time, rtol=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: processes.VariancePreserving(beta_min=0.0), "beta_min must be finite and > 0, got 0"),
        (lambda: processes.SubVariancePreserving(beta_min=2.0, beta_max=1.0), "beta_max must be >= beta_min"),
        (lambda: processes.Cosine(offset=-1.0), "offset must be finite and >= 0"),
    ],
)
def test_bad_parameters_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_every_process_is_named_once_and_documented() -> None:
    names = [process.name for process in ALL]
    assert len(set(names)) == len(names)
    page = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text()
    for process in ALL:
        assert f"`{process.name}`" in page
        assert process.reference
