"""Generated variance and its late deviation at random points of the box, against 25-digit integrals.

The reference integrates learning dynamics (4.3) from the definitions of the gains.
"""

from __future__ import annotations

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest

from scorelens.core.noise_level import LogNormal
from scorelens.dynamics import OneLayer, PixelWeight, PreconditionedOneLayer, TargetWeight, UnitWeight

LOW, HIGH = 0.002, 80.0
PANELS = 24


class _OneLayerReference:
    def __init__(self, lam, gain):
        self.lam, self.gain = mp.mpf(lam), mp.mpf(gain)

    def start(self):
        return 2 * (self.gain * mp.log(HIGH) + (1 - self.gain) * mp.log(LOW))

    def offset(self, u):
        return self.gain - self.lam / (self.lam + mp.exp(2 * u))

    def speed(self, u):
        return self.lam + mp.exp(2 * u)


class _PreconditionedReference:
    def __init__(self, lam, g, weight, p_mean, p_std, loss):
        self.lam, self.g, self.weight, self.p_mean, self.p_std = map(mp.mpf, (lam, g, weight, p_mean, p_std))
        self.loss = loss

    def start(self):
        angle = mp.atan(HIGH / mp.sqrt(self.g)) - mp.atan(LOW / mp.sqrt(self.g))
        high, low = mp.mpf(HIGH) ** 2, mp.mpf(LOW) ** 2
        return mp.log(high * (self.g + low) / (self.g + high)) + 2 * self.weight * angle

    def offset(self, u):
        s, g = mp.exp(2 * u), self.g
        return g / (g + s) + self.weight * mp.sqrt(s * g) / (g + s) - self.lam / (self.lam + s)

    def speed(self, u):
        s, g = mp.exp(2 * u), self.g
        density = mp.exp(-(((u - self.p_mean) / self.p_std) ** 2) / 2) / (self.p_std * mp.sqrt(2 * mp.pi))
        output = s * g / (s + g)
        weight = {"target": 1 / output, "unit": mp.mpf(1), "pixel": 1 / s + 4}[self.loss]
        return density * weight * output * (self.lam + s) / (g + s)


def _edges():
    low, high = mp.log(LOW), mp.log(HIGH)
    width = (high - low) / PANELS
    inner = [low + width * i for i in range(PANELS + 1)]
    layers = [width * mp.mpf(4) ** -j for j in range(1, 23)]
    return sorted({*inner, *(low + x for x in layers), *(high - x for x in layers)})


def _legendre(order):
    """Nodes and weights on [-1, 1]: float64 roots polished by Newton's method in multi-precision."""
    nodes = []
    for start in np.polynomial.legendre.leggauss(order)[0]:
        x = mp.mpf(float(start))
        for _ in range(3):
            x -= mp.legendre(order, x) / _slope(order, x)
        nodes.append((x, 2 / ((1 - x**2) * _slope(order, x) ** 2)))
    return nodes


def _slope(order, x):
    return order * (x * mp.legendre(order, x) - mp.legendre(order - 1, x)) / (x**2 - 1)


with mp.workdps(25):
    NODES = _legendre(20)


def _nodes(reference):
    """Weight, offset and speed at every node."""
    found = []
    for a, b in pairwise(_edges()):
        middle, half = (a + b) / 2, (b - a) / 2
        found += [
            (half * w, reference.offset(middle + half * x), reference.speed(middle + half * x))
            for x, w in NODES
        ]
    return found


def _growth(nodes, time):
    return mp.fsum(2 * weight * offset * mp.expm1(-time * speed) for weight, offset, speed in nodes)


def _log_deviation(reference, nodes, time):
    least = time * min(reference.speed(mp.log(LOW)), reference.speed(mp.log(HIGH)))
    late = [(weight * offset, time * speed - least) for weight, offset, speed in nodes]
    total = mp.fsum(2 * amount * mp.exp(-exponent) for amount, exponent in late if exponent < 90)
    return mp.sign(total), mp.log(abs(total)) - least


def _one_layer(rng):
    lam, gain = 10 ** rng.uniform(-12, 6), rng.choice([0.0, rng.uniform(-2, 3), rng.uniform(0, 1)])
    return _OneLayerReference(lam, gain), OneLayer(gain), lam


def _preconditioned(rng):
    lam, g = 10 ** rng.uniform(-12, 6), 10 ** rng.uniform(-4, 2)
    # A density no wider than one unit leaves the slowest level at an end, where the reference looks for it.
    weight, p_mean, p_std = rng.choice([0.0, rng.uniform(-1, 1)]), rng.uniform(-2, 0.5), rng.uniform(0.8, 1.0)
    loss = rng.choice(["target", "unit", "pixel"])
    weights = {"target": TargetWeight(), "unit": UnitWeight(), "pixel": PixelWeight(0.5)}
    law = PreconditionedOneLayer.spectral(
        g, LogNormal(p_mean, p_std), loss=weights[loss], initial_weight=weight
    )
    return _PreconditionedReference(lam, g, weight, p_mean, p_std, loss), law, lam


@pytest.mark.parametrize("make", [_one_layer, _preconditioned])
@pytest.mark.parametrize("seed", range(5))
def test_random_point_of_the_box(make, seed):
    rng = np.random.default_rng(seed)
    with mp.workdps(25):
        reference, law, lam = make(rng)
        time = 10 ** rng.uniform(-8, 12)
        nodes = _nodes(reference)
        growth = _growth(nodes, mp.mpf(time))
        found = law.log_growth(lam, time, LOW, HIGH)
        assert abs(mp.mpf(float(found)) - growth) <= 1e-12 * abs(growth) + mp.mpf(10) ** -25
        variance = mp.exp(growth + reference.start())
        got = law.generated_variance(lam, time, LOW, HIGH)
        assert abs(mp.mpf(float(got)) / variance - 1) <= 1e-12
        sign, deviation = _log_deviation(reference, nodes, mp.mpf(time))
        found_sign, found_deviation = law.log_deviation(lam, time, LOW, HIGH)
        assert found_sign == sign
        assert float(found_deviation) == pytest.approx(float(deviation), rel=1e-11, abs=1e-11)
