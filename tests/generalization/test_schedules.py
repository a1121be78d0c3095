"""Noise schedules against the differential equations that define them, at 50 digits and by integration."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from scorelens.core import processes
from scorelens.generalization.decaying_integral import DecayingIntegral
from scorelens.generalization.schedules import (
    BROWNIAN,
    PolynomialSchedule,
    ProcessSchedule,
    Schedule,
    SubVariancePreservingSchedule,
)

SCHEDULES = {
    "brownian": BROWNIAN,
    "general": PolynomialSchedule([1.0], [0.0, 2.0]),
    "vp": PolynomialSchedule([0.05, 5.0], [0.1, 10.0]),
    "constant": PolynomialSchedule([0.7], [1.3]),
    "exploding": PolynomialSchedule([0.0], [0.2, 0.0, 3.0]),
    "growing data": PolynomialSchedule([-1.0, 0.3], [1.0, 0.5]),
    "fast": PolynomialSchedule([0.1, 40.0], [1.0]),
    "sub-vp, constant": SubVariancePreservingSchedule([1.3]),
    "sub-vp, linear": SubVariancePreservingSchedule([0.1, 9.0]),
    **{process.name: ProcessSchedule(process()) for process in processes.ALL},
}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@every_schedule
def test_coefficients_solve_their_equations(schedule: Schedule) -> None:
    def rates(t: float, state: np.ndarray) -> list[float]:
        alpha, variance, _ = state
        beta, g2 = schedule.beta(t), schedule.diffusion_squared(t)
        return [-beta * alpha, -2 * beta * variance + g2, variance]  # [G1]

    found = solve_ivp(rates, (0.0, 0.8), [1.0, 0.0, 0.0], method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    ours = [schedule.alpha(0.8), schedule.variance(0.8), schedule.accumulated_variance(0.8)]
    np.testing.assert_allclose(ours, found, rtol=1e-8)


@pytest.mark.parametrize("t", [1e-9, 1e-3, 0.4, 3.0])
def test_general_coefficients_to_all_digits(t: float) -> None:
    schedule = PolynomialSchedule([0.3, 2.0], [0.5, 0.0, 7.0])
    with mp.workdps(50):

        def shrink(u: mp.mpf) -> mp.mpf:
            return mp.mpf(0.3) * u + u**2

        def variance(v: mp.mpf) -> mp.mpf:
            return mp.quad(
                lambda u: (0.5 + 7 * u**2) * mp.exp(-2 * (shrink(v) - shrink(u))), mp.linspace(0, v, 4)
            )

        expected = float(variance(mp.mpf(t)))
    np.testing.assert_allclose(schedule.variance(t), expected, rtol=1e-13)


def test_accumulated_variance_keeps_its_digits_at_small_times() -> None:
    t = np.array([1e-10, 1e-6, 1e-3])
    np.testing.assert_allclose(BROWNIAN.accumulated_variance(t), t**2 / 2, rtol=1e-14)
    beta = 1.3
    sub = SubVariancePreservingSchedule([beta]).accumulated_variance(t)
    series = (2 * beta) ** 2 * t**3 / 3 - (2 * beta) ** 3 * t**4 / 4 + 7 * (2 * beta) ** 4 * t**5 / 60
    np.testing.assert_allclose(sub, series, rtol=1e-8)
    np.testing.assert_allclose(sub[:2], series[:2], rtol=1e-13)


@every_schedule
def test_the_variance_begins_as_said(schedule: Schedule) -> None:
    beginning, t = schedule.small_time, np.array([1e-9, 1e-8])
    np.testing.assert_allclose(schedule.variance(t), beginning.coefficient * t**beginning.power, rtol=1e-5)


@pytest.mark.parametrize("name", ["general", "sub-vp, constant"])
def test_the_printed_integral_is_another_variance(name: str) -> None:
    """001, Eq. 3 prints ``int g_u^2 alpha_u^2``; for sub-VP it tends to 2/3 instead of 1 ([G1])."""
    schedule = SCHEDULES[name]
    u, w = np.polynomial.legendre.leggauss(200)
    u, w = 10 * (u + 1), 10 * w
    printed = float(w @ (schedule.diffusion_squared(u) * schedule.alpha(u) ** 2))
    true = float(schedule.variance(20.0))
    assert abs(printed - true) > 0.3 * true
    if name == "sub-vp, constant":
        assert printed == pytest.approx(2 / 3, rel=1e-6)
        assert true == pytest.approx(1.0, rel=1e-12)


def test_variance_preserving_agrees_with_the_process() -> None:
    ours, t = PolynomialSchedule([0.05, 9.95], [0.1, 19.9]), np.array([1e-6, 0.1, 0.9])
    theirs = processes.VariancePreserving()
    np.testing.assert_allclose(ours.alpha(t), theirs.alpha(t), rtol=1e-13)
    np.testing.assert_allclose(ours.std(t), theirs.std(t), rtol=1e-13)


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="no noise"):
        PolynomialSchedule([1.0], [0.0])
    with pytest.raises(ValueError, match="no noise"):
        SubVariancePreservingSchedule([0.0, 0.0])
    with pytest.raises(ValueError, match="at least one number"):
        PolynomialSchedule([], [1.0])
    with pytest.raises(ValueError, match="non-finite"):
        PolynomialSchedule([np.nan], [1.0])
    with pytest.raises(ValueError, match="must be > 0 at every t"):
        PolynomialSchedule([0.0], [1.0, -2.0]).variance(3.0)
    with pytest.raises(ValueError, match="t must be finite and >= 0, got -1"):
        BROWNIAN.variance(-1.0)


@pytest.mark.parametrize("t_max", [1e-6, 0.7, 30.0])
def test_one_integration_serves_all_times(t_max: float) -> None:
    """An array of times in any order has the values of its entries, to rounding; fast and growing drifts."""
    t = np.random.default_rng(0).permutation(np.r_[0.0, np.geomspace(1e-9 * t_max, t_max, 60)]).reshape(-1, 1)
    for name in ("general", "growing data", "fast"):
        found = SCHEDULES[name].variance(t)
        assert found.shape == t.shape
        alone = [float(SCHEDULES[name].variance(one)) for one in t.ravel()]
        np.testing.assert_allclose(found.ravel(), alone, rtol=1e-11)


def test_a_strong_drift_forgets_its_past() -> None:
    """``beta`` of 40 t: at time 30 the noise is ``g^2 / 2 beta (1 + 1 / (2 beta t) + ...)``."""
    found = float(SCHEDULES["fast"].variance(30.0))
    assert found == pytest.approx(1 / (2 * (0.1 + 40 * 30)), rel=1e-4)
    assert found == pytest.approx(1 / (2 * 1200.1) * (1 + 40 / (2 * 1200.1**2)), rel=1e-8)


def test_many_times_take_no_longer_than_few_integrations() -> None:
    calls = 0

    def source(t: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += t.size
        return 1 + t

    made = DecayingIntegral.up_to(3.0, source, lambda t: 2 * t)
    made(np.linspace(0.0, 3.0, 1000))
    assert calls < 20_000
    with pytest.raises(ValueError, match="does not converge in 16384 panels"):
        DecayingIntegral.up_to(3.0, lambda t: np.abs(np.sin(1e6 * t)), lambda t: 2 * t)
