"""Labelled curves of the theory against formulas written out anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import exp1

from scorelens.analysis.flow_curves import velocity_curves
from scorelens.analysis.gain_curves import depth_curves, gain_curves
from scorelens.analysis.overlap_curves import overlap_curves
from scorelens.analysis.portraits import portraits
from scorelens.analysis.variance_curves import flow_variance_curves, variance_curves


def test_one_layer_variances_are_the_exponential_integrals_of_the_proposition():
    """Learning dynamics (5.2)."""
    curves = variance_curves(["one layer"], [0.1], [0.02], np.array([1.0, 0.1]), np.array([0.1, 1.0, 30.0]))
    lam, a = curves["eigenvalue"].values[:, None], curves["flow_time"].values
    low, high, start = 0.02**2, 80.0**2, 0.1
    end = np.log(high * (lam + low) / (lam + high))
    moved = (1.0 - start) * np.exp(-a * lam) * (exp1(a * high) - exp1(a * low))
    expected = np.exp(end + moved + exp1(a * (lam + low)) - exp1(a * (lam + high)))
    np.testing.assert_allclose(curves["generated_variance"].values[0, 0, 0], expected, rtol=1e-10)


def test_two_layer_weights_are_logistic():
    """Learning dynamics (7.3)."""
    curves = gain_curves(["two tied layers"], [0.01], [0.3], np.array([2.0, 0.5]), np.array([0.3, 2.0]))
    lam, a = curves["eigenvalue"].values[:, None], curves["flow_time"].values
    best = lam / (lam + 0.09)
    expected = best * 0.01 / ((best - 0.01) * np.exp(-4.0 * lam * a) + 0.01)
    np.testing.assert_allclose(curves["gain"].values[0, 0, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(curves["optimum"].values[0], best[:, 0], rtol=1e-14)


def test_marks_lie_on_their_curves():
    curves = gain_curves(["one layer", "three tied layers"], [0.1], [0.5])
    at = curves["emergence_time"].isel(initial_gain=0, sigma=0)
    for i, law in enumerate(curves["law"].values):
        for mode in range(curves.sizes["mode"]):
            one = curves["gain"].isel(law=i, initial_gain=0, sigma=0, mode=mode)
            there = np.interp(np.log(float(at[i, mode])), np.log(one["flow_time"].values), one.values)
            expected = float(curves["emergence_gain"].isel(initial_gain=0, sigma=0, mode=mode))
            assert there == pytest.approx(expected, rel=0.02), law


def test_depths_share_a_clock_on_which_one_and_two_layers_are_their_own_laws():
    curves = depth_curves([1, 2], [0.1], 0.3, np.array([1.0]), np.array([0.7]))
    one, two = curves["gain"].values.ravel()
    best = 1.0 / 1.09
    assert one == pytest.approx(best + (0.1 - best) * np.exp(-0.7 * 1.09), rel=1e-12)
    assert two == pytest.approx(best * 0.1 / ((best - 0.1) * np.exp(-0.7) + 0.1), rel=1e-12)


def test_slow_rate_is_the_smaller_root_of_its_quadratic():
    """Learning dynamics, section 3.3."""
    found = portraits([2.0], [0.3])
    trace = 1.0 + 0.09 + 4.0 + 1.0
    roots = np.sort(np.roots([1.0, -trace, 1.09]).real)
    np.testing.assert_allclose([found["slow_rate"].item(), found["fast_rate"].item()], roots, rtol=1e-12)
    assert found["path_error"].item() < 1e-9
    for start in range(found.sizes["start"]):
        end = found["path_weight"].isel(overlap=0, sigma=0, start=start, flow_time=-1).item()
        assert end == pytest.approx(1.0 / 1.09, abs=1e-6)


def test_flow_matching_is_slowest_at_its_turning_time_and_ends_where_it_must():
    velocity = velocity_curves()
    speed = velocity["learning_speed"].transpose("mode", "path_time").values
    slowest = velocity["path_time"].values[speed.argmin(axis=1)]
    np.testing.assert_allclose(slowest, velocity["turning_time"].values, atol=0.005)
    ends = flow_variance_curves()["limit_variance"]
    variance = ends["eigenvalue"].values
    np.testing.assert_allclose(ends.sel(law="flow matching", initial_gain=0.5), variance, rtol=1e-12)
    tied = ends.sel(law="flow matching, two tied layers", initial_gain=0.5)
    np.testing.assert_allclose(tied, 1.0 + variance, rtol=1e-12)


def test_the_growth_rate_of_an_overlap_is_exact_for_two_modes():
    curves = overlap_curves([0.8], [0.5], flow_times=np.linspace(0.0, 2.0, 81))
    np.testing.assert_allclose(curves["small_overlap"], curves["overlap"], rtol=1e-3)
    assert np.all(np.sign(curves["phase_rate"].values) == [1, -1, -1])
    with pytest.raises(ValueError, match="two modes, descending"):
        overlap_curves(variances=np.array([1.0, 2.0]))


def test_velocities_are_those_of_flow_matching_only():
    with pytest.raises(ValueError, match="velocities are those of flow matching, got 'one layer'"):
        velocity_curves(["one layer"])
