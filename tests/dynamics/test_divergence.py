"""Kullback-Leibler divergence per mode."""

from __future__ import annotations

import warnings

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from scorelens.dynamics import OneLayer, kl_from_log_ratio, kl_per_mode, log_ratio_to_data, log_ratio_to_limit


def test_keeps_its_digits_near_zero():
    ratio = np.concatenate([-np.geomspace(1e-150, 30, 60), np.geomspace(1e-150, 700, 60)])
    with mp.workdps(400):
        expected = [float((mp.expm1(d) - d) / 2) for d in map(mp.mpf, ratio)]
    np.testing.assert_allclose(kl_from_log_ratio(ratio), expected, rtol=1e-14)


def test_is_the_divergence_of_two_gaussians():
    a, b, shift = 1.7, 0.6, 0.4
    first, second = norm(shift, np.sqrt(a)), norm(0.0, np.sqrt(b))
    expected = quad(lambda x: first.pdf(x) * (first.logpdf(x) - second.logpdf(x)), -15, 15)[0]
    assert float(kl_per_mode(a, b, shift)) == pytest.approx(expected, rel=1e-9)
    assert float(kl_per_mode(b, a, -shift)) != pytest.approx(expected, rel=1e-2)


def test_variances_that_nearly_agree():
    relative = 1e-9
    assert float(kl_per_mode(1.0 + relative, 1.0)) == pytest.approx(relative**2 / 4, rel=1e-6)


def test_infinite_where_a_variance_vanishes_and_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kl_per_mode(np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])).tolist() == [np.inf] * 3
        assert kl_from_log_ratio(np.array([np.inf, -np.inf, 1e4])).tolist() == [np.inf] * 3
    with pytest.raises(ValueError, match="variance"):
        kl_per_mode(-1.0, 1.0)


def test_ratios_of_a_law_in_the_three_regimes():
    law, low, high = OneLayer(0.2), 0.002, 80.0
    lam, time = np.array([5.0, 0.16, 1e-3]), np.array([[0.0], [0.4], [30.0], [1e7]])
    variance = law.generated_variance(lam, time, low, high)
    data = log_ratio_to_data(law, lam, time, low, high)
    np.testing.assert_allclose(data, np.log(variance / lam), atol=1e-12)
    limit = np.exp(law.log_limit_variance(lam, low, high))
    np.testing.assert_allclose(
        log_ratio_to_limit(law, lam, time, low, high), np.log(variance / limit), atol=1e-12
    )
    # After infinite training the divergence to the data is that of the finite noise levels alone.
    with mp.workdps(40):
        k, s, t = mp.mpf(0.16), mp.mpf(low) ** 2, mp.mpf(high) ** 2
        expected = float(mp.log(t * (k + s) / (k * (k + t))))
    assert float(data[-1, 1]) == pytest.approx(expected, rel=1e-12)
    assert log_ratio_to_data(law, 0.0, 1.0, low, high) == np.inf
