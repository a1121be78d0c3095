"""Laws of whole weight matrices, sampled like any network, generate the mean and covariance they predict."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.sigma_grid import karras
from scorelens.dynamics import DenseOneLayer, SpectralMatrixLaw, TwoLayerOverlaps
from scorelens.sampling import sample

DATA = np.array([[1.0, 0.4], [0.4, 0.5]])
LAWS = [
    DenseOneLayer(DATA, [1.0, -2.0], [[0.3, 0.1], [-0.2, 0.2]], [0.1, 0.0]),
    TwoLayerOverlaps(DATA, np.array([[0.5, 0.1], [-0.3, 0.4]])),
    SpectralMatrixLaw(DATA, np.diag([0.7, 0.7]), initial_weight=0.3),
]
TIME, LOW, HIGH = 0.8, 0.05, 10.0


def sampled_moments(law, n_levels):
    """Exact mean and covariance of what the sampler makes: it is affine, so three inputs tell all."""
    inputs = torch.tensor(np.vstack([np.zeros(2), np.eye(2)]))
    made = sample(law.denoiser(TIME), inputs, karras(n_levels, LOW, HIGH)).numpy()
    map_ = (made[1:] - made[0]).T
    return made[0], map_ @ map_.T


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_sampler_generates_what_the_law_predicts(law):
    mean, covariance = law.generated_moments(TIME, LOW, HIGH)
    errors = []
    for n_levels in (40, 80):
        found = sampled_moments(law, n_levels)
        errors.append(max(np.abs(found[0] - mean).max(), np.abs(found[1] - covariance).max()))
    # Heun's method is of order two: twice the levels, a quarter of the error.
    assert errors[1] < 0.04 * np.abs(covariance).max()
    assert 3.3 < errors[0] / errors[1] < 4.6


def test_moments_of_actual_samples():
    law, n = LAWS[0], 20_000
    noise = torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made = sample(law.denoiser(TIME), noise, karras(120, LOW, HIGH)).numpy()
    mean, covariance = law.generated_moments(TIME, LOW, HIGH)
    error = np.sqrt(np.diag(covariance) / n)
    assert np.all(np.abs(made.mean(axis=0) - mean) < 4.5 * error + 1e-3)
    assert np.all(error < 0.05 * np.abs(mean))
    spread = made.var(axis=0)
    assert np.all(np.abs(spread - np.diag(covariance)) < (4.5 * np.sqrt(2 / n) + 0.01) * np.diag(covariance))
