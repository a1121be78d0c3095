"""The one-layer law beyond the battery: printed forms, plateau, means, errata."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.special import expi

from scorelens.dynamics import OneLayer
from scorelens.dynamics.laws.sampling_integral import quadrature_deviation

LOW, HIGH = 0.01, 20.0


def _printed_variance(lam, gain, a):
    """Prop. 4.2 as printed: exponential integrals Ei of negative arguments (learning dynamics (5.1))."""

    def phi(sigma):
        exponent = 0.5 * (1 - gain) * np.exp(-a * lam) * expi(-a * sigma**2) - 0.5 * expi(
            -a * (sigma**2 + lam)
        )
        return np.sqrt(lam + sigma**2) * np.exp(exponent)

    return HIGH**2 * (phi(LOW) / phi(HIGH)) ** 2


@pytest.mark.parametrize("gain", [-0.5, 0.0, 0.3, 1.0, 1.7])
def test_agrees_with_the_printed_form(gain):
    for lam in (0.05, 0.7, 3.0):
        for a in (1e-3, 0.1, 2.0):
            found = OneLayer(gain).generated_variance(lam, a, LOW, HIGH)
            assert float(found) == pytest.approx(_printed_variance(lam, gain, a), rel=1e-10)


def test_variance_dips_to_its_plateau_before_it_rises():
    # sigma_T^-2 << a << min(1 / lambda, sigma_0^-2): sigma_0^(2 (1 - Q)) (exp(gamma) a)^-Q
    gain, lam, low, high, a = 0.5, 1e-9, 1e-7, 1e4, 1.0
    plateau = low ** (2 * (1 - gain)) * (np.exp(np.euler_gamma) * a) ** -gain
    assert float(OneLayer(gain).generated_variance(lam, a, low, high)) == pytest.approx(plateau, rel=1e-6)
    assert not OneLayer(gain).monotone


@pytest.mark.parametrize("gain", [-0.4, 0.0, 0.3])
def test_deviation_agrees_where_both_forms_hold(gain):
    # Well conditioned times take the closed form, ill conditioned ones quadrature: compare over the seam.
    law = OneLayer(gain)

    lam = np.geomspace(1e-9, 10.0, 40)
    time = np.array([[0.0], [1e-3], [0.5], [20.0], [4e4]])
    sign, size = law.log_deviation(lam, time, LOW, HIGH)
    exact_sign, exact_size = quadrature_deviation(law, lam, time, LOW, HIGH)
    np.testing.assert_array_equal(sign, exact_sign)
    np.testing.assert_allclose(size, exact_size, rtol=1e-11, atol=1e-11)


def test_tiny_growth_keeps_its_digits():
    law, lam, time = OneLayer(0.0), 1e-10, 1e-6
    # First order: growth = flow_time * lambda * ln(sigma_T^2 / sigma_0^2), for aligned zero start (5.4).
    expected = time * lam * np.log(HIGH**2 / LOW**2)
    assert float(law.log_growth(lam, time, LOW, HIGH)) == pytest.approx(expected, rel=1e-3)
    slope = float(law.log_growth_slope(lam, 0.0, LOW, HIGH))
    assert slope == pytest.approx(lam * np.log(HIGH**2 / LOW**2), rel=1e-12)


def test_generated_mean_solves_the_sampling_ode_with_bias():
    gain, lam, time, bias = 0.2, 0.7, 0.6, 0.5
    law = OneLayer(gain)

    def drift(u, mean):
        weight = law.gain(lam, np.exp(2 * u), time)
        return (1 - weight) * mean - bias * np.exp(-time)

    ode = solve_ivp(drift, (np.log(HIGH), np.log(LOW)), [0.0], "DOP853", rtol=1e-10, atol=1e-12)
    found = law.generated_mean(lam, time, LOW, HIGH, bias)
    assert float(found) == pytest.approx(float(ode.y[0, -1]), rel=1e-9)
    assert float(law.generated_mean(lam, 1e12, LOW, HIGH, bias)) == 0.0


def test_one_initial_gain_per_mode():
    lam, gains = np.array([2.0, 0.1]), np.array([0.3, -0.2])
    together = OneLayer(gains).log_generated_variance(lam, np.array([[0.1], [3.0]]), LOW, HIGH)
    for k in range(2):
        alone = OneLayer(gains[k]).log_generated_variance(lam[k], np.array([0.1, 3.0]), LOW, HIGH)
        np.testing.assert_allclose(together[:, k], alone, rtol=1e-14)
    assert not OneLayer(gains).shared_by_modes


# Errata of the published theory, one test each.


def test_erratum_sign_of_the_sampling_integral():
    """Lemma 4.1 prints A = exp[-integral (W - I) / s]: that expands where the sampler contracts."""
    law, lam, time = OneLayer(0.1), 1.0, 2.0

    def drift(u, x):
        return (1 - law.gain(lam, np.exp(2 * u), time)) * x

    ode = solve_ivp(drift, (np.log(HIGH), np.log(LOW)), [HIGH], "DOP853", rtol=1e-11, atol=1e-13)
    contraction = float(ode.y[0, -1]) / HIGH
    found = float(law.flow_gain(lam, time, LOW, HIGH))
    assert found == pytest.approx(contraction, rel=1e-9)
    printed = 1.0 / contraction
    assert printed > 100 * found


def test_erratum_rate_carries_the_factor_two():
    """The text gives the rate sigma^2 + lambda; per learning rate x time it is twice that."""
    lam, sigma, rate, n_steps = 0.8, 0.6, 1e-3, 400
    weight = 0.0
    # Gradient descent on the exact loss lambda (w - 1)^2 + sigma^2 w^2, without a factor one half.
    for _ in range(n_steps):
        weight -= rate * (2 * lam * (weight - 1) + 2 * sigma**2 * weight)
    flow_time = 2 * rate * n_steps
    assert float(OneLayer(0.0).gain(lam, sigma**2, flow_time)) == pytest.approx(weight, rel=1e-3)
    half = float(OneLayer(0.0).gain(lam, sigma**2, 0.5 * flow_time))
    assert abs(half - weight) > 0.1


def test_erratum_the_variance_reached_is_not_the_data_variance():
    """At finite noise levels the converged sampler generates sigma_T^2 (lambda + sigma_0^2) / (lambda +
    sigma_T^2)."""
    lam = 30.0
    reached = float(OneLayer(0.1).generated_variance(lam, 1e9, LOW, HIGH))
    assert reached == pytest.approx(HIGH**2 * (lam + LOW**2) / (lam + HIGH**2), rel=1e-12)
    assert reached < 0.95 * lam


def test_erratum_a_loss_weight_that_depends_on_sigma_is_outside_the_formula():
    """Prop. 4.2 silently needs one learning rate for all sigma: with EDM's loss weight no rescaled time
    fits."""
    law, time = OneLayer(0.0), 0.01

    def weighted(lam):
        def integrand(u):
            s = np.exp(2 * u)
            return float(law.gain(lam, s, time * (1 / s + 4.0))) - 1.0

        return 2 * np.log(HIGH) + 2 * quad(integrand, np.log(LOW), np.log(HIGH), limit=200)[0]

    times = np.geomspace(1e-3, 1e3, 500)
    found = law.log_generated_variance(np.array([0.05, 2.0]), times[:, None], LOW, HIGH)
    mismatch = np.abs(found - [weighted(0.05), weighted(2.0)]).max(axis=1)
    assert mismatch.min() > 1.0


def test_erratum_curves_are_not_sigmoids_and_speed_is_not_one_over_variance():
    """The variance first falls for a positive initial gain; the exponent depends on criterion and initial
    gain."""
    times = np.geomspace(1e-6, 1e4, 500)
    path = OneLayer(0.5).log_generated_variance(1.0, times, 0.002, 80.0)
    start = float(OneLayer(0.5).log_start_variance(1.0, 0.002, 80.0))
    assert path.min() < start - 2.0
    assert path[-1] == pytest.approx(0.0, abs=1e-3)


def test_erratum_the_drift_is_the_rate_of_the_standard_deviation():
    # Printed after Lemma 4.1: (psi - 1) / sigma is the rate of the variance as sigma falls.
    law, time, sigma, step = OneLayer(0.2), 0.7, 0.3, 1e-4
    lower, upper = (law.log_generated_variance(1.4, time, sigma + s, 50.0) for s in (-step, step))
    drift = float((law.gain(1.4, sigma**2, time) - 1.0) / sigma)
    assert float((lower - upper) / (2 * step)) == pytest.approx(2.0 * drift, rel=1e-6)


def test_erratum_a_mean_of_the_bias_is_generated_where_the_data_have_none():
    # Prop. 4.2 is silent on the mean: it decays like the bias, times what the flow makes of it (5.5).
    law = OneLayer(0.2)
    early, late = (float(law.generated_mean(1.0, t, LOW, HIGH, 0.5)) for t in (0.3, 5.0))
    assert early > 0.4
    assert 0.0 < late < 0.02


def test_growth_keeps_its_digits_where_noise_is_small_beside_the_mode():
    # 2 (Q - 1) terms vanish, and the two integrals differ in the eleventh digit only.
    found = float(OneLayer(1.0).log_growth(1e6, 1e6, 0.002, 0.01))
    assert found == pytest.approx(-np.log1p((0.01**2 - 0.002**2) / (1e6 + 0.002**2)), rel=1e-10)
