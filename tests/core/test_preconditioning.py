"""Scalings of preconditioning against what they are chosen for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.preconditioning import matched_scalings, spectral_skip_scalings

SIGMA = np.geomspace(0.002, 80, 15)[:, None]
VARIANCE = np.array([4.0, 0.25, 1e-3])


def test_input_and_target_have_unit_variance() -> None:
    # Karras et al. 2022, Appendix B.6: x = x0 + sigma n, target = (x0 - skip x) / output
    scale = matched_scalings(VARIANCE, SIGMA)
    np.testing.assert_allclose(scale.input**2 * (VARIANCE + SIGMA**2), 1, rtol=1e-13)
    target = (1 - scale.skip) ** 2 * VARIANCE + scale.skip**2 * SIGMA**2
    np.testing.assert_allclose(target / scale.output**2, 1, rtol=1e-12)


def test_the_edm_scalars_are_those_printed() -> None:
    # [E1]
    g = 0.25
    scale = matched_scalings(g, SIGMA)
    np.testing.assert_allclose(scale.skip, g / (g + SIGMA**2), rtol=1e-14)
    np.testing.assert_allclose(scale.output, SIGMA * np.sqrt(g) / np.sqrt(g + SIGMA**2), rtol=1e-14)
    np.testing.assert_allclose(scale.output * scale.input, SIGMA * np.sqrt(g) / (g + SIGMA**2), rtol=1e-14)


def test_the_skip_is_the_optimal_gain_and_leaves_an_uncorrelated_target() -> None:
    scale = matched_scalings(VARIANCE, SIGMA)
    np.testing.assert_allclose((1 - scale.skip) * VARIANCE - scale.skip * SIGMA**2, 0, atol=1e-12)


def test_spectral_skip_has_unit_mean_variances() -> None:
    # [E32]: one scalar each for all modes, right on average over the modes
    posterior = (SIGMA**2 * VARIANCE / (VARIANCE + SIGMA**2)).mean(axis=1, keepdims=True)
    scale = spectral_skip_scalings(VARIANCE, SIGMA, posterior, VARIANCE.mean())
    np.testing.assert_allclose((scale.input**2 * (VARIANCE + SIGMA**2)).mean(axis=1), 1, rtol=1e-12)
    target = (1 - scale.skip) ** 2 * VARIANCE + scale.skip**2 * SIGMA**2
    np.testing.assert_allclose((target / scale.output**2).mean(axis=1), 1, rtol=1e-12)


def test_equal_variances_make_both_the_same() -> None:
    posterior = SIGMA**2 * 0.25 / (0.25 + SIGMA**2)
    for one, other in zip(
        spectral_skip_scalings(0.25, SIGMA, posterior, 0.25), matched_scalings(0.25, SIGMA), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("name", ["skip", "output", "input"])
def test_torch_agrees_with_numpy(name: str) -> None:
    made = getattr(matched_scalings(torch.tensor(VARIANCE), torch.tensor(SIGMA)), name)
    np.testing.assert_allclose(made.numpy(), getattr(matched_scalings(VARIANCE, SIGMA), name), rtol=1e-14)
