"""Every weight of the loss under every law of noise levels: the preconditioned law covers them exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scorelens.core.noise_level import FlowTime, LogNormal, LogUniform, Variance
from scorelens.dynamics import (
    LikelihoodWeight,
    NoiseWeight,
    PixelWeight,
    PreconditionedOneLayer,
    ScoreWeight,
    TargetWeight,
    UnitWeight,
    VelocityWeight,
    VWeight,
)
from scorelens.dynamics.laws.loss_weight import WEIGHTS

LOW, HIGH = 0.01, 20.0
NOISES = [LogNormal(-0.5, 1.0), LogUniform(LOW, HIGH), Variance(0.05, 5.0), FlowTime()]
PLAIN = [
    TargetWeight(),
    UnitWeight(),
    PixelWeight(0.7),
    NoiseWeight(),
    VWeight(),
    VelocityWeight(),
    ScoreWeight(),
]
#: The weights again, written as squared errors of what they are named after, from D - x0 = 1 at sigma.
BY_HAND = {
    "unit": lambda s: 1.0 + 0 * s,
    "pixel": lambda s: (s**2 + 0.49) / (s * 0.7) ** 2,
    "noise": lambda s: (1 / s) ** 2,
    "v": lambda s: ((1 + s**2) / (s * np.sqrt(1 + s**2))) ** 2,
    "velocity": lambda s: ((1 + s) / s) ** 2,
    "score": lambda s: (1 / s**2) ** 2,
}


def test_every_weight_is_tested() -> None:
    assert {type(weight) for weight in PLAIN} | {LikelihoodWeight} == set(WEIGHTS)


@pytest.mark.parametrize("weight", PLAIN[1:], ids=lambda weight: weight.name)
def test_a_level_weight_is_the_squared_error_that_it_is_named_after(weight) -> None:
    sigma = np.geomspace(1e-3, 1e3, 13)
    np.testing.assert_allclose(weight.weight(sigma**2), BY_HAND[weight.name](sigma), rtol=1e-12)


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_the_likelihood_counts_levels_by_their_variance_however_they_are_drawn(noise) -> None:
    sigma = np.geomspace(0.06, 4.5, 9)
    effective = noise.density(np.log(sigma)) * LikelihoodWeight(noise).weight(sigma**2)
    np.testing.assert_allclose(effective * sigma**2, 1.0, rtol=1e-12)
    outside = LikelihoodWeight(LogUniform(0.1, 1.0)).weight(np.array([1e-3, 4.0]))
    np.testing.assert_array_equal(outside, 0.0)


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
@pytest.mark.parametrize("weight", [*PLAIN, LikelihoodWeight], ids=lambda weight: weight.name)
def test_generated_variance_is_the_integral_over_all_levels(noise, weight) -> None:
    loss = weight(noise) if weight is LikelihoodWeight else weight
    g, lam, dose = 0.09, np.array([4.0, 0.3, 1e-4]), 3.0
    law = PreconditionedOneLayer.spectral(g, noise, loss=loss)
    ends = [np.log(LOW), *(b for b in noise.jumps if np.log(LOW) < b < np.log(HIGH)), np.log(HIGH)]
    expected = np.zeros(3)
    for low, high in pairwise(ends):
        # Simpson's rule on a fine grid, away from the ends by a hair, with the gains by hand.
        u = np.linspace(low + 1e-12, high - 1e-12, 40_001)
        s2 = np.exp(2 * u)[:, None]
        weight_of_error = (
            (s2 + g) / (s2 * g) if loss.name == "target" else loss.effective(s2, np.ones_like(s2))
        )
        output2, input2 = s2 * g / (s2 + g), 1 / (s2 + g)
        speed = noise.density(u)[:, None] * weight_of_error * output2 * input2 * (lam + s2)
        start, limit = g / (g + s2), lam / (lam + s2)
        change = (limit - start) * -np.expm1(-dose * speed)
        simpson = np.ones(len(u)) * 2
        simpson[1::2], simpson[[0, -1]] = 4, 1
        expected += 2 * (simpson[:, None] * change).sum(0) * (u[1] - u[0]) / 3
    np.testing.assert_allclose(law.log_growth(lam, dose, LOW, HIGH), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("loss", [NoiseWeight(), VelocityWeight(), ScoreWeight()], ids=lambda loss: loss.name)
def test_speeds_change_no_faster_than_they_say(loss) -> None:
    u = np.linspace(np.log(1e-3), np.log(1e3), 4001)
    for g, lam in [(1e-6, 1e6), (1e6, 1e-6), (0.1, 0.1)]:
        law = PreconditionedOneLayer.spectral(g, FlowTime(), loss=loss)
        slope = np.abs(np.gradient(np.log(law.speed(lam, np.exp(2 * u))), u))
        assert np.all(slope <= law.steepness(u) + 1e-3)
