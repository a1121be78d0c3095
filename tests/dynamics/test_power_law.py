"""Power laws of emergence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from scorelens.dynamics import MeasuredEmergence, fit_power_law, fit_power_laws

RNG = np.random.default_rng(1)
VARIANCE = np.geomspace(0.01, 10.0, 40)
STEP = 30.0 * VARIANCE**-0.7 * np.exp(0.3 * RNG.standard_normal(40))


def test_both_regressions():
    law = fit_power_law(VARIANCE, STEP)
    forward = linregress(np.log(VARIANCE), np.log(STEP))
    reverse = linregress(np.log(STEP), np.log(VARIANCE))
    assert law.exponent == pytest.approx(forward.slope, rel=1e-12)
    assert law.reverse_exponent == pytest.approx(reverse.slope, rel=1e-12)
    assert law.r_squared == pytest.approx(forward.rvalue**2, rel=1e-12)
    assert np.log(law.prefactor) == pytest.approx(forward.intercept, rel=1e-12)
    assert law.variance_range == pytest.approx((0.01, 10.0))


def test_interval_has_the_width_of_the_standard_error():
    law = fit_power_law(VARIANCE, STEP, n_bootstrap=4000)
    error = linregress(np.log(VARIANCE), np.log(STEP)).stderr
    width = law.exponent_interval[1] - law.exponent_interval[0]
    assert width == pytest.approx(2 * 1.645 * error, rel=0.25)
    assert law.exponent_interval[0] < -0.7 < law.exponent_interval[1]
    assert law.reverse_interval[0] < law.reverse_exponent < law.reverse_interval[1]


def test_interval_covers_the_truth_as_often_as_it_says():
    rng, covered = np.random.default_rng(5), 0
    for _ in range(200):
        step = VARIANCE**-1.0 * np.exp(0.4 * rng.standard_normal(40))
        low, high = fit_power_law(VARIANCE, step, n_bootstrap=300).exponent_interval
        covered += low < -1.0 < high
    assert 0.80 < covered / 200 < 0.96


def test_is_repeatable_and_depends_on_the_seed():
    assert fit_power_law(VARIANCE, STEP, seed=3) == fit_power_law(VARIANCE, STEP, seed=3)
    other = fit_power_law(VARIANCE, STEP, seed=4)
    assert other.exponent_interval != fit_power_law(VARIANCE, STEP, seed=3).exponent_interval


def _measured(status, rising):
    return MeasuredEmergence(STEP, np.array(status), np.array(rising), np.ones(40))


def test_sides_are_fitted_apart_and_the_rest_is_counted():
    status = ["emerged"] * 30 + ["gray"] * 4 + ["censored"] * 3 + ["at start"] * 2 + ["censored"]
    rising = [False] * 15 + [True] * 24 + [False]
    found = fit_power_laws(VARIANCE, _measured(status, rising))
    assert found.falling == fit_power_law(VARIANCE[:15], STEP[:15])
    assert found.rising == fit_power_law(VARIANCE[15:30], STEP[15:30])
    assert (found.n_gray, found.n_at_start) == (4, 2)
    assert (found.n_censored_rising, found.n_censored_falling) == (3, 1)


def test_too_few_modes_give_no_law():
    status = ["emerged"] * 2 + ["gray"] * 38
    found = fit_power_laws(VARIANCE, _measured(status, [True] * 40))
    assert found.rising is None
    assert found.falling is None
    with pytest.raises(ValueError, match="at least 3"):
        fit_power_law(VARIANCE[:2], STEP[:2])
    with pytest.raises(ValueError, match="must vary"):
        fit_power_law(np.ones(5), STEP[:5])
    with pytest.raises(ValueError, match="one length"):
        fit_power_law(VARIANCE, STEP[:5])
