"""The closed form (10.4) of the patch law at random points of the box, against 50-digit arithmetic."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import PatchConvolution, power_autocovariance, square_patch

LOW, HIGH = 0.002, 80.0
SHAPES = [
    ((9,), [-1, 0, 1]),
    ((8,), [0, 1, 3, -2]),
    ((4, 5), square_patch(3).tolist()),
    ((3, 4), [[0, 0], [0, 1], [-1, 0]]),
]


def _ein(x):
    return mp.e1(x) + mp.log(x) + mp.euler if x > 0 else mp.mpf(0)


def _reference(x, offsets, start, a):
    """Growth less start in patch modes, and the deviation from the limit, of every frequency, from (10.4)."""
    grid = x.shape
    pairs = [np.atleast_1d(k) for k in offsets]
    size = len(pairs)
    lags = [[tuple((q - p) % np.array(grid)) for q in pairs] for p in pairs]
    values, vectors = mp.eigsy(mp.matrix([[mp.mpf(float(x[lag])) for lag in row] for row in lags]))
    centre = next(i for i, k in enumerate(pairs) if not np.any(k))
    low, high = mp.mpf(LOW) ** 2, mp.mpf(HIGH) ** 2
    log_ratio = mp.log(high / low)
    taps, late = [mp.mpf(0)] * size, [mp.mpf(0)] * size
    for j in range(size):
        s, eps = values[j], vectors[centre, j]
        omega = mp.fsum(vectors[k, j] * mp.mpf(float(start[k])) for k in range(size))
        left = (eps - omega) * mp.exp(-a * s)
        learned = eps * (_ein(a * (s + high)) - _ein(a * (s + low)))
        part = left * (log_ratio - _ein(a * high) + _ein(a * low)) + learned
        gap = left * (mp.e1(a * low) - mp.e1(a * high)) + eps * (mp.e1(a * (s + high)) - mp.e1(a * (s + low)))
        for k in range(size):
            taps[k] += part * vectors[k, j]
            late[k] += gap * vectors[k, j]
    log_variance, deviation = np.empty(grid, object), np.empty(grid, object)
    for m in np.ndindex(grid):
        phase = [
            mp.cos(2 * mp.pi * sum(mp.mpf(int(p * q)) / n for p, q, n in zip(m, k, grid, strict=True)))
            for k in pairs
        ]
        log_variance[m] = mp.log(high) - mp.fdot(taps, phase)
        deviation[m] = -mp.fdot(late, phase)
    return log_variance, deviation


def _scattered(rng, grid):
    waves = np.fft.fftn(rng.standard_normal((3, *grid)), axes=range(1, 1 + len(grid)))
    return power_autocovariance(np.mean(np.abs(waves) ** 2, axis=0) * 10.0 ** rng.uniform(-12, 6))


def _white(rng, grid):
    x = np.zeros(grid)
    x.flat[0] = 10.0 ** rng.uniform(-12, 6)
    return x


def _constant(rng, grid):
    return np.full(grid, 10.0 ** rng.uniform(-12, 6))


@pytest.mark.parametrize("draw", [_scattered, _white, _constant])
@pytest.mark.parametrize("seed", range(8))
def test_random_point_of_the_box(draw, seed):
    rng = np.random.default_rng(seed)
    grid, offsets = SHAPES[seed % len(SHAPES)]
    x, start = draw(rng, grid), rng.choice([0.0, 1.0]) * rng.uniform(-1, 1, len(offsets))
    law, time = PatchConvolution(x, offsets, start), 10.0 ** rng.uniform(-8, 12)
    got = law.generated_variance(time, LOW, HIGH)
    sign, size = law.log_deviation(time, LOW, HIGH)
    with mp.workdps(50):
        log_variance, deviation = _reference(x, offsets, start, mp.mpf(time) * law.dim)
        for found, expected in zip(got.flat, log_variance.flat, strict=True):
            assert abs(mp.mpf(float(found)) / mp.exp(expected) - 1) < 1e-12
        largest = max(abs(d) for d in deviation.flat)
        if largest < 1e-35:  # patch modes at their limit from the start: 50 digits hold nothing smaller
            assert np.all(size < -80.0)
            return
        # Digits of a deviation are those of the largest one: all have them that are not far below it.
        told = [abs(expected) > 1e-2 * largest for expected in deviation.flat]
        exact = [(int(mp.sign(d)), float(mp.log(abs(d)))) for d in deviation[np.reshape(told, grid)]]
    assert sign[np.reshape(told, grid)].tolist() == [s for s, _ in exact]
    np.testing.assert_allclose(size[np.reshape(told, grid)], [v for _, v in exact], rtol=1e-11, atol=1e-11)
