"""Exponential integrals against multi-precision arithmetic."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from scorelens.dynamics.numerics.exponential_integral import e1_difference, ein, scaled_e1

POINTS = np.concatenate(
    [np.geomspace(1e-300, 1e-3, 7), np.geomspace(1e-2, 1e18, 60), [1.4999, 1.5, 1.5001, 49.9, 50.1]]
)


def test_ein_to_the_last_digits():
    with mpmath.workdps(40):
        expected = [
            float(mpmath.e1(x) + mpmath.log(x) + mpmath.euler) if x > 1e-8 else float(x) for x in POINTS
        ]
    np.testing.assert_allclose(ein(POINTS), expected, rtol=3e-15)
    assert ein(0.0) == 0.0


def test_scaled_e1_to_the_last_digits_where_e1_underflows():
    with mpmath.workdps(40):
        expected = [float(mpmath.exp(x) * mpmath.e1(x)) for x in map(mpmath.mpf, POINTS[POINTS < 1e5])]
    np.testing.assert_allclose(scaled_e1(POINTS[POINTS < 1e5]), expected, rtol=5e-15)
    assert scaled_e1(1e18) == pytest.approx(1e-18, rel=1e-15)


def test_e1_difference_from_time_zero_on():
    low, high = 4e-6, 6400.0
    times = np.array([0.0, 1e-12, 1e-3, 1.0, 1e4, 1e7])
    found = e1_difference(times * low, times * high, np.log(high / low))
    with mpmath.workdps(40):
        expected = [float(mpmath.e1(t * low) - mpmath.e1(t * high)) for t in map(mpmath.mpf, times[1:-1])]
    np.testing.assert_allclose(found[1:-1], expected, rtol=1e-13)
    assert found[0] == pytest.approx(np.log(high / low))
    assert found[-1] == pytest.approx(float(mpmath.e1(40.0)), rel=1e-12)
