"""The untied two-layer law: random points of the box against multi-precision arithmetic, and its limits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from scorelens.dynamics import AsymmetricTwoLayer, OneLayer, SymmetricTwoLayer, gain_emergence_time

LOW, HIGH = 0.002, 80.0
LEAST = mp.mpf(10) ** -45


def _point(rng):
    eigenvalue = float(rng.choice([0.0, 10 ** rng.uniform(-12, 6)]))
    first = float(rng.choice([0.0, rng.normal(), 10 ** rng.uniform(-9, 1)]))
    near = (1 + 1e-9) * first
    second = float(rng.choice([first, -first, 0.0, rng.normal(), near, -near, 10 ** rng.uniform(-9, 1)]))
    return eigenvalue, 10 ** rng.uniform(-5.4, 3.8), 10 ** rng.uniform(-8, 12), first, second


def _exact(eigenvalue, noise, time, first, second):
    """Gain and gap to its limit: the solution of the Riccati equation of ``s = (f + g)^2`` by its two
    roots."""
    pull, brake, time, f, g = map(mp.mpf, (eigenvalue, eigenvalue, time, first, second))
    brake += mp.mpf(noise)
    conserved, start = f * f - g * g, (f + g) ** 2
    if start == 0:  # opposite factors: the square of their difference shrinks
        left, size = mp.exp(-2 * pull * time), (f - g) ** 2
        elapsed = (1 - left) / (2 * pull) if pull > 0 else time
        gain = -size * left / (1 + brake * size / 2 * elapsed) / 4
        return gain, gain
    rate = mp.sqrt(4 * pull**2 + (brake * conserved) ** 2)
    if rate == 0:
        gain = f * g / (1 + 2 * brake * time * f * g)
        return gain, gain
    up, down = (2 * pull + rate) / brake, (2 * pull - rate) / brake
    ratio = (start - up) / (start - down) * mp.exp(-rate * time)
    s = (up - down * ratio) / (1 - ratio)
    return (s - conserved**2 / s) / 4, ratio * (rate / brake / (1 - ratio)) ** 2 / s


@pytest.mark.parametrize("seed", range(150))
def test_random_point_of_the_box(seed):
    rng = np.random.default_rng(seed)
    with mp.workdps(70):
        eigenvalue, noise, time, first, second = _point(rng)
        law = AsymmetricTwoLayer(first, second)
        gain, gap = _exact(eigenvalue, noise, time, first, second)
        start = mp.mpf(first) * mp.mpf(second)
        if abs(gain) > LEAST:
            assert abs(mp.mpf(float(law.gain(eigenvalue, noise, time))) / gain - 1) < 1e-11
        change = gain - start
        if abs(change) > LEAST:
            assert abs(mp.mpf(float(law.change(eigenvalue, noise, time))) / change - 1) < 1e-11
        if abs(gap) > LEAST:
            sign, size = law.log_gap(eigenvalue, noise, time)
            assert int(sign) == mp.sign(gap)
            assert abs(mp.mpf(float(size)) - mp.log(abs(gap))) < 1e-11 * (1 + abs(mp.log(abs(gap))))
        if abs(change) > 1e-20 and abs(gap) > LEAST:
            way = float(change), float(-gap)
            taken = law.travel_time(first * second, *way, eigenvalue, noise)
            assert float(taken) == pytest.approx(time, rel=1e-9)


@pytest.mark.parametrize("pair", [(0.6, -0.2), (0.3, 0.1), (-0.4, 0.4), (-0.2, -0.9), (0.0, 0.5)])
def test_layers_are_the_solution_of_gradient_flow(pair):
    mode, noise, end = 1.0, 0.49, 2.5
    ode = solve_ivp(
        lambda _, y: (mode - (mode + noise) * y[0] * y[1]) * y[::-1], (0.0, end), pair, rtol=1e-11, atol=1e-13
    )
    law = AsymmetricTwoLayer(*pair)
    np.testing.assert_allclose(law.layers(mode, noise, end), ode.y[:, -1], rtol=1e-9)
    assert float(np.prod(law.layers(mode, noise, end))) == pytest.approx(float(law.gain(mode, noise, end)))


def test_equal_factors_learn_at_half_the_pace_of_a_tied_network():
    modes, times = np.array([3.0, 0.2]), np.array([[0.1], [2.0]])
    untied = AsymmetricTwoLayer(0.3, 0.3)
    tied = SymmetricTwoLayer(0.09)
    np.testing.assert_allclose(untied.gain(modes, 0.5, times), tied.gain(modes, 0.5, 0.5 * times), rtol=1e-13)
    np.testing.assert_allclose(
        untied.log_generated_variance(modes, times, LOW, HIGH),
        tied.log_generated_variance(modes, 0.5 * times, LOW, HIGH),
        rtol=1e-11,
    )


def test_very_unequal_factors_learn_like_one_layer():
    large = 200.0
    lazy = AsymmetricTwoLayer(large, 0.1 / large)
    time = np.array([0.3, 1.0, 4.0])
    np.testing.assert_allclose(
        lazy.gain(0.8, 0.4, time / large**2), OneLayer(0.1).gain(0.8, 0.4, time), rtol=1e-4
    )


def test_opposite_factors_are_stuck_and_the_status_says_so():
    law = AsymmetricTwoLayer(0.4, -0.4)
    assert bool(law.stuck(1.0, 0.5))
    assert law.limit_gain(1.0, 0.5) == 0.0
    assert -1e-100 < law.gain(1.0, 0.5, 150.0) < 0.0
    assert gain_emergence_time(law, 1.0, 0.5, criterion="arithmetic").status == "stuck"


@pytest.mark.parametrize("pair", [(0.4, 0.1), (0.3, -0.29999), (2.0, 1.0), (1e-4, 1e-5), (0.5, 0.0)])
def test_generated_variance_against_multiprecision(pair):
    with mp.workdps(25):
        for eigenvalue, time in ((0.7, 1.2), (1e-9, 1e7), (1e4, 1e-4), (0.0, 50.0)):
            edges = [mp.log(LOW) + (mp.log(HIGH) - mp.log(LOW)) * i / 24 for i in range(25)]
            exact = 2 * mp.log(HIGH) + 2 * mp.quad(
                lambda u, k=eigenvalue, t=time: _exact(k, mp.exp(2 * u), t, *pair)[0] - 1, edges
            )
            got = AsymmetricTwoLayer(*pair).log_generated_variance(eigenvalue, time, LOW, HIGH)
            assert float(got) == pytest.approx(float(exact), rel=1e-10)
