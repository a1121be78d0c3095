"""Exact losses: of any data with these moments, whatever else the data are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.objectives import EXACT_LOSSES, ExactDenoisingLoss, ExactFlowMatchingLoss, exact_loss

SIGMAS = torch.tensor([0.2, 1.0, 5.0], dtype=torch.float64)


def skewed_samples(n: int = 400) -> np.ndarray:
    draws = np.random.default_rng(1).exponential(size=(n, 3))
    return draws @ np.array([[1.0, 0.3, 0.0], [-0.5, 0.7, 0.2], [0.1, 0.0, 0.4]]) + [0.5, -1.0, 0.2]


def maps(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64)
    return weight.to(dtype), torch.randn(3, 3, generator=generator, dtype=torch.float64).to(dtype)


def over_noise(error_of_noise, n: int = 3) -> float:
    """Mean of a quadratic function of standard normal noise ``(n,)``, by a rule of 2 n points, exact for
    quadratics."""
    points = np.concatenate([np.eye(n), -np.eye(n)]) * np.sqrt(n)
    return float(np.mean([error_of_noise(point) for point in points]))


@pytest.mark.parametrize("level", range(3))
def test_denoising_loss_is_the_mean_over_raw_samples_and_noise(level: int) -> None:
    data, sigma = skewed_samples(), float(SIGMAS[level])
    weight, bias = (part.numpy() for part in maps())

    def error(noise: np.ndarray) -> float:
        residual = (data + sigma * noise) @ weight[level].T + bias[level] - data
        return float((residual**2).sum(1).mean())

    loss = ExactDenoisingLoss(np.cov(data.T, bias=True), data.mean(0))
    assert float(loss(*maps(), SIGMAS)[level]) == pytest.approx(over_noise(error), rel=1e-12)


@pytest.mark.parametrize("level", range(3))
def test_flow_matching_loss_is_the_mean_over_raw_samples_and_noise(level: int) -> None:
    data, time = skewed_samples(), 1.0 / (1.0 + float(SIGMAS[level]))
    weight, bias = (part.numpy() for part in maps())

    def error(noise: np.ndarray) -> float:
        velocity = (time * data + (1.0 - time) * noise) @ weight[level].T + bias[level]
        return float(((velocity - (data - noise)) ** 2).sum(1).mean())

    loss = ExactFlowMatchingLoss(np.cov(data.T, bias=True), data.mean(0))
    assert float(loss(*maps(), SIGMAS)[level]) == pytest.approx(over_noise(error), rel=1e-12)


def test_flow_matching_is_denoising_weighed_by_the_time_left_to_the_data() -> None:
    data = skewed_samples()
    moments = np.cov(data.T, bias=True), data.mean(0)
    weight, bias = maps()
    time = (1.0 / (1.0 + SIGMAS))[:, None, None]
    denoiser = time * (torch.eye(3) + (1.0 - time) * weight), (1.0 - time[..., 0]) * bias
    denoising = ExactDenoisingLoss(*moments)(*denoiser, SIGMAS)
    torch.testing.assert_close(
        ExactFlowMatchingLoss(*moments)(weight, bias, SIGMAS), denoising / (1.0 - time[:, 0, 0]) ** 2
    )


@pytest.mark.parametrize("member", EXACT_LOSSES)
def test_losses_have_the_precision_of_the_map(member) -> None:
    assert member.equation
    loss = exact_loss(member.name, np.eye(3))
    exact, single = loss(*maps(), SIGMAS), loss(*maps(torch.float32), SIGMAS)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=0.0)


def test_bad_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="symmetric"):
        ExactDenoisingLoss([[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"\(d, d\)"):
        ExactDenoisingLoss(np.ones(3))
    with pytest.raises(ValueError, match=r"mean must have shape \(2,\)"):
        ExactDenoisingLoss(np.eye(2), np.zeros(3))
    with pytest.raises(ValueError, match="non-finite"):
        ExactFlowMatchingLoss(np.diag([1.0, np.nan]))
    with pytest.raises(ValueError, match="d = 2"):
        ExactDenoisingLoss(np.eye(2))(*maps(), SIGMAS)
    with pytest.raises(ValueError, match="denoising"):
        exact_loss("denoise", np.eye(2))


def test_a_negative_variance_is_refused():
    with pytest.raises(ValueError, match="covariance must be positive semi-definite, got the eigenvalue -1"):
        exact_loss("denoising", -np.eye(2))
