"""Independent unequal layers: against integrated gradient flow, closed forms, and what training conserves."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import AsymmetricTwoLayer, DeepLinear, layer_values

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/golden_dynamics.json").read_text())["cases"]


def _gradient_flow(layers, lam, noise, time):
    """Layers after ``time`` by the Taylor series of the gradient of the loss in 20 digits."""

    def descent(_, values):
        gain = mp.fprod(values)
        pull = lam * (1 - gain) - noise * gain
        return [pull * mp.fprod(values[:i] + values[i + 1 :]) for i in range(len(values))]

    with mp.workdps(20):
        return [float(value) for value in mp.odefun(descent, 0, [mp.mpf(a) for a in layers])(time)]


@pytest.mark.parametrize(
    ("layers", "lam", "noise", "time"),
    [
        ([0.6, 0.3, 0.9], 1.0, 0.25, 0.48),
        ([0.4, -0.05, 0.7], 1.5, 0.5, 0.8),  # the smallest layer changes its sign
        ([-0.4, 0.4, 0.9], 1.0, 0.5, 1.0),  # two equal layers keep their signs: stuck
        ([1.4, -1.2, -1.3, 1.1], 0.3, 0.6, 0.2),  # from above
        ([0.0, 0.5, -0.8], 1.0, 1.0, 0.6),
        ([0.8, 0.7], 0.0, 0.5, 4.0),
        ([-0.9], 2.0, 1.0, 0.7),
    ],
)
def test_layers_follow_the_gradient_of_the_loss(layers, lam, noise, time):
    found = layer_values(layers, lam, noise, time)
    np.testing.assert_allclose(found, _gradient_flow(layers, lam, noise, time), rtol=1e-12)


def test_equal_layers_are_the_balanced_deep_network():
    rng = np.random.default_rng(3)
    for depth in (2, 3, 5, 12):
        for _ in range(12):
            lam, noise, layer = 10.0 ** rng.uniform((-12, -5, -1.5), (6, 3, 0.3))
            time = min(10.0 ** rng.uniform(-1.0, 1.0) / (lam * layer ** (depth - 2)), 1e12)
            found = np.prod(layer_values([layer] * depth, lam, noise, time))
            law = DeepLinear(depth, layer**depth)
            exact = law.gain(lam, noise, time)
            condition = np.abs(time * law.rate(exact, lam, noise) / exact)
            assert found == pytest.approx(float(exact), rel=1e-12 + 1e-14 * condition)


def test_two_layers_are_the_asymmetric_law_at_any_time():
    rng = np.random.default_rng(4)
    for _ in range(60):
        lam, noise = 10.0 ** rng.uniform((-12, -5), (6, 3))
        pair = rng.choice([-1.0, 1.0], 2) * 10.0 ** rng.uniform(-6.0, 0.5, 2)
        time = rng.choice([10.0 ** rng.uniform(-8.0, 12.0), min(10.0 ** rng.uniform(-1.0, 1.5) / lam, 1e12)])
        law = AsymmetricTwoLayer(*pair)
        exact = float(law.gain(lam, noise, time))
        condition = abs(time * float(law.rate(np.array(exact), lam, noise)) / exact)
        assert np.prod(layer_values(pair, lam, noise, time)) == pytest.approx(
            exact, rel=1e-11 + 1e-14 * condition
        )


def test_training_conserves_differences_of_squares_for_ever():
    layers = np.array([0.7, -1e-4, -0.2, 1.9, 0.2])
    for time in (1e-8, 1.0, 1e4, 1e12):
        later = layer_values(layers, 3.0, 0.2, time)
        np.testing.assert_allclose(
            later**2 - later[1] ** 2, layers**2 - layers[1] ** 2, rtol=1e-13, atol=1e-15
        )
        assert np.all(np.sign(np.delete(later, 1)) == np.sign(np.delete(layers, 1)))
    assert np.prod(later) == pytest.approx(3.0 / 3.2, rel=1e-12)


def test_extreme_times_and_starts_are_finite():
    rng = np.random.default_rng(5)
    for _ in range(60):
        layers = rng.choice([-1.0, 0.0, 1.0], 6, p=[0.45, 0.1, 0.45]) * 10.0 ** rng.uniform(-6.0, 0.5, 6)
        layers[1] = layers[0]
        lam, noise, time = 10.0 ** rng.uniform((-12, -5, -8), (6, 3, 12))
        assert np.isfinite(layer_values(layers, rng.choice([0.0, lam]), noise, time)).all()


def test_golden_numbers():
    cases = [case for case in GOLDEN if case["model"] == "deep_layers"]
    for case in cases:
        p = case["params"]
        found = layer_values(p["a0s"], p["lam"], p["sigma"] ** 2, 2.0 * p["eta"] * p["tau"])
        np.testing.assert_allclose(found, case["value"], rtol=0.01 * case["tol_rel"])
    assert cases


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="vector of at least one layer, got shape"):
        layer_values(np.ones((1, 1)), 1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="initial_layers"):
        layer_values([np.nan], 1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="eigenvalue"):
        layer_values([1.0], -1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="noise_variance"):
        layer_values([1.0], 1.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="flow_time"):
        layer_values([1.0], 1.0, 1.0, -1.0)
