"""Every preconditioner does what its scalings declare; second-order statistics are exact at F = 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum import Spectrum
from scorelens.networks import ALL, EDM, AssumedCovariance, Preconditioner, Spectral, SpectralSkip

EVENT, DIM, RANK = (2, 3), 6, 2
EIGENVALUES = np.array([9.0, 3.0, 1.0, 0.2, 0.03, 0.004])
MEAN = np.linspace(-1.0, 2.0, DIM)
FRAME = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0]
SIGMAS = torch.tensor([0.002, 0.1, 1.0, 7.0, 80.0], dtype=torch.float64)
OPERATORS = (Spectral, SpectralSkip)


def spectrum() -> Spectrum:
    return Spectrum(MEAN, EIGENVALUES, FRAME, 1000, float(EIGENVALUES.sum()), EVENT)


def build(cls: type[Preconditioner], rank: int | None = None) -> Preconditioner:
    covariance = AssumedCovariance.from_spectrum(spectrum(), floor=1e-6, rank=rank)
    return cls.from_covariance(covariance, torch.float64)


def silent(y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(y)


def unit_offsets() -> torch.Tensor:
    """One unit step from the mean along each mode, shape ``(mode, *event)``."""
    return torch.from_numpy(MEAN + FRAME.T).reshape(DIM, *EVENT)


def gains(preconditioner: Preconditioner, network, sigma: torch.Tensor) -> np.ndarray:
    """Diagonal of the denoiser's linear map in the data's eigenframe, shape ``(mode,)``."""
    denoised = preconditioner.denoise(network, unit_offsets(), sigma.expand(DIM)).reshape(DIM, DIM)
    return np.diag((denoised.numpy() - MEAN) @ FRAME)


def declared(
    preconditioner: Preconditioner, sigma: torch.Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Skip, output and input multipliers of all d modes at one sigma."""
    level = sigma.reshape(1)
    modes, rest = preconditioner.scalings(level), preconditioner.rest_scalings(level)
    n_modes = max(part.shape[1] for part in modes)
    return tuple(
        np.concatenate([part.expand(1, n_modes)[0].numpy(), np.full(DIM - n_modes, other.item())])
        for part, other in zip(modes, rest, strict=True)
    )


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rank", [None, RANK])
def test_silent_network_leaves_the_declared_skip(cls, rank):
    preconditioner = build(cls, rank)
    for sigma in SIGMAS:
        skip, _, _ = declared(preconditioner, sigma)
        expected = np.broadcast_to(skip, DIM)
        np.testing.assert_allclose(gains(preconditioner, silent, sigma), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rank", [None, RANK])
def test_identity_network_adds_output_times_input(cls, rank):
    preconditioner = build(cls, rank)
    for sigma in SIGMAS:
        skip, output, input = declared(preconditioner, sigma)
        found = gains(preconditioner, lambda y, _: y, sigma)
        np.testing.assert_allclose(found, skip + output * input, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("cls", OPERATORS)
def test_start_is_the_optimal_linear_denoiser(cls):
    torch.manual_seed(0)
    x = torch.randn(7, *EVENT, dtype=torch.float64) * 3
    optimal = optimal_linear_denoiser(spectrum())
    preconditioner = build(cls)
    for sigma in SIGMAS:
        level = sigma.expand(len(x))
        expected = optimal(x, level)
        torch.testing.assert_close(preconditioner.denoise(silent, x, level), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cls", ALL)
def test_mean_is_a_fixed_point(cls):
    mean = torch.from_numpy(MEAN).reshape(1, *EVENT)
    for sigma in SIGMAS:
        found = build(cls).denoise(silent, mean, sigma.reshape(1))
        torch.testing.assert_close(found, mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cls", OPERATORS)
def test_low_rank_equals_the_dense_operator(cls):
    low = build(cls, RANK)
    dropped = EIGENVALUES[RANK:].mean()
    variances = np.concatenate([EIGENVALUES[:RANK], np.full(DIM - RANK, dropped)])
    dense = cls.from_covariance(AssumedCovariance(MEAN, FRAME, variances, 1.0), torch.float64)
    torch.manual_seed(1)
    x, network = torch.randn(5, *EVENT, dtype=torch.float64), torch.nn.Linear(3, 3).double()
    for sigma in SIGMAS:
        level = sigma.expand(5)
        with torch.no_grad():
            found, expected = (p.denoise(lambda y, _: network(y), x, level) for p in (low, dense))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(low.whiten(x, level), dense.whiten(x, level), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rank", [None, RANK])
def test_whiten_inverts_the_output_map(cls, rank):
    preconditioner = build(cls, rank)
    torch.manual_seed(2)
    raw, x = torch.randn(4, *EVENT, dtype=torch.float64), torch.randn(4, *EVENT, dtype=torch.float64)
    for sigma in SIGMAS:
        level = sigma.expand(4)
        output = preconditioner.denoise(lambda y, _: raw, x, level) - preconditioner.denoise(silent, x, level)
        torch.testing.assert_close(preconditioner.whiten(output, level), raw, rtol=1e-7, atol=1e-7)


def monte_carlo(cls: type[Preconditioner], sigma: float, n: int = 40_000):
    """Network input and target of Gaussian data along the modes, each ``(n, mode)`` ([E22])."""
    generator = torch.Generator().manual_seed(3)
    draw = {"generator": generator, "dtype": torch.float64}
    frame, scale = torch.from_numpy(FRAME), torch.from_numpy(EIGENVALUES**0.5)
    x0 = torch.from_numpy(MEAN) + torch.randn(n, DIM, **draw) * scale @ frame.T
    x = (x0 + sigma * torch.randn(n, DIM, **draw)).reshape(n, *EVENT)
    level = torch.full((n,), sigma, dtype=torch.float64)
    preconditioner, seen = build(cls), []

    def spy(y, _sigma):
        seen.append(y)
        return torch.zeros_like(y)

    start = preconditioner.denoise(spy, x, level)
    target = preconditioner.whiten(x0.reshape(n, *EVENT) - start, level)
    return (seen[0].reshape(n, DIM) @ frame).numpy(), (target.reshape(n, DIM) @ frame).numpy()


def assert_mean_close(samples: np.ndarray, exact: float) -> None:
    """z-score with power check; ``samples`` are averaged over axis 0."""
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(axis=0) - exact) < 4.5 * error)
    assert np.all(error < 0.05 * max(abs(exact), 1.0))


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_spectral_input_and_target_have_unit_variance_per_mode(sigma):
    y, target = monte_carlo(Spectral, sigma)
    assert_mean_close(y**2, 1.0)
    assert_mean_close(target**2, 1.0)
    assert_mean_close(y * target, 0.0)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_input_and_target_have_unit_variance_on_average(cls, sigma):
    y, target = monte_carlo(cls, sigma)
    assert_mean_close((y**2).mean(axis=1), 1.0)
    if cls is not EDM:
        assert_mean_close((target**2).mean(axis=1), 1.0)
        return
    # EDM assumes one variance g for modes that have others: the target of each has its own closed form.
    g = EIGENVALUES.mean()
    residual = (sigma**4 * EIGENVALUES + g**2 * sigma**2) / (g + sigma**2) ** 2
    output = sigma**2 * g / (g + sigma**2)
    error = (target**2).std(axis=0) / np.sqrt(len(target))
    assert np.all(np.abs((target**2).mean(axis=0) - residual / output) < 4.5 * error)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rank", [None, RANK])
def test_state_round_trip_rebuilds_it(cls, rank):
    original = build(cls, rank)
    rebuilt = cls(**load(save(original.state_dict())))
    x, level = unit_offsets(), torch.full((DIM,), 0.3, dtype=torch.float64)
    assert torch.equal(rebuilt.denoise(silent, x, level), original.denoise(silent, x, level))


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_device_follow_the_module(cls, dtype):
    preconditioner = build(cls, RANK).to(dtype)
    x, level = unit_offsets().to(dtype), torch.full((DIM,), 0.3, dtype=dtype)
    found = preconditioner.denoise(silent, x, level)
    assert found.dtype == dtype
    assert found.shape == x.shape
    assert preconditioner.whiten(x, level).dtype == dtype
    moved = preconditioner.to("meta")
    assert moved.denoise(silent, x.to("meta"), level.to("meta")).device.type == "meta"
    assert not list(preconditioner.parameters())


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rank", [None, RANK])
def test_mean_variance_is_that_of_the_data(cls, rank):
    assert build(cls, rank).mean_variance == pytest.approx(EIGENVALUES.mean(), rel=1e-6)
    assert cls.equation
    assert cls.name


def test_families_agree_where_all_variances_are_equal():
    covariance = AssumedCovariance(MEAN, FRAME, np.full(DIM, 0.25), 0.25)
    torch.manual_seed(4)
    x, level = torch.randn(3, *EVENT), torch.tensor([0.01, 0.5, 30.0])
    edm, *others = (cls.from_covariance(covariance).denoise(lambda y, _: y.sin(), x, level) for cls in ALL)
    for other in others:
        torch.testing.assert_close(other, edm, rtol=1e-4, atol=1e-5)
