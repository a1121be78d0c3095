"""Thresholds of emergence."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from scorelens.dynamics.emergence.criterion import CRITERIA, criterion_named

DISTANCE = np.array([-800.0, -3.0, -1e-6, 1e-6, 0.5, 40.0, 800.0])


def test_means_of_start_and_target():
    start, target = 0.3, np.array([5.0, 0.31, 1e-4])
    distance = np.log(target / start)
    means = {
        "harmonic": 2 * start * target / (start + target),
        "geometric": np.sqrt(start * target),
        "arithmetic": 0.5 * (start + target),
    }
    for name, mean in means.items():
        threshold = criterion_named(name).threshold(distance)
        np.testing.assert_allclose(start * np.exp(threshold), mean, rtol=1e-13)


@pytest.mark.parametrize("name", [member.name for member in CRITERIA])
def test_threshold_lies_on_the_way_and_nothing_overflows(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threshold = criterion_named(name).threshold(DISTANCE)
        slope = criterion_named(name).slope(DISTANCE)
    assert np.all(threshold * DISTANCE >= 0.0)
    assert np.all(np.abs(threshold) <= np.abs(DISTANCE))
    assert np.all((slope >= 0.0) & (slope <= 1.0))


@pytest.mark.parametrize("name", [member.name for member in CRITERIA])
def test_slope_is_the_derivative(name):
    rule, at, step = criterion_named(name, band=1.3), np.array([-3.0, -0.1, 0.2, 2.0, 35.0]), 1e-6
    numeric = (rule.threshold(at + step) - rule.threshold(at - step)) / (2 * step)
    np.testing.assert_allclose(rule.slope(at), numeric, atol=1e-8)


def test_small_distances_keep_their_digits():
    for name in ("harmonic", "arithmetic"):
        assert float(criterion_named(name).threshold(np.array(1e-12))) == pytest.approx(5e-13, rel=1e-10)


def test_a_mode_in_its_band_has_nothing_to_cross():
    rule = criterion_named("band", band=1.25)
    np.testing.assert_allclose(
        rule.threshold(np.log([1.2, 2.5, 0.81, 0.4])), [0.0, np.log(2), 0.0, -np.log(2)]
    )
