"""Flow-matching laws at random points of the box, against 50-digit integrals of the definitions.

The reference takes the velocity gain from the formula of its ODE's solution, in the simplest form, and
integrates it over time (learning dynamics (4.3), section 11); it knows nothing of the library's panels.
"""

from __future__ import annotations

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import FlowOneLayer, FlowTwoLayer

LOW, HIGH = 0.002, 80.0
SEEDS = range(5)


def _legendre(order):
    nodes = []
    for start in np.polynomial.legendre.leggauss(order)[0]:
        x = mp.mpf(float(start))
        for _ in range(4):
            x -= mp.legendre(order, x) / _slope(order, x)
        nodes.append((x, 2 / ((1 - x**2) * _slope(order, x) ** 2)))
    return nodes


def _slope(order, x):
    return order * (x * mp.legendre(order, x) - mp.legendre(order - 1, x)) / (x**2 - 1)


with mp.workdps(50):
    NODES = _legendre(24)


class _Reference:
    """One mode; ``s`` is time less the turning time."""

    def __init__(self, lam, gain, time, t0, t1):
        self.lam, self.gain, self.time = mp.mpf(lam), mp.mpf(gain), mp.mpf(time)
        self.turn = 1 / (1 + self.lam)
        self.low, self.high = t0 - self.turn, t1 - self.turn

    def pull(self, s):
        return (1 + self.lam) * s

    def variance(self, s):
        return self.lam / (1 + self.lam) + (1 + self.lam) * s**2

    def integral(self, integrand):
        """Panels that double away from the turning time, and short ones as far as a start of 1e-6 matters."""
        scale = 1 / (4 * self.time * (1 + self.lam)) if self.time else mp.mpf(1)
        near = min(abs(self.low), abs(self.high)) * (self.low * self.high > 0)
        distances = [near + j * 2 * scale for j in range(60)]
        finest = min(scale, mp.sqrt(scale / (1 + self.lam)), mp.sqrt(self.lam) / (1 + self.lam)) / 8
        n_levels = int(min(80, -mp.log(finest, 2)))
        distances += [end + mp.mpf(2) ** -k for k in range(n_levels) for end in {0, near}]
        inner = {sign * d for d in distances for sign in (-1, 1) if self.low < sign * d < self.high}
        edges = sorted({self.low, self.high, *inner, *([mp.mpf(0)] if self.low < 0 < self.high else [])})
        total = mp.mpf(0)
        for a, b in pairwise(edges):
            total += (b - a) / 2 * sum(w * integrand((a + b) / 2 + (b - a) / 2 * x) for x, w in NODES)
        return total


class _OneLayer(_Reference):
    law = FlowOneLayer

    def limit(self, s):
        return self.pull(s) / self.variance(s)

    def gap(self, s):
        return (self.gain - self.limit(s)) * mp.exp(-self.time * self.variance(s))

    def rate(self, s):
        return -self.variance(s) * self.gap(s)


class _TwoLayer(_Reference):
    law = FlowTwoLayer

    def velocity(self, s):
        grown, pull = mp.exp(-4 * self.time * self.pull(s)), self.pull(s)
        if pull == 0:
            return self.gain / (1 + 4 * self.time * self.variance(s) * self.gain)
        return self.gain / (grown + self.gain * self.variance(s) * (1 - grown) / pull)

    def limit(self, s):
        return max(self.pull(s), 0) / self.variance(s)

    def gap(self, s):
        if self.pull(s) <= 0:
            return self.velocity(s)
        left, limit = mp.exp(-4 * self.time * self.pull(s)), self.limit(s)
        return limit * (self.gain - limit) * left / (self.gain + (limit - self.gain) * left)

    def rate(self, s):
        now, unlearnable = self.velocity(s), min(self.pull(s), 0)
        return 4 * now * (unlearnable - self.variance(s) * self.gap(s))


def _point(seed):
    rng = np.random.default_rng(seed)
    return 10 ** rng.uniform(-12, 6), 10 ** rng.uniform(-6, 0.5), 10 ** rng.uniform(-8, 12)


def _agree(found, expected, tolerance):
    assert abs(mp.mpf(float(found)) - expected) <= tolerance * abs(expected) + mp.mpf(10) ** -300, (
        float(found),
        float(expected),
    )


@pytest.mark.parametrize("reference", [_OneLayer, _TwoLayer])
@pytest.mark.parametrize("seed", SEEDS)
def test_generated_variance_at_a_random_point(reference, seed):
    lam, gain, time = _point(seed)
    law = reference.law(gain)
    with mp.workdps(50):
        exact = reference(lam, gain, time, 1 / (1 + mp.mpf(HIGH)), 1 / (1 + mp.mpf(LOW)))
        growth = 2 * exact.integral(lambda s: exact.gap(s) + exact.limit(s) - exact.gain)
        slope, deviation = 2 * exact.integral(exact.rate), 2 * exact.integral(exact.gap)
        found, found_slope = law.trajectory(lam, LOW, HIGH).growth_and_slope(time)
        _agree(found, growth, 1e-12)
        _agree(found_slope, slope, 1e-11)
        sign, size = law.log_deviation(lam, time, LOW, HIGH)
        assert sign == mp.sign(deviation)
        _agree(size, mp.log(abs(deviation)), 1e-12)


@pytest.mark.parametrize("reference", [_OneLayer, _TwoLayer])
@pytest.mark.parametrize("seed", SEEDS)
def test_flow_variance_at_a_random_point(reference, seed):
    lam, gain, time = _point(100 + seed)
    t0, t1 = [(0.0, 1.0), (0.0, 0.4), (0.3, 1.0), (0.25, 0.75)][seed % 4]
    with mp.workdps(50):
        exact = reference(lam, gain, time, mp.mpf(t0), mp.mpf(t1))
        growth = 2 * exact.integral(lambda s: exact.gap(s) + exact.limit(s))
        found = reference.law(gain).log_flow_variance(lam, time, t0, t1)
        assert abs(mp.mpf(float(found)) - growth) <= 2e-13 * max(1, abs(growth), 2 * gain)


@pytest.mark.parametrize("reference", [_OneLayer, _TwoLayer])
@pytest.mark.parametrize("seed", range(30))
def test_gain_at_a_random_point(reference, seed):
    lam, gain, time = _point(200 + seed)
    sigma = 10 ** np.random.default_rng(seed).uniform(-3, 2)
    noise, law = sigma**2, reference.law(gain)
    with mp.workdps(80):
        level = mp.sqrt(mp.mpf(noise))
        t = 1 / (1 + level)
        exact = reference(lam, gain, time, 0, 1)
        s = t - exact.turn
        gap, limit = exact.gap(s), exact.limit(s)
        _agree(law.gain(lam, noise, time), t * (1 + (1 - t) * (gap + limit)), 1e-14)
        _agree(law.change(lam, noise, time), t * (1 - t) * (gap + limit - exact.gain), 1e-11)
        sign, size = law.log_gap(lam, noise, time)
        assert sign == mp.sign(gap)
        _agree(size, mp.log(abs(t * (1 - t) * gap)), 1e-13)
