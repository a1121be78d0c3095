"""The optimal denoiser of a planted manifold fits the points that are planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.analysis.planted import exact_denoiser, planted
from scorelens.data import load, manifolds

SPECS = {source.name: f"{source.name}:dim=2,ambient=9,n=1500" for source in manifolds.ALL}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_its_error_is_that_of_the_posterior_mean(name: str, sigma: float) -> None:
    # Only the posterior mean has an error that is uncorrelated with every function of the noisy point.
    x0 = torch.from_numpy(load(SPECS[name], seed=3)[:]).double()
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = x0 + sigma * noise
    denoised = exact_denoiser(SPECS[name], seed=3)(x, sigma)
    error = denoised - x0
    for test in (torch.ones_like(x), x, x**3 / (1 + x**2), denoised - x):
        product = error * test / (test.square().mean(0) * error.square().mean(0)).sqrt().clamp(min=1e-12)
        z = product.mean(0) / (product.std(0) / np.sqrt(len(x)))
        assert z.abs().max() < 4.5


def test_another_seed_is_another_place() -> None:
    x = torch.from_numpy(load(SPECS["sphere"], seed=3)[:100]).double()
    own, other = (exact_denoiser(SPECS["sphere"], seed)(x, 0.05) for seed in (3, 4))
    assert (own - x).norm(dim=1).max() < 0.01
    assert (other - x).norm(dim=1).median() > 0.1


def test_other_data_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown planted manifold 'digits'; choose from subspace, sphere"):
        planted("digits")
    with pytest.raises(ValueError, match=r"noise must be 0 for a manifold, got 0\.1"):
        exact_denoiser("sphere:noise=0.1")
