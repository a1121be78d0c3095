"""Heun's method on a grid, as the theory sees it."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.sigma_grid import karras
from scorelens.dynamics import (
    ExactSampler,
    HeunSampler,
    OneLayer,
    PreconditionedOneLayer,
    generated_variance_on_grid,
)

LOW, HIGH = 0.002, 80.0
LAWS = [OneLayer(0.3), PreconditionedOneLayer.edm(), PreconditionedOneLayer.edm(initial_weight=0.4)]


def _heun_by_hand(gain, sigmas):
    """The sampler itself on one number: dx/dsigma = (x - gain(sigma) x) / sigma."""
    x = sigmas[0]
    for i in range(len(sigmas) - 1):
        step, slope = sigmas[i + 1] - sigmas[i], (1 - gain[i]) * x / sigmas[i]
        euler = x + step * slope
        x = x + step * 0.5 * (slope + (1 - gain[i + 1]) * euler / sigmas[i + 1])
    return x


def test_variance_on_a_grid_is_that_of_the_sampler():
    sigmas = karras(12, LOW, HIGH)
    gain = np.linspace(0.01, 0.97, 12)
    assert float(generated_variance_on_grid(gain, sigmas)) == pytest.approx(
        _heun_by_hand(gain, sigmas) ** 2, rel=1e-13
    )
    last = float(generated_variance_on_grid(gain, sigmas, denoise_last=True))
    assert last == pytest.approx((0.97 * _heun_by_hand(gain, sigmas)) ** 2, rel=1e-13)


def test_twenty_steps_inflate_small_modes_of_a_perfect_denoiser():
    # Stated values of the preconditioned law, [E11].
    lam = np.array([100.0, 5.0, 1.0, 0.25, 0.01, 1e-3, 1e-4])
    for last, stated in (
        (False, [1.019, 1.056, 1.072, 1.089, 1.148, 1.218, 1.364]),
        (True, [1.019, 1.056, 1.072, 1.089, 1.147, 1.208, 1.261]),
    ):
        sampler = HeunSampler(karras(20, LOW, HIGH), denoise_last=last)
        np.testing.assert_allclose(np.exp(sampler.log_limit(OneLayer(), lam)) / lam, stated, atol=6e-4)
    forty = HeunSampler(karras(40, LOW, HIGH)).log_limit(OneLayer(), lam[:-1])
    assert np.exp(forty - np.log(lam[:-1])).max() < 1.05


@pytest.mark.parametrize("law", LAWS)
def test_grid_converges_to_the_ode_at_second_order(law):
    lam, time = np.array([3.0, 0.02]), 2.0
    exact = ExactSampler(LOW, HIGH).log_variance(law, lam, time)
    errors = [
        np.abs(HeunSampler(karras(n, LOW, HIGH)).log_variance(law, lam, time) - exact).max()
        for n in (200, 400)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("last", [False, True])
def test_slope_is_the_derivative_and_start_and_limit_fit(law, last):
    sampler, lam = HeunSampler(karras(30, LOW, HIGH), last), np.array([3.0, 0.02, 0.0])
    trajectory, time, step = sampler.trajectory(law, lam), np.array([[0.3], [9.0]]), 1e-5
    ahead, behind = trajectory.growth(time * (1 + step)), trajectory.growth(time * (1 - step))
    growth, slope = trajectory.growth_and_slope(time)
    np.testing.assert_allclose((ahead - behind) / (2 * step), time * slope, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(growth, trajectory.growth(time), rtol=1e-13, atol=1e-14)
    assert np.all(np.abs(trajectory.growth(0.0)) < 1e-14)
    late = sampler.log_variance(law, lam[:2], 1e10)
    np.testing.assert_allclose(late, sampler.log_limit(law, lam[:2]), atol=1e-6)
    np.testing.assert_allclose(
        sampler.log_way(law, lam), sampler.log_limit(law, lam) - sampler.log_start(law, lam), rtol=1e-14
    )


def test_exact_way_keeps_its_digits_near_the_start():
    law, lam = PreconditionedOneLayer.edm(), 0.25 * (1 + 1e-9)
    way = float(ExactSampler(LOW, HIGH).log_way(law, lam))
    # d log(limit) / d log(lambda), times 1e-9
    slope = lam / (lam + LOW**2) - lam / (lam + HIGH**2)
    assert way == pytest.approx(1e-9 * slope, rel=1e-6)


@pytest.mark.parametrize(
    "sigmas", [np.array([1.0]), np.array([1.0, 2.0]), np.array([2.0, 1.0, 0.0]), np.array([[2.0, 1.0]])]
)
def test_bad_grids_are_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas"):
        HeunSampler(sigmas)
    with pytest.raises(ValueError, match="sigmas"):
        generated_variance_on_grid(np.ones(len(sigmas)), sigmas)


def test_gains_must_fit_the_grid_and_be_finite():
    with pytest.raises(ValueError, match="one row per sigma"):
        generated_variance_on_grid(np.ones(3), np.array([2.0, 1.0]))
    with pytest.raises(ValueError, match="gain"):
        generated_variance_on_grid(np.array([1.0, np.nan]), np.array([2.0, 1.0]))


def test_a_gain_that_kills_a_mode_gives_variance_zero_without_a_warning():
    # Euler step to zero with gain 0.
    assert generated_variance_on_grid(np.array([0.5, 0.0]), np.array([2.0, 1.0]), denoise_last=True) == 0.0
