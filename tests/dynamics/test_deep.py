"""Products of layers: against 50-digit arithmetic, golden numbers, and gradient descent of a product."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from scorelens.dynamics import (
    AsymmetricTwoLayer,
    DeepLinear,
    DeepResidual,
    OneLayer,
    SymmetricTwoLayer,
    emergence_time,
    gain_emergence_time,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/golden_dynamics.json").read_text())["cases"]
DEEP = [case for case in GOLDEN if case["model"] in ("deep_tied", "deep_balanced", "deep_residual")]
ENOUGH = mp.mpf(10) ** -30
N_POINTS = 30
LAWS = [(1, False), (2, False), (2, True), (3, True), (4, False), (7, False), (40, True), (1001, False)]


# The reference: the time between two gains by (9.2), from hypergeometric functions of 50 digits.


def _reading(power, x, excess):
    """Antiderivative of ``1 / (|x|^power (1 - x))`` on the ray of ``x``; ``excess`` is ``x - 1``."""
    if x < 0:
        return abs(x) ** -power / power * mp.hyp2f1(1, power, power + 1, 1 / x)
    if abs(excess) < ENOUGH:
        below = power if excess > 0 or power == 2 else 1 - power
        return -mp.log(abs(excess)) - (0 if power == 1 else mp.digamma(below) + mp.euler)
    if power == 1:
        return mp.log(x / abs(excess))
    if x < 1:
        return x ** (1 - power) / (1 - power) * mp.hyp2f1(1, 1 - power, 2 - power, x)
    return x**-power / power * mp.hyp2f1(1, power, power + 1, 1 / x)


class _Exact:
    """One mode of one law; a place is the pair of a gain and of that gain less the optimum."""

    def __init__(self, law, gain, lam, noise):
        layers = mp.mpf(law.depth)
        self.power, self.pace = 2 - 2 / layers, layers ** (2 if law.tied else 1)
        self.lam, self.total = mp.mpf(lam), mp.mpf(lam) + mp.mpf(noise)
        self.best = self.lam / self.total
        self.start = (mp.mpf(gain), mp.mpf(gain) - self.best)
        self.limit = mp.mpf(0) if gain < 0 and law.depth > 1 else self.best

    def after(self, change):
        return self.start[0] + change, self.start[1] + change

    def beside_limit(self, gap):
        return self.limit + gap, self.limit - self.best + gap

    def rate(self, place):
        return -self.pace * self.total * place[1] * abs(place[0]) ** self.power

    def time_to(self, place):
        if self.power == 0:
            return mp.log(self.start[1] / place[1]) / self.total
        if self.lam == 0:
            passed = abs(place[0]) ** -self.power - abs(self.start[0]) ** -self.power
            return passed / (self.power * self.pace * self.total)
        first, last = (
            _reading(self.power, gain / self.best, gap / self.best) for gain, gap in (self.start, place)
        )
        return (last - first) / (self.pace * self.lam * self.best ** (self.power - 1))


def _points(rng, n_points, depth, tied):
    lam = np.where(rng.random(n_points) < 0.1, 0.0, 10.0 ** rng.uniform(-12.0, 6.0, n_points))
    noise = 10.0 ** rng.uniform(-5.4, 3.8, n_points)
    gain = 10.0 ** rng.uniform(-6.0, 0.5, n_points)
    if not (tied and depth % 2 == 0):
        gain *= rng.choice([1.0, 1.0, 1.0, -1.0], n_points)
    anywhere = 10.0 ** rng.uniform(-8.0, 12.0, n_points)
    busy = 10.0 ** rng.uniform(-2.0, 1.5, n_points) / (
        np.abs(gain) ** (2 - 2 / depth) * (lam + noise) * depth
    )
    time = np.where(rng.random(n_points) < 0.7, np.minimum(busy, 1e12), anywhere)
    return gain, lam, noise, time


@pytest.fixture(scope="module", params=LAWS, ids=str)
def drawn(request):
    depth, tied = request.param
    gain, lam, noise, time = _points(np.random.default_rng(depth), N_POINTS, depth, tied)
    law = DeepLinear(depth, gain, tied)
    with mp.workdps(50):
        modes = [_Exact(law, *each) for each in zip(gain, lam, noise, strict=True)]
    return law, lam, noise, time, modes


# Errors are measured as time: what the exact law needs to the place given, less the time asked for. The time
# itself is a rounded product, and a start near its optimum a rounded difference: both get 20 roundings.


def _errors(modes, time, places, sizes):
    """Relative error of each place, and the part of it that the roundings of the input explain."""
    errors, granted = [], []
    for mode, t, place, size in zip(modes, time, places, sizes, strict=True):
        speed = abs(mode.rate(place) / size)
        errors.append(float(abs(mode.time_to(place) - mp.mpf(t)) * speed))
        granted.append(4e-15 * float(1 + speed * t + abs(mode.best / mode.start[1])))
    return np.array(errors), np.array(granted)


def test_change_is_exact_everywhere(drawn):
    law, lam, noise, time, modes = drawn
    change = law.change(lam, noise, time)
    with mp.workdps(50):
        moved = np.abs(change) > 0.0
        chosen = [modes[i] for i in np.flatnonzero(moved)]
        # Late, a change says nothing of the time; there the gap is tested.
        places = [mode.after(mp.mpf(step)) for mode, step in zip(chosen, change[moved], strict=True)]
        left = np.array(
            [float(abs((place[0] - m.limit) / m.start[1])) for m, place in zip(chosen, places, strict=True)]
        )
        early = left > 1e-6
        picked = [
            (m, t, p, s)
            for m, t, p, s, e in zip(chosen, time[moved], places, change[moved], early, strict=True)
            if e
        ]
        errors, granted = _errors(*zip(*picked, strict=True))
    assert early.sum() >= 12
    assert np.all(errors < 1e-12 + granted)


def test_gap_is_exact_everywhere(drawn):
    law, lam, noise, time, modes = drawn
    sign, size = law.log_gap(lam, noise, time)
    with mp.workdps(80):
        near = [i for i in range(N_POINTS) if np.isfinite(size[i])]
        gaps = [mp.mpf(sign[i]) * mp.exp(mp.mpf(size[i])) for i in near]
        places = [modes[i].beside_limit(gap) for i, gap in zip(near, gaps, strict=True)]
        errors, granted = _errors([modes[i] for i in near], time[near], places, gaps)
    assert np.all(errors < 1e-12 + 1e-14 * np.abs(size[near]) + granted)


def test_gain_is_start_and_change_and_limit_and_gap(drawn):
    law, lam, noise, time, _ = drawn
    gain = law.evolve(law.initial_gain, lam, noise, time)
    sign, size = law.log_gap(lam, noise, time)
    start, limit = law.start_gain(lam, noise), law.limit_gain(lam, noise)
    from_start, from_limit = start + law.change(lam, noise, time), limit + sign * np.exp(size)
    # Each is right where it does not cancel.
    cancels = np.abs(from_start) < 0.5 * np.abs(start)
    np.testing.assert_allclose(gain, np.where(cancels, from_limit, from_start), rtol=2e-13, atol=1e-290)


def test_travel_time_is_the_time_of_the_way(drawn):
    law, lam, noise, time, modes = drawn
    sign, size = law.log_gap(lam, noise, time)
    way, left = law.change(lam, noise, time), -sign * np.exp(size)
    taken = law.travel_time(law.initial_gain, way, left, lam, noise)
    shown = (np.abs(way) > 1e-13 * np.abs(law.initial_gain)) & (size > -600.0)
    slack = np.array([float(abs(m.best / m.start[1])) for m in modes])
    assert shown.sum() >= 12
    error = np.abs(taken / time - 1.0)
    assert np.all(error[shown] < 1e-11 + 4e-15 * slack[shown])


@pytest.mark.parametrize(
    ("depth", "tied", "lam", "gain", "time"),
    [(3, True, 0.7, 0.05, 0.5), (5, False, 40.0, 1e-3, 3.0), (4, True, 1e-3, 0.4, 60.0)],
)
def test_generated_variance_is_the_integral_of_exact_gains(depth, tied, lam, gain, time):
    law, low, high = DeepLinear(depth, gain, tied), np.log(0.01), np.log(20.0)
    nodes, weights = np.polynomial.legendre.leggauss(10)
    edges = np.linspace(low, high, 17)
    total = 2.0 * law.initial_gain * (high - low) + 2.0 * low
    with mp.workdps(30):
        for a, b in pairwise(edges):
            for node, weight in zip(
                0.5 * (a + b) + 0.5 * (b - a) * nodes, 0.5 * (b - a) * weights, strict=True
            ):
                noise = float(np.exp(2.0 * node))
                exact = _Exact(law, gain, lam, noise)
                place = exact.after(mp.mpf(float(law.change(lam, noise, time))))
                missed = (time - exact.time_to(place)) * exact.rate(place)
                total += 2.0 * weight * float(place[0] - exact.start[0] + missed)
    found = law.log_generated_variance(lam, time, 0.01, 20.0)
    assert float(found) == pytest.approx(float(total), rel=1e-11)


def _golden(p, model):
    noise, time = p.get("sigma", 0.0) ** 2, 2.0 * p["eta"] * p.get("tau", 0.0)
    if model == "deep_residual":
        return DeepResidual(p["L"], p["a0"], tied=p["parametrisation"] == "tied").gain(p["lam"], noise, time)
    law = DeepLinear(p["L"], p["c0"], tied=model == "deep_tied")
    if "c1" in p:
        left = p["lam"] / (p["lam"] + noise) - p["c1"]
        return law.travel_time(p["c0"], p["c1"] - p["c0"], left, p["lam"], noise) / (2.0 * p["eta"])
    if "sigma0" in p:
        return law.generated_variance(p["lam"], time, p["sigma0"], p["sigmaT"])
    return law.gain(p["lam"], noise, time)


@pytest.mark.parametrize("case", DEEP, ids=lambda case: case["id"])
def test_golden_numbers(case):
    assert float(_golden(case["params"], case["model"])) == pytest.approx(
        case["value"], rel=0.01 * case["tol_rel"]
    )


# What training an actual product does; the published pace is wrong by a factor, and by another if tied.


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize("tied", [False, True])
def test_pace_is_that_of_gradient_descent_on_the_product(depth, tied):
    lam, noise, layer, rate, step = 0.7, 0.3, 0.8, 1e-7, 1e-6

    def loss(layers):
        return lam * (np.prod(layers) - 1.0) ** 2 + noise * np.prod(layers) ** 2

    def gradient(layers):
        nudges = step * (np.ones((1, depth)) if tied else np.eye(depth))
        return np.array([(loss(layers + nudge) - loss(layers - nudge)) / (2.0 * step) for nudge in nudges])

    layers = np.full(depth, layer)
    after = layers - rate * gradient(layers)
    measured = (np.prod(after) - np.prod(layers)) / rate
    pull = (lam - (lam + noise) * layer**depth) * layer ** (2 * depth - 2)
    law = DeepLinear(depth, layer**depth, tied)
    # Flow time is twice the learning rate times the number of steps.
    assert measured == pytest.approx(2.0 * float(law.rate(layer**depth, lam, noise)), rel=1e-5)
    assert measured / pull == pytest.approx(2.0 * depth * (depth if tied else 1), rel=1e-5)  # printed: depth


def test_depth_one_and_two_are_the_laws_of_one_and_two_layers():
    lam, noise = np.array([5.0, 0.3, 0.0]), np.array([[0.01], [2.0]])
    gain = np.array([0.2, 1.4, 0.01])
    times = np.array([1e-3, 0.4, 7.0])[:, None, None]
    for deep, shallow in (
        (DeepLinear(1, -gain), OneLayer(-gain)),
        (DeepLinear(1, gain, tied=True), OneLayer(gain)),
        (DeepLinear(2, gain, tied=True), SymmetricTwoLayer(gain)),
        (DeepLinear(2, gain), AsymmetricTwoLayer(np.sqrt(gain), np.sqrt(gain))),
        (DeepLinear(2, -gain), AsymmetricTwoLayer(np.sqrt(gain), -np.sqrt(gain))),
    ):
        np.testing.assert_allclose(deep.gain(lam, noise, times), shallow.gain(lam, noise, times), rtol=1e-12)
        np.testing.assert_allclose(
            deep.generated_variance(lam, 0.4, 0.01, 30.0),
            shallow.generated_variance(lam, 0.4, 0.01, 30.0),
            rtol=1e-11,
        )


def test_the_published_hypergeometric_form_is_no_time_above_the_optimum():
    depth, lam, noise, start, end = 5, 0.5, 1.5, 0.9, 0.4
    optimum, power = lam / (lam + noise), 2.0 - 2.0 / depth
    printed = [
        complex(c ** (2 / depth - 1) * mp.hyp2f1(1, 2 / depth - 1, 2 / depth, c / optimum))
        for c in (start, end)
    ]
    assert all(abs(value.imag) > 0.1 for value in printed)
    above = [
        (c / optimum) ** -power / power * mp.hyp2f1(1, power, power + 1, optimum / c) for c in (start, end)
    ]
    time = float(above[1] - above[0]) / (depth * lam * optimum ** (power - 1.0))
    law = DeepLinear(depth, start)
    assert float(law.gain(lam, noise, time)) == pytest.approx(end, rel=1e-12)
    assert float(law.travel_time(start, end - start, optimum - end, lam, noise)) == pytest.approx(
        time, rel=1e-12
    )


def test_residual_layers_follow_their_own_gradient():
    depth, lam, noise, layer, end = 4, 0.9, 0.25, -0.35, 1.3

    def descent(_, a):
        gain = (1.0 + a) ** depth
        return (lam * (1.0 - gain) - noise * gain) * depth * (1.0 + a) ** (depth - 1)

    ode = solve_ivp(descent, (0.0, end), [layer], rtol=1e-11, atol=1e-13)
    found = DeepResidual(depth, layer, tied=True).gain(lam, noise, end)
    assert float(found) == pytest.approx((1.0 + float(ode.y[0, -1])) ** depth, rel=1e-9)
    assert float(DeepResidual(3, 0.0).start_gain(1.0, 1.0)) == 1.0


# Starts that never learn, and refusals.


def test_stuck_starts_say_so():
    law = DeepLinear(3, np.array([0.1, 0.0, -0.2]))
    assert law.stuck(1.0, 0.5).tolist() == [False, True, True]
    np.testing.assert_array_equal(law.limit_gain(1.0, 0.5), [1.0 / 1.5, 0.0, 0.0])
    late = law.gain(1.0, 0.5, 1e6)
    assert late[1] == 0.0
    assert -1e-6 < late[2] < 0.0
    found = emergence_time(law, np.array([1.0, 1.0, 1.0]))
    assert found.status.tolist()[1] == "stuck"
    assert gain_emergence_time(law, 1.0, 0.5, criterion="arithmetic").status.tolist() == [
        "emerged",
        "stuck",
        "stuck",
    ]


def test_a_start_at_the_optimum_stays():
    law = DeepLinear(4, 0.75)
    assert float(law.change(3.0, 1.0, 1e9)) == 0.0
    assert law.log_gap(3.0, 1.0, 5.0)[0] == 0.0
    assert law.log_gap(3.0, 1.0, 5.0)[1] == -np.inf


def test_escape_from_a_small_start_takes_the_published_time():
    depth, gain, lam = 4, 1e-6, 0.5
    waiting = gain ** (2 / depth - 1) / (depth * lam * (1 - 2 / depth))
    found = gain_emergence_time(DeepLinear(depth, gain), lam, 0.1, criterion="arithmetic")
    assert float(found.flow_time) == pytest.approx(waiting, rel=0.01)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        DeepLinear(0)
    with pytest.raises(ValueError, match="even number of tied layers"):
        DeepLinear(4, -0.1, tied=True)
    with pytest.raises(ValueError, match="initial_gain"):
        DeepLinear(3, np.nan)
    with pytest.raises(ValueError, match="initial_layer"):
        DeepResidual(3, np.inf)
    with pytest.raises(ValueError, match="depth"):
        DeepResidual(0)
