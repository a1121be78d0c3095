"""The sampling loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.sigma_grid import karras
from scorelens.sampling import euler, sample


def test_it_visits_the_grid_from_the_first_level_to_the_last() -> None:
    visited = []

    def denoiser(x, sigma):
        visited.append(sigma)
        return 0 * x

    grid = karras(5, 0.1, 2.0)
    sample(denoiser, torch.ones(1, 2), grid, euler)
    assert visited == grid[:-1].tolist()
    visited.clear()
    sample(denoiser, torch.ones(1, 2), grid, euler, denoise_last=True)
    assert visited == grid.tolist()


def test_a_denoiser_that_changes_nothing_leaves_the_first_noise() -> None:
    noise = torch.randn(3, 2)
    torch.testing.assert_close(sample(lambda x, sigma: x, noise, karras(5, 0.1, 7.0)), 7.0 * noise)


def test_the_last_step_to_zero_noise_is_the_denoiser() -> None:
    noise = torch.randn(3, 2)
    grid = karras(5, 0.1, 7.0)
    ended = sample(lambda x, sigma: 0.5 * x, noise, grid)
    torch.testing.assert_close(sample(lambda x, sigma: 0.5 * x, noise, grid, denoise_last=True), 0.5 * ended)


def test_no_gradient_is_kept_and_the_noise_stays() -> None:
    weight = torch.ones(2, requires_grad=True)
    noise = torch.ones(1, 2)
    assert not sample(lambda x, sigma: weight * x, noise, karras(3, 0.1, 1.0)).requires_grad
    assert torch.equal(noise, torch.ones(1, 2))


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ([1.0], r"s >= 2, got shape \(1,\)"),
        ([[2.0, 1.0]], r"got shape \(1, 2\)"),
        ([2.0, 1.0, 0.0], "to end without noise use denoise_last=True"),
        ([2.0, np.nan], "sigmas must be finite"),
        ([1.0, 2.0], "sigmas must descend, got 1 ... 2"),
        ([2.0, 2.0], "sigmas must descend"),
    ],
)
def test_bad_grids_are_refused(sigmas: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample(lambda x, sigma: x, torch.ones(1, 2), np.array(sigmas))
