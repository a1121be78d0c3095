"""Calibration of a forecast: likelihood, derivatives, coverage."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm, truncnorm

from scorelens.dynamics import ExactSampler, PreconditionedOneLayer, calibrate, timing_sd

RNG = np.random.default_rng(0)
DOSE = np.geomspace(0.5, 300.0, 30)


def _run(a=2.0, exponent=1.0, scatter=0.15, last=400.0, rng=RNG):
    step = np.exp(a + exponent * np.log(DOSE) + scatter * rng.standard_normal(DOSE.size))
    return np.minimum(step, last), step > last, step


def _negative_log_likelihood(line, step, censored, sd):
    v = (np.log(step) - line[0] - line[1] * np.log(DOSE)) / sd
    return -np.where(censored, norm.logsf(v), norm.logpdf(v) - np.log(sd)).sum()


def test_line_is_the_maximum_of_the_likelihood():
    step, censored, _ = _run()
    found = calibrate(DOSE, step, censored, sd=0.15, fit="scale_exponent", exponent_prior_sd=None)
    best = minimize(_negative_log_likelihood, [1.0, 1.0], (step, censored, 0.15), "Nelder-Mead",
                    options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}).x  # fmt: skip
    assert (found.log_scale, found.exponent) == pytest.approx(tuple(best), abs=1e-6)
    # The covariance is the inverse curvature.
    h, hessian = 1e-3, np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            e, f = h * np.eye(2)[i], h * np.eye(2)[j]
            hessian[i, j] = sum(
                s * t * _negative_log_likelihood(best + s * e + t * f, step, censored, 0.15)
                for s in (1, -1)
                for t in (1, -1)
            ) / (4 * h * h)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(hessian), rtol=1e-3)


def test_scale_alone_without_censoring_is_the_weighted_mean():
    step, sd = DOSE * np.exp(RNG.standard_normal(30)), RNG.uniform(0.1, 0.5, 30)
    found = calibrate(DOSE, step, np.zeros(30, bool), sd=sd, fit="scale")
    weight = sd**-2
    assert found.log_scale == pytest.approx((weight * np.log(step / DOSE)).sum() / weight.sum(), rel=1e-12)
    assert found.log_scale_sd == pytest.approx(weight.sum() ** -0.5, rel=1e-12)
    assert found.exponent_sd == 0.0


def test_scatter_is_found_and_priors_hold_where_data_are_few():
    rng = np.random.default_rng(7)
    step, censored, _ = _run(scatter=0.4, last=np.inf, rng=rng)
    assert calibrate(DOSE, step, censored, fit="scale").scatter == pytest.approx(0.4, rel=0.3)
    one = calibrate(DOSE[:1], step[:1], censored[:1], fit="scale_exponent")
    # One mode alone cannot tell scatter from scale: the prior stays near 0.15.
    assert one.exponent == pytest.approx(1.0, abs=1e-6)
    assert one.exponent_sd == pytest.approx(0.25, rel=0.2)
    assert 0.08 < one.scatter < 0.16


def test_auto_adds_the_exponent_with_ten_emerged_modes():
    step, _, _ = _run(last=np.inf)
    few = np.arange(30) >= 9
    assert calibrate(DOSE, step, few).fit == "scale"
    enough = np.arange(30) >= 10
    assert calibrate(DOSE, step, enough).fit == "scale_exponent"


def test_dropping_censored_modes_biases_the_scale_low():
    rng, used, dropped = np.random.default_rng(3), [], []
    for _ in range(60):
        step, censored, _ = _run(scatter=1.0, last=60.0, rng=rng)
        used.append(calibrate(DOSE, step, censored, sd=1.0, fit="scale").log_scale)
        kept = ~censored
        dropped.append(calibrate(DOSE[kept], step[kept], censored[kept], sd=1.0, fit="scale").log_scale)
    error = np.std(used) / np.sqrt(60)
    assert abs(np.mean(used) - 2.0) < 4.5 * error
    assert np.mean(dropped) < 2.0 - 4.5 * np.std(dropped) / np.sqrt(60)


def test_forecast_intervals_cover():
    rng, hits, n = np.random.default_rng(4), 0, 0
    for _ in range(80):
        step, censored, truth = _run(scatter=0.15, last=300.0, rng=rng)
        found = calibrate(DOSE, step, censored).forecast(DOSE[censored], level=0.9, after=300.0)
        hits += ((found.low < truth[censored]) & (truth[censored] < found.high)).sum()
        n += censored.sum()
        assert np.all(found.low >= 300.0)
    assert 0.82 < hits / n < 0.97


def test_conditional_quantiles_are_those_of_a_truncated_normal():
    step, censored, _ = _run()
    found = calibrate(DOSE, step, censored, sd=0.15, fit="scale")
    centre = found.log_scale + np.log(20.0)
    width = np.sqrt(found.log_scale_sd**2 * (1 + found.correlation) / (1 - found.correlation) + 0.15**2)
    for after in (10.0, 150.0, 400.0):
        low = (np.log(after) - centre) / width
        expected = np.exp(centre + width * truncnorm(low, np.inf).ppf([0.05, 0.5, 0.95]))
        forecast = found.forecast(np.array([20.0]), after=after)
        got = [forecast.low[0], forecast.step[0], forecast.high[0]]
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    far = found.forecast(np.array([1e-9]), after=1e9)
    assert 1e9 <= far.low[0] <= far.step[0] <= far.high[0] < np.inf


def test_dose_inverts_the_line():
    step, censored, _ = _run()
    found = calibrate(DOSE, step, censored, fit="scale_exponent")
    np.testing.assert_allclose(found.dose(found.forecast(DOSE).step), DOSE, rtol=1e-12)
    assert found.dose(0.0) == 0.0


def test_draws_go_together():
    step, censored, _ = _run()
    found = calibrate(DOSE, step, censored)
    draws = np.log(found.draws(DOSE, 4000, seed=1))
    forecast = found.forecast(DOSE, level=0.9)
    inside = np.exp(draws[:, 3])
    assert np.mean((inside > forecast.low[3]) & (inside < forecast.high[3])) == pytest.approx(0.9, abs=0.03)
    assert np.array_equal(found.draws(DOSE, 5, seed=2), found.draws(DOSE, 5, seed=2))


def test_timing_error_of_a_finite_sample():
    law, lam = PreconditionedOneLayer.edm(), np.array([3.0])
    trajectory = ExactSampler().trajectory(law, lam)
    found = timing_sd(trajectory, np.array([2.0]), 1000)
    step = 1e-4
    ahead, behind = (
        trajectory.growth(np.array([2.0 * np.exp(step)])),
        trajectory.growth(np.array([2.0 * np.exp(-step)])),
    )
    assert found[0] == pytest.approx(np.sqrt(2 / 1000) / ((ahead[0] - behind[0]) / (2 * step)), rel=1e-6)


def test_modes_censored_long_before_their_time_and_long_after():
    # One mode emerged where it should; the others are 200 standard deviations off either way.
    dose, step = np.array([1.0, 1e-20, 1e20]), np.array([10.0, 10.0, 10.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibrate(dose, step, np.array([False, True, True]), sd=0.2, fit="scale")
    # Far in the tail the survival acts like a Gaussian observation of log(step / dose) itself.
    assert found.log_scale == pytest.approx(np.log(10) + np.log(1e20) / 2, rel=1e-3)
    assert found.log_scale_sd == pytest.approx(0.2 / np.sqrt(2), rel=1e-3)


def test_a_step_of_the_search_that_overflows_is_taken_back_without_a_word():
    # Most modes have not emerged although some should have long ago: a step of the search goes much too far.
    x = np.r_[np.linspace(-3, 1.5, 60), np.linspace(1, 21, 540)]
    late = np.arange(600) >= 60
    step = np.exp(3.8 + x + np.random.default_rng(2).standard_normal(600))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibrate(np.exp(x), np.where(late, 14366.0, step), late)
    assert np.isfinite([found.log_scale, found.exponent, found.scatter]).all()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="emerged modes"):
        calibrate(DOSE, DOSE, np.ones(30, bool))
    with pytest.raises(ValueError, match="one length"):
        calibrate(DOSE, DOSE[:3], np.ones(30, bool))
    with pytest.raises(ValueError, match="dose"):
        calibrate(np.append(DOSE, np.inf), np.ones(31), np.zeros(31, bool))
    with pytest.raises(ValueError, match="use fit='scale'"):
        calibrate(np.ones(3), np.ones(3), np.zeros(3, bool), fit="scale_exponent", exponent_prior_sd=None)
    with pytest.raises(ValueError, match="did you mean 'scale'"):
        calibrate(DOSE, DOSE, np.zeros(30, bool), fit="scal")
