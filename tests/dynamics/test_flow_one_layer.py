"""One linear layer trained by flow matching."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from scorelens.dynamics import (
    FlowOneLayer,
    FlowSampler,
    FlowTwoLayer,
    OneLayer,
    emergence_time,
    gain_emergence_time,
)

MODES = np.array([30.0, 1.0, 0.2, 1e-3])
TIMES = np.array([0.0, 0.1, 0.6, 0.95, 1.0])


def _loss(psi, lam, t):
    """Mean square of ``psi x_t - (x1 - x0)`` along a mode of variance ``lam``."""
    return lam * (t * psi - 1.0) ** 2 + ((1.0 - t) * psi + 1.0) ** 2


def test_stated_values():
    # Numbers integrated independently of every closed form.
    assert float(FlowOneLayer(0.1).velocity_gain(2.0, 0.6, 0.7)) == pytest.approx(
        0.4721004846059183, rel=1e-12
    )
    whole = FlowOneLayer(0.1).log_flow_variance(2.0, 1.6)
    assert float(np.exp(whole)) == pytest.approx(1.9409440276779681, rel=1e-12)
    part = FlowOneLayer(0.4).log_flow_variance(0.3, 1.54, 0.2, 0.85)
    assert float(np.exp(part)) == pytest.approx(0.856224865299901, rel=1e-12)
    mean = FlowOneLayer(0.3).generated_flow_mean(1.5, 0.8, 0.5)
    assert float(mean) == pytest.approx(0.2900298645889916, rel=1e-12)
    assert float(FlowOneLayer().path_variance(0.25, 0.7)) == pytest.approx(0.2125, rel=1e-14)
    found = emergence_time(FlowOneLayer(0.1), 0.05, sampler=FlowSampler())
    assert float(found.flow_time) == pytest.approx(2 * 4.608599906686924, rel=1e-11)


@pytest.mark.parametrize("t", TIMES[1:4])
def test_velocity_gain_descends_the_loss(t):
    for lam in MODES:
        # Flow time is twice the learning rate times time: half the gradient.
        def descent(_, psi, k=lam):
            return -0.25e6 * (_loss(psi + 1e-6, k, t) - _loss(psi - 1e-6, k, t))

        ode = solve_ivp(descent, (0.0, 0.7), [0.3], rtol=1e-10, atol=1e-12)
        found = float(FlowOneLayer(0.3).velocity_gain(lam, t, 0.7))
        assert found == pytest.approx(ode.y[0, -1], rel=1e-6)


def test_optimum_is_least_and_half_the_slope_of_the_log_path_variance():
    law, step = FlowOneLayer(), 1e-5
    for t in (0.1, 0.5, 0.9):
        best = law.optimal_velocity_gain(MODES, t)
        assert np.all(_loss(best, MODES, t) < _loss(best + 1e-3, MODES, t))
        assert np.all(_loss(best, MODES, t) < _loss(best - 1e-3, MODES, t))
        ahead, behind = (np.log(law.path_variance(MODES, t + s)) for s in (step, -step))
        np.testing.assert_allclose((ahead - behind) / (4 * step), best, rtol=1e-6)
    np.testing.assert_array_equal(law.optimal_velocity_gain(MODES, 0.0), -1.0)
    np.testing.assert_allclose(law.optimal_velocity_gain(MODES, 1.0), 1.0, rtol=1e-14)


def test_learning_is_slowest_at_the_turning_time():
    # Erratum 3: the paper's remarks say fastest.
    law = FlowOneLayer(0.3)
    turn = law.turning_time(MODES)
    here = law.learning_speed(MODES, turn)
    np.testing.assert_allclose(here, MODES / (1.0 + MODES), rtol=1e-13)
    for t in TIMES:
        assert np.all(law.learning_speed(MODES, t) >= here * (1.0 - 1e-14))
    np.testing.assert_allclose(law.learning_speed(MODES, 1.0), MODES)
    np.testing.assert_array_equal(law.learning_speed(MODES, 0.0), 1.0)
    gap = np.abs(law.velocity_gain(1.0, TIMES, 9.0) - law.optimal_velocity_gain(1.0, TIMES))
    relative = gap / np.abs(0.3 - law.optimal_velocity_gain(1.0, TIMES))
    assert relative.argmax() == 2


def test_the_printed_amplitude_doubles_the_exponential_integrals():
    # Erratum 28: the amplitude of (351) needs half the difference of the Ei; printed in full, its square is
    # not the variance of (353).
    lam, a, gain = 0.3, 1.7, 0.4
    ei = float(mp.ei(-a) - mp.ei(-a * lam))
    kernel = 2.0 * quad(lambda t: np.exp(-a * (t * t * lam + (1.0 - t) ** 2)), 0.0, 1.0)[0]
    velocity = quad(lambda t: float(FlowOneLayer(gain).velocity_gain(lam, t, a)), 0.0, 1.0)[0]
    amplitude = np.sqrt(lam) * np.exp(0.5 * ei + 0.5 * gain * kernel)
    printed = np.sqrt(lam) * np.exp(ei + 0.5 * gain * kernel)
    assert np.exp(velocity) == pytest.approx(amplitude, rel=1e-9)
    assert abs(printed / np.exp(velocity) - 1.0) > 0.1
    found = np.exp(0.5 * FlowOneLayer(gain).log_flow_variance(lam, a))
    assert float(found) == pytest.approx(amplitude, rel=1e-9)


def test_flow_reaches_the_data_from_noise():
    late = FlowOneLayer(0.4).log_flow_variance(MODES, 1e8)
    np.testing.assert_allclose(np.exp(late), MODES, rtol=1e-4)
    np.testing.assert_allclose(FlowOneLayer(0.4).log_flow_limit(MODES), np.log(MODES), rtol=1e-13)
    assert float(FlowOneLayer(0.4).log_flow_variance(0.7, 0.0)) == pytest.approx(0.8, rel=1e-14)
    # Without variance in the data the variance falls like one over the flow time, for ever.
    without = FlowOneLayer(0.4).log_flow_variance(0.0, np.array([1e6, 1e12]))
    np.testing.assert_allclose(without, -np.euler_gamma - np.log([1e6, 1e12]), atol=1e-3)
    assert FlowOneLayer(0.4).log_flow_limit(0.0) == -np.inf


def test_it_is_one_layer_with_a_slower_clock_and_another_start():
    # The gain of the denoiser relaxes to the same optimum, t^2 as fast.
    sigma, time = np.array([[0.1], [1.0], [9.0]]), 0.6
    t = 1.0 / (1.0 + sigma)
    start = FlowOneLayer(0.3).start_gain(MODES, sigma**2)
    other = OneLayer(start).gain(MODES, sigma**2, t**2 * time)
    np.testing.assert_allclose(FlowOneLayer(0.3).gain(MODES, sigma**2, time), other, rtol=1e-13)


@pytest.mark.parametrize("law", [FlowOneLayer(0.3), FlowTwoLayer(0.3)])
def test_both_conventions_are_one_law(law):
    sigma, time = np.array([[0.01], [1.0], [50.0]]), 1.3
    t = 1.0 / (1.0 + sigma)
    velocity = law.velocity_gain(MODES, t, time)
    gain = law.gain(MODES, sigma**2, time)
    np.testing.assert_allclose(t * (1.0 + (1.0 - t) * velocity), gain, rtol=1e-13)
    # Between two noise levels the variances differ by the rescaling of x_t to x_t / t.
    low, high = 0.002, 80.0
    flow = law.log_flow_variance(MODES, time, 1.0 / (1.0 + high), 1.0 / (1.0 + low))
    shift = 2.0 * np.log(high / (1.0 + high)) + 2.0 * np.log(1.0 + low)
    np.testing.assert_allclose(law.log_generated_variance(MODES, time, low, high), flow + shift, rtol=1e-12)


@pytest.mark.parametrize("law", [FlowOneLayer(0.3), FlowTwoLayer(0.3)])
def test_generated_mean_solves_the_flow_with_its_bias(law):
    for lam in (3.0, 0.05, 0.0):
        ode = solve_ivp(
            lambda t, m, k=lam: law.velocity_gain(k, min(t, 1.0), 0.8) * m + 0.5 * np.exp(-0.8),
            (0.0, 1.0), [0.0], method="DOP853", rtol=1e-9, atol=1e-11,
        )  # fmt: skip
        assert float(law.generated_flow_mean(lam, 0.8, 0.5)) == pytest.approx(ode.y[0, -1], rel=1e-8)
    assert law.generated_flow_mean(MODES, np.array([[0.0], [2.0]]), 0.5).shape == (2, 4)


def test_weight_emergence_follows_the_path_variance():
    # Learning dynamics 12.1, last words of the first row; the optimum is negative before the turning time.
    noise, lam = 0.04, 0.8
    t = 1.0 / 1.2
    rate = float(FlowOneLayer().path_variance(lam, t))
    found = gain_emergence_time(FlowOneLayer(0.1), lam, noise, criterion="arithmetic")
    assert float(found.flow_time) == pytest.approx(np.log(2.0) / rate, rel=1e-12)


@pytest.mark.parametrize("criterion", ["harmonic", "geometric", "arithmetic"])
def test_native_emergence_is_the_first_crossing(criterion):
    for lam, gain in ((0.05, 0.1), (20.0, 0.5), (0.05, 0.8)):
        law, sampler = FlowOneLayer(gain), FlowSampler()
        found = float(emergence_time(law, lam, criterion=criterion, sampler=sampler).flow_time)
        start = np.exp(2.0 * gain)
        level = {"harmonic": 2 * start * lam / (start + lam), "geometric": np.sqrt(start * lam)}
        target = np.log(level.get(criterion, (start + lam) / 2))
        assert float(law.log_flow_variance(lam, found)) == pytest.approx(target, abs=1e-11)
        before = law.log_flow_variance(lam, found * np.linspace(1e-6, 1.0 - 1e-6, 400))
        assert np.all(np.sign(before - target) == np.sign(2.0 * gain - target))


def test_small_and_large_modes_emerge_like_the_square_root_by_the_geometric_mean():
    # Learning dynamics 12.2: 2 eta tau sqrt(lambda) -> exp(-gamma - Q) and exp(Q - gamma).
    law = FlowOneLayer(0.1)
    found = emergence_time(law, [1e-22, 1e22], criterion="geometric", sampler=FlowSampler()).flow_time
    scaled = found * np.sqrt([1e-22, 1e22])
    np.testing.assert_allclose(scaled, np.exp([-np.euler_gamma - 0.1, 0.1 - np.euler_gamma]), rtol=1e-5)


def test_segments_of_the_flow_multiply():
    for law in (FlowOneLayer(0.7), FlowTwoLayer(0.7)):
        whole = law.log_flow_variance(MODES, 4.0)
        cut = 0.37
        parts = law.log_flow_variance(MODES, 4.0, 0.0, cut) + law.log_flow_variance(MODES, 4.0, cut, 1.0)
        np.testing.assert_allclose(parts, whole, atol=1e-13)


def test_a_flow_time_of_zero_and_a_huge_one_have_no_noise():
    times = np.array([0.0, 1e-300, 1e-8, 1e12, 1e200])[:, None]
    modes = np.array([0.0, 1e-12, 1.0, 1e6])
    for law in (FlowOneLayer(0.3), FlowOneLayer(-2.0), FlowTwoLayer(0.3), FlowTwoLayer(1e-300)):
        assert np.isfinite(law.log_flow_variance(modes, times)).all()
        assert np.isfinite(law.velocity_gain(modes, TIMES[:, None, None], times)).all()
    for law in (FlowOneLayer(-2.0), FlowTwoLayer(0.3)):
        assert np.isfinite(law.generated_flow_mean(modes, np.array([0.0, 1e-8, 1e12])[:, None], 1.0)).all()


@pytest.mark.parametrize("law", [FlowOneLayer(), FlowTwoLayer()])
def test_bad_flow_times_are_refused(law):
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="time"):
            law.velocity_gain(1.0, bad, 1.0)
        with pytest.raises(ValueError, match="t1"):
            law.log_flow_variance(1.0, 1.0, 0.0, bad)
    with pytest.raises(ValueError, match="t1 must exceed t0"):
        law.log_flow_variance(1.0, 1.0, 0.5, 0.5)
    with pytest.raises(ValueError, match="t1 must exceed t0"):
        FlowSampler(0.6, 0.2)
    with pytest.raises(ValueError, match="initial_bias"):
        law.generated_flow_mean(1.0, 1.0, np.inf)


def test_flow_sampler_takes_flow_laws_only():
    with pytest.raises(TypeError, match="FlowSampler takes a law of flow matching, got one-layer"):
        emergence_time(OneLayer(), 1.0, sampler=FlowSampler())


def test_flow_sampler_between_noise_levels_agrees_with_the_common_convention():
    low, high = 0.002, 80.0
    inside = FlowSampler(1.0 / (1.0 + high), 1.0 / (1.0 + low))
    np.testing.assert_allclose(inside.ends, (low, high), rtol=1e-12)
    law = FlowOneLayer(0.4)
    growth = inside.trajectory(law, MODES).growth(2.0)
    np.testing.assert_allclose(growth, law.log_growth(MODES, 2.0, low, high), rtol=1e-11)
    way = inside.log_way(law, MODES)
    expected = law.log_limit_variance(MODES, low, high) - law.log_start_variance(MODES, low, high)
    np.testing.assert_allclose(way, expected, rtol=1e-12)
    assert FlowSampler().ends == (0.0, np.inf)
