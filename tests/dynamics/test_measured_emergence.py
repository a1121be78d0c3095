"""Emergence steps of measured trajectories."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.dynamics import emergence_step, published_emergence_step

STEPS = np.array([0, 1, 3, 10, 30, 100, 300])


def _paths():
    """A rising power law, a falling one, one that never arrives, one near its target, one in place."""
    t = np.maximum(STEPS, 0.5)
    return np.stack([0.01 * t**0.8, t**-0.5, 1.0 + 0 * t, 1.0 * t**0.05, np.full(7, 4.0)], axis=1)


def test_power_laws_are_interpolated_exactly():
    paths = _paths()[:, :2]
    start, target = np.array([0.01, 1.5]), np.array([0.64, 0.06])
    found = emergence_step(STEPS, paths, start, target, "geometric")
    expected = [(np.sqrt(0.01 * 0.64) / 0.01) ** (1 / 0.8), np.sqrt(1.5 * 0.06) ** -2.0]
    np.testing.assert_allclose(found.step, expected, rtol=1e-12)
    assert found.rising.tolist() == [True, False]
    np.testing.assert_allclose(found.threshold, np.sqrt(start * target))


def test_statuses():
    paths = _paths()
    found = emergence_step(STEPS, paths, paths[0], np.array([0.3, 0.05, 50.0, 1.5, 4.0]), "harmonic")
    assert found.status.tolist() == ["emerged", "emerged", "censored", "gray", "at start"]
    assert found.step[2] == 300
    assert found.step[4] == 0
    assert found.emerged.tolist() == [True, True, False, False, False]
    assert found.censored.tolist() == [False, False, True, False, False]


def test_first_crossing_counts_even_if_it_returns():
    path = np.array([1.0, 1.2, 5.0, 1.0, 1.0, 9.0, 9.0])[:, None]
    found = emergence_step(STEPS, path, 1.0, np.array([9.0]), "geometric")
    assert 1.0 < found.step[0] < 3.0


def test_crossing_after_step_zero_is_linear_in_the_step():
    path = np.array([1.0, np.exp(2.0), 8.0, 8.0, 8.0, 8.0, 8.0])[:, None]
    found = emergence_step(STEPS, path, 1.0, np.array([np.exp(2.0)]), "geometric")
    assert found.step[0] == pytest.approx(0.5)


def test_band_and_vanishing_target():
    path = np.array([1.0, 2.0, 4.0, 7.0, 7.9, 8.0, 8.0])[:, None]
    found = emergence_step(STEPS, path, 1.0, np.array([8.0]), "band", band=2.0)
    assert found.step[0] == pytest.approx(3.0)
    never = emergence_step(STEPS, path[::-1], 8.0, np.array([0.0]), "harmonic")
    assert never.status.tolist() == ["censored"]
    half_way = emergence_step(STEPS, path[::-1], 8.0, np.array([0.0]), "arithmetic")
    assert half_way.status.tolist() == ["emerged"]


def test_published_procedure_by_hand():
    values = np.array([1.0, 1.0, 1.0, 10.0, 10.0, 10.0, 10.0])
    # Gaussian of 0.6 checkpoints by hand, mirrored at the ends, cut at 4 standard deviations (2 checkpoints).
    kernel = np.exp(-0.5 * (np.arange(-2, 3) / 0.6) ** 2)
    kernel /= kernel.sum()
    padded = np.concatenate([values[1::-1], values, values[:-3:-1]])
    smooth = np.array([(kernel * padded[i : i + 5]).sum() for i in range(7)])
    threshold = 2 / (1 / 10.0 + 1 / 1.0)
    expected = STEPS[np.flatnonzero(smooth > threshold)[0]]
    found = published_emergence_step(STEPS, values[:, None], np.array([10.0]), smoothing=0.6)
    assert found.step[0] == expected == 3
    assert found.threshold[0] == pytest.approx(threshold)
    # Without smoothing the jump is crossed one checkpoint later: smoothing reports it early.
    assert published_emergence_step(STEPS, values[:, None], np.array([10.0]), smoothing=0.01).step[0] == 10


def test_published_procedure_of_falling_and_censored_modes():
    falling = np.array([10.0, 9.0, 5.0, 1.2, 1.0, 1.0, 1.0])
    still = np.full(7, 1.0)
    found = published_emergence_step(STEPS, np.stack([falling, still], axis=1), np.array([1.0, 30.0]))
    assert found.status.tolist() == ["emerged", "censored"]
    assert found.rising.tolist() == [False, True]
    assert found.step[1] == 300


@pytest.mark.parametrize(
    ("steps", "trajectory", "message"),
    [
        (STEPS[::-1], _paths(), "ascending"),
        (STEPS[:3], _paths(), r"shape \(3, mode\)"),
        (STEPS, _paths() - 1.0, "trajectory must be"),
        (STEPS, np.where(_paths() > 3, np.nan, _paths()), "trajectory must be"),
        (STEPS - 1, _paths(), "steps must be"),
    ],
)
def test_bad_measurements_are_refused(steps, trajectory, message):
    with pytest.raises(ValueError, match=message):
        emergence_step(steps, trajectory, 1.0, np.ones(5))
