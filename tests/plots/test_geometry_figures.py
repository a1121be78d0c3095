"""The figures on local geometry show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens import plots

STEPS, SIGMAS = [0, 10], [0.1, 1.0]


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(0.1, 1, (2, 2, 3))


def test_eigenvalues_at_each_level_with_bars(values):
    dims = ("step", "sigma", "eigen")
    dataset = xr.Dataset(
        {"eigenvalue": (dims, values), "lowest": (dims, values - 0.05), "highest": (dims, values + 0.1)},
        {"step": STEPS, "sigma": SIGMAS},
    )
    drawn = plots.jacobian_spectra(dataset)
    assert [trace.name for trace in drawn.data] == ["σ 0.1", "σ 1"]
    for level, trace in enumerate(drawn.data):
        np.testing.assert_allclose(trace.y, values[-1, level])
        assert list(trace.x) == [1, 2, 3]
        np.testing.assert_allclose(trace.error_y.array, 0.1)
        np.testing.assert_allclose(trace.error_y.arrayminus, 0.05)
    np.testing.assert_allclose(drawn.frames[0].data[1].y, values[0, 1])
    assert [frame.name for frame in drawn.frames] == ["step 0", "step 10"]
    assert len(plots.jacobian_spectra(dataset.isel(step=[-1])).frames) == 0


def test_ranks_over_noise_levels(values):
    names = ("trace", "participation")
    columns = {
        f"{name}{end}": i + 0.1 * j
        for i, name in enumerate(names)
        for j, end in enumerate(("_low", "", "_high"))
    }
    dataset = xr.Dataset(
        {name: (("step", "sigma"), values[..., 0] + shift) for name, shift in columns.items()},
        {"step": STEPS, "sigma": SIGMAS},
    )
    trace, participation = plots.kept_directions(dataset).data
    np.testing.assert_allclose(trace.y, values[-1, :, 0] + 0.1)
    np.testing.assert_allclose(participation.y, values[-1, :, 0] + 1.1)
    np.testing.assert_allclose(participation.error_y.array, 0.1)


def test_shrinkage_is_drawn_against_the_size_of_coefficients(values):
    dims = ("step", "sigma", "direction")
    dataset = xr.Dataset(
        {"eigenvalue": (dims, values), "coefficient": (dims, -3 * values)}, {"step": STEPS, "sigma": SIGMAS}
    )
    first, second = plots.shrinkage(dataset).data
    np.testing.assert_allclose(first.x, 3 * values[-1, 0])
    np.testing.assert_allclose(second.y, values[-1, 1])


def test_arms_reach_to_both_sides_of_the_denoised_point():
    points = np.arange(8.0).reshape(2, 2, 2)
    arm = np.array([[[[1.0, 0.0], [0.0, 2.0]]] * 2] * 2)
    dims = ("step", "point", "axis")
    dataset = xr.Dataset(
        {
            "clean": (dims, points),
            "noisy": (dims, points + 1),
            "denoised": (dims, points + 0.5),
            "arm": (("step", "point", "eigen", "axis"), arm),
        },
        {"step": STEPS, "axis": ["a", "b"]},
    )
    lines, clean, noisy, denoised = plots.directions(dataset).data
    ends = np.stack([lines.x, lines.y], axis=1).reshape(2, 2, 3, 2)
    np.testing.assert_allclose(ends[:, :, 1] - ends[:, :, 0], 2 * arm[-1])
    np.testing.assert_allclose((ends[:, :, 1] + ends[:, :, 0]) / 2, (points[-1] + 0.5)[:, None].repeat(2, 1))
    for drawn, expected in ((clean, points), (noisy, points + 1), (denoised, points + 0.5)):
        np.testing.assert_allclose(np.stack([drawn.x, drawn.y], axis=1), expected[-1])
