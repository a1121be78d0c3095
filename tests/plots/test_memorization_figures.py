"""The figures on memorisation show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens import plots

STEPS, SIGMAS = [0, 10, 100], np.array([0.1, 1.0, 10.0])


def _along(values):
    return ("step", np.array(values, dtype=float))


@pytest.fixture
def nearness():
    return xr.Dataset(
        {
            "distance_ratio": _along([1.3, 0.8, 0.2]),
            "distance_ratio_low": _along([1.2, 0.7, 0.1]),
            "distance_ratio_high": _along([1.4, 0.9, 0.4]),
            "near_copy_share": _along([0, 0.1, 0.5]),
            "near_copy_share_low": _along([0, 0.05, 0.4]),
            "near_copy_share_high": _along([0.02, 0.2, 0.6]),
            "false_alarm_rate": _along([0.01] * 3),
        },
        {"step": STEPS},
    )


def test_nearness_has_two_views_with_intervals(nearness):
    drawn = plots.nearness_over_training(nearness)
    ratio, one, copies, usual = drawn.data
    assert list(ratio.y) == [1.3, 0.8, 0.2]
    np.testing.assert_allclose(ratio.error_y.array, [0.1, 0.1, 0.2])
    np.testing.assert_allclose(ratio.error_y.arrayminus, [0.1, 0.1, 0.1])
    np.testing.assert_allclose(copies.y, [0, 10, 50])
    assert set(one.y) == {1.0}
    assert set(usual.y) == {1.0}
    assert [trace.visible for trace in drawn.data] == [True, True, False, False]
    assert [view["visible"] for view in drawn.layout.meta["views"]] == [
        [True, True, False, False],
        [False, False, True, True],
    ]


def test_the_gap_is_a_map_with_its_onsets():
    gap = np.array([[0, 0.1, -0.2], [0.2, 0.5, 0.0], [0.5, 0.9, 0.1]])
    dataset = xr.Dataset(
        {"gap": (("step", "sigma"), gap), "onset_step": ("sigma", [np.nan, 10.0, np.nan])},
        {"step": STEPS, "sigma": SIGMAS},
    )
    cells, onsets = plots.loss_gap(dataset).data
    np.testing.assert_allclose(cells.z, 100 * gap.T)
    assert (cells.zmin, cells.zmax) == (-100, 100)
    assert (list(onsets.x), list(onsets.y)) == ([10.0], [1.0])
    assert len(plots.loss_gap(dataset.assign(onset_step=("sigma", [np.nan] * 3))).data) == 1


def test_attraction_lies_between_two_floors_and_leaves_out_what_is_not_known():
    values = np.array([[0.0, 0.0, np.nan], [0.2, 0.4, 0.1], [0.3, 0.9, np.nan]])
    dataset = xr.Dataset(
        {
            "attraction": (("step", "sigma"), values),
            "attraction_standard_error": (("step", "sigma"), np.full((3, 3), 0.05)),
        },
        {"step": STEPS, "sigma": SIGMAS},
    )
    drawn = plots.attraction(dataset)
    np.testing.assert_allclose(drawn.data[0].y, values[-1])
    np.testing.assert_allclose(drawn.data[0].error_y.array, 0.1)
    assert [set(trace.y) for trace in drawn.data[1:]] == [{0.0}, {1.0}]
    assert len(drawn.frames) == 3
    assert len(plots.attraction(dataset.isel(step=[-1])).frames) == 0
    unseen = plots.attraction(dataset.assign(unseen=("sigma", [0.1, 0.2, 0.3])))
    assert list(unseen.data[3].y) == [0.1, 0.2, 0.3]


def test_every_sample_is_joined_to_its_neighbour():
    rng = np.random.default_rng(0)
    made, near = rng.standard_normal((2, 2, 5, 2))
    axes = ("step", "shown", "axis")
    dataset = xr.Dataset(
        {"sampled": (axes, made), "neighbour": (axes, near)}, {"step": [0, 10], "axis": ["a", "b"]}
    )
    drawn = plots.neighbours(dataset)
    lines, circles, dots = drawn.data
    np.testing.assert_allclose(np.array(lines.x).reshape(5, 3)[:, :2], np.stack([made, near], 2)[1, :, :, 0])
    assert np.isnan(np.array(lines.x).reshape(5, 3)[:, 2]).all()
    np.testing.assert_allclose(dots.y, made[1, :, 1])
    np.testing.assert_allclose(circles.y, near[1, :, 1])
    assert [frame.name for frame in drawn.frames] == ["step 0", "step 10"]
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("a", "b")
