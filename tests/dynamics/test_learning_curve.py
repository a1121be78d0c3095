"""Learning curves against the definition of the loss and against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.dynamics import (
    DataModes,
    OneLayer,
    PreconditionedOneLayer,
    average_learning_curve,
    denoising_task,
    edm_weight,
    learning_curve,
    regression_of_task,
)

LAM, SIGMA, TIMES = np.array([2.0, 0.3, 0.0]), np.array([0.2, 1.5]), np.array([0.0, 0.7, 40.0])
LAWS = [OneLayer(0.3), PreconditionedOneLayer.edm(initial_weight=-0.2)]


@pytest.mark.parametrize("law", LAWS)
def test_loss_is_its_definition(law):
    curve = learning_curve(law, LAM, SIGMA, TIMES)
    noise = SIGMA[:, None] ** 2
    gain = law.gain(LAM, noise, TIMES[:, None, None])
    expected = (LAM * (gain - 1) ** 2 + noise * gain**2).sum(axis=-1)
    np.testing.assert_allclose(curve.loss, expected, rtol=1e-12)
    np.testing.assert_allclose(curve.minimum, (noise * LAM / (LAM + noise)).sum(axis=-1), rtol=1e-14)


def test_loss_by_monte_carlo():
    rng, law, sigma, time, n = np.random.default_rng(0), OneLayer(0.1), 0.8, 0.5, 40_000
    x0 = rng.standard_normal((n, 3)) * np.sqrt(LAM)
    x = x0 + sigma * rng.standard_normal((n, 3))
    losses = ((law.gain(LAM, sigma**2, time) * x - x0) ** 2).sum(axis=1)
    estimate, error = losses.mean(), losses.std() / np.sqrt(n)
    exact = float(learning_curve(law, LAM, np.array([sigma]), np.array([time])).loss[0, 0])
    assert abs(estimate - exact) < 4.5 * error
    assert error < 0.05 * exact


def test_excess_falls_at_twice_the_speed_and_keeps_its_digits():
    law = OneLayer(0.0)
    curve = learning_curve(law, np.array([1.0]), np.array([1.0]), np.array([0.0, 100.0]))
    assert curve.excess[1, 0] / curve.excess[0, 0] == pytest.approx(np.exp(-2 * 2.0 * 100.0), rel=1e-12)


@pytest.mark.parametrize("noise", [LogNormal(-1.2, 1.2), LogUniform(0.05, 3.0)])
def test_average_over_noise_levels(noise):
    law, weight = PreconditionedOneLayer.edm(noise=noise), edm_weight(0.5)
    found = average_learning_curve(law, LAM, np.array([0.0, 3.0]), noise, weight)
    low, high = (np.log(0.05), np.log(3.0)) if isinstance(noise, LogUniform) else (-11.0, 9.0)

    def at(time, u):
        loss = learning_curve(law, LAM, np.array([np.exp(u)]), np.array([time])).loss[0, 0]
        return float(noise.density(np.array(u)) * weight(np.exp(2 * u)) * loss)

    for i, time in enumerate((0.0, 3.0)):
        expected = quad(lambda u, t=time: at(t, u), low, high, limit=200, epsrel=1e-9)[0]
        assert found.loss[i] == pytest.approx(expected, rel=1e-7)


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="flow_time must be 1-D"):
        learning_curve(OneLayer(), LAM, SIGMA, np.ones((2, 2)))
    with pytest.raises(ValueError, match="sigma"):
        learning_curve(OneLayer(), LAM, np.array([0.0]), TIMES)
    with pytest.raises(ValueError, match="sigma_data"):
        edm_weight(0.0)


def test_bias_and_score_against_the_regression_of_the_whole_layer():
    modes, sigma, times, bias = np.array([1.4, 0.3]), 0.5, np.array([0.0, 0.4, 3.0]), np.array([0.2, -0.7])
    curve = learning_curve(OneLayer(0.2), modes, np.array([sigma]), times, initial_bias=bias)
    whole = regression_of_task(denoising_task("edm", sigma=sigma), DataModes.of(None, np.diag(modes)))
    expected = [whole.excess_loss_after(0.2 * np.eye(2), bias, time) for time in times]
    np.testing.assert_allclose(curve.excess[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(curve.score_error(np.array([sigma]))[:, 0], np.array(expected) / sigma**4)
