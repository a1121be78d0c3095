"""Interpolation of costly smooth functions."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.estimators.equations.chebyshev import interpolated


@pytest.mark.parametrize(
    ("function", "most"),
    [(lambda x: np.array([x**5 - x, 2.0]), 17), (lambda x: np.array([np.exp(x), np.cos(3 * x)]), 65)],
)
def test_a_smooth_function_needs_few_samples(function, most):
    calls = []

    def counted(x):
        calls.append(x)
        return function(x)

    smooth = interpolated(counted, -0.5, 2.0)
    assert len(calls) == len(set(calls)) <= most
    for x in np.r_[np.linspace(-0.5, 2.0, 41), calls]:
        assert smooth(x) == pytest.approx(function(x), rel=1e-12, abs=1e-12)


def test_a_kink_is_refused():
    with pytest.raises(ValueError, match="not settled at 257 points"):
        interpolated(lambda x: np.array([abs(x - 0.3)]), 0.0, 1.0)
