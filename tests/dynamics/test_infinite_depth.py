"""The limit of infinite depth: against Lambert's function in 50 digits, and against ever deeper networks."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import DeepLinear, InfiniteDepth

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/golden_dynamics.json").read_text())["cases"]
N_POINTS = 80


def _exact(gain, lam, noise, time):
    """Gain by (9.5), and that gain less its limit."""
    gain, lam, time, total = mp.mpf(gain), mp.mpf(lam), mp.mpf(time), mp.mpf(lam) + mp.mpf(noise)
    if lam == 0:
        later = mp.sign(gain) / mp.sqrt(gain**-2 + 2 * total * time)
        return later, later
    zeta = lam / (total * gain) - 1
    argument = zeta * mp.exp(zeta - lam**2 * time / total)
    root = mp.lambertw(argument, -1 if gain < 0 else 0).real
    later = lam / total / (1 + root)
    return later, later if gain < 0 else -lam / total * root / (1 + root)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(12)
    lam = np.where(rng.random(N_POINTS) < 0.1, 0.0, 10.0 ** rng.uniform(-12.0, 6.0, N_POINTS))
    noise = 10.0 ** rng.uniform(-5.4, 3.8, N_POINTS)
    gain = rng.choice([1.0, 1.0, 1.0, -1.0], N_POINTS) * 10.0 ** rng.uniform(-6.0, 0.5, N_POINTS)
    time = np.minimum(10.0 ** rng.uniform(-3.0, 1.5, N_POINTS) / (gain**2 * (lam + noise)), 1e12)
    with mp.workdps(400):  # the branch point of Lambert's function costs digits
        exact = [_exact(*each) for each in zip(gain, lam, noise, time, strict=True)]
    return gain, lam, noise, time, exact


def _condition(gain, lam, noise, time):
    """How many times a rounding of the flow time is enlarged in the gain."""
    law, later = InfiniteDepth(gain), InfiniteDepth(gain).gain(lam, noise, time)
    return 1.0 + np.abs(time * law.rate(later, lam, noise) / later)


def test_gain_change_and_gap_are_those_of_lamberts_function(drawn):
    gain, lam, noise, time, exact = drawn
    law, granted = InfiniteDepth(gain), 1e-13 + 4e-15 * _condition(*drawn[:4])
    later = np.array([float(place) for place, _ in exact])
    np.testing.assert_array_less(np.abs(law.gain(lam, noise, time) / later - 1.0), granted)

    moved = np.array([float(place - mp.mpf(start)) for (place, _), start in zip(exact, gain, strict=True)])
    pull = 1.0 + np.abs(lam / (lam - (lam + noise) * gain))
    change = law.change(lam, noise, time)
    np.testing.assert_array_less(
        np.abs(change / moved - 1.0), granted * np.abs(1.0 + gain / moved) + 1e-14 * pull
    )

    sign, size = law.log_gap(lam, noise, time)
    expected = np.array([float(mp.log(abs(gap))) for _, gap in exact])
    np.testing.assert_array_equal(sign, [float(mp.sign(gap)) for _, gap in exact])
    steep = 4e-15 * time * (lam + noise) * later**2
    np.testing.assert_array_less(
        np.abs(size - expected), 1e-12 * np.maximum(1.0, np.abs(expected)) + steep + 1e-14 * pull
    )


def test_the_branch_point_of_lamberts_function_costs_no_digits():
    # lambda << beta c0: the argument of W is within 1e-22 of -1/e.
    gain, lam, noise, time = 0.8, 1e-11, 2.0, 3.0
    with mp.workdps(60):
        exact = float(_exact(gain, lam, noise, time)[0])
    assert float(InfiniteDepth(gain).gain(lam, noise, time)) == pytest.approx(exact, rel=1e-14)


def test_it_is_the_limit_of_depth_only_if_the_learning_rate_falls_with_depth():
    gain, lam, noise, time = 0.1, 1.0, 0.49, 8.0
    limit = float(InfiniteDepth(gain).gain(lam, noise, time))
    for tied in (False, True):
        depths = np.array([500, 1000, 2000])
        slowed = [DeepLinear(n, gain, tied).gain(lam, noise, time / n ** (2 if tied else 1)) for n in depths]
        error = np.abs(np.array(slowed) - limit)
        np.testing.assert_allclose(error * depths, error[0] * depths[0], rtol=0.02)
    # At a fixed learning rate it jumps: all depths that large have learned by the time the limit would start.
    at_once = float(DeepLinear(100_000, gain).gain(lam, noise, time))
    assert at_once == pytest.approx(lam / (lam + noise), rel=1e-9)
    assert limit < 0.5 * at_once


def test_golden_numbers():
    cases = [case for case in GOLDEN if case["model"] == "deep_infinite"]
    for case in cases:
        p = case["params"]
        found = InfiniteDepth(p["c0"]).gain(p["lam"], p["sigma"] ** 2, p["kappa_tau"])
        assert float(found) == pytest.approx(case["value"], rel=0.01 * case["tol_rel"])
    assert cases


def test_no_gain_crosses_zero():
    law = InfiniteDepth(np.array([-0.5, 0.0, 0.5]))
    assert law.stuck(1.0, 1.0).tolist() == [True, True, False]
    late = law.gain(1.0, 1.0, 1e10)
    assert -1e-9 < late[0] < 0.0
    assert late[1] == 0.0
    assert late[2] == pytest.approx(0.5, rel=1e-12)
    with pytest.raises(ValueError, match="initial_gain"):
        InfiniteDepth(np.inf)
