"""What every sampler step must be; registering a step buys these tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens import sampling
from scorelens.core.linear_denoiser import LinearDenoiser
from scorelens.core.sigma_grid import karras
from scorelens.sampling import Step, sample

ALL = [member() for member in sampling.ALL]
every_step = pytest.mark.parametrize("step", ALL, ids=lambda s: s.name)

VARIANCES = np.array([5.0, 1.0, 0.2])
MEAN = np.array([0.5, -1.0, 2.0])
LAST, FIRST = 0.1, 10.0


def gaussian_denoiser() -> LinearDenoiser:
    return LinearDenoiser(MEAN, np.eye(3), lambda sigma: VARIANCES / (VARIANCES + sigma[:, None] ** 2), (3,))


def exact(noise: np.ndarray) -> np.ndarray:
    # learning dynamics, section 4.2: x - mean shrinks as sqrt(variance + sigma^2)
    return MEAN + (FIRST * noise - MEAN) * np.sqrt((VARIANCES + LAST**2) / (VARIANCES + FIRST**2))


@every_step
def test_error_falls_with_the_declared_order(step: Step) -> None:
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = np.array([200, 400, 800])
    errors = [
        np.abs(
            sample(gaussian_denoiser(), noise, karras(n, LAST, FIRST), step).numpy() - exact(noise.numpy())
        ).max()
        for n in counts
    ]
    slope = -np.polyfit(np.log(counts - 1), np.log(errors), 1)[0]
    assert slope == pytest.approx(step.order, abs=0.1)
    assert errors[-1] < 0.05


@every_step
def test_number_of_evaluations_is_the_declared_one(step: Step) -> None:
    calls = []

    def denoiser(x, sigma):
        calls.append(sigma)
        return 0 * x

    step(denoiser, torch.ones(2, 3), 2.0, 1.0)
    assert len(calls) == step.evaluations
    assert min(calls) > 0


@every_step
def test_straight_paths_are_exact(step: Step) -> None:
    # one data point: D is constant, and the paths to it are straight in sigma
    point = torch.tensor([1.0, -2.0], dtype=torch.float64)
    x = torch.randn(3, 2, dtype=torch.float64)
    out = step(lambda x, sigma: point.expand_as(x), x, 4.0, 1.0)
    torch.testing.assert_close(out, point + (x - point) / 4)


@every_step
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(step: Step, dtype: torch.dtype) -> None:
    out = sample(lambda x, sigma: 0 * x, torch.ones(2, 1, 4, 4, dtype=dtype), karras(4, 0.1, 1.0), step)
    assert out.shape == (2, 1, 4, 4)
    assert out.dtype == dtype


@every_step
def test_facts(step: Step) -> None:
    assert step.order >= 1
    assert step.reference
    assert len({member.name for member in ALL}) == len(ALL)
