"""Figures of the theory: what is drawn where, and that views and sliders show all there is."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens import plots
from scorelens.analysis import exponent_table
from scorelens.analysis.flow_curves import velocity_curves
from scorelens.analysis.gain_curves import gain_curves
from scorelens.analysis.overlap_curves import overlap_curves
from scorelens.analysis.portraits import portraits
from scorelens.plots import style


@pytest.fixture(scope="module")
def curves():
    laws, times = ["one layer", "two tied layers"], np.logspace(-2, 2, 9)
    return gain_curves(laws, [0.0, 0.1], [1.0, 0.3], np.array([2.0, 0.5]), times)


@pytest.fixture(scope="module")
def drawn(curves):
    what = plots.ModeCurves(
        value="gain",
        along="flow_time",
        x_axis=style.log_axis("dose", curves["flow_time"].values),
        y_axis=style.linear_axis("weight"),
        rows=plots.Facet("initial_gain", "initial gain", "initial gain {:g}"),
        views=plots.Facet("law", "network"),
        slider=plots.Facet("sigma", "noise level", "sigma {:g}"),
        targets={"optimum": "dot"},
        marks=("emergence_time", "emergence_gain"),
    )
    return plots.mode_curves(curves, what)


def lines(figure):
    return [t for t in figure.data if t.mode == "lines" and t.line.dash is None]


def test_every_curve_is_drawn_with_the_last_position_of_the_slider(drawn, curves):
    expected = curves["gain"].isel(sigma=-1).transpose("law", "initial_gain", "mode", "flow_time").values
    np.testing.assert_array_equal([t.y for t in lines(drawn)], expected.reshape(-1, 9))


def test_frames_hold_the_other_positions_and_views_the_laws(drawn, curves):
    assert [frame.name for frame in drawn.frames] == ["sigma 1", "sigma 0.3"]
    assert all(len(frame.data) == len(drawn.data) for frame in drawn.frames)
    first = [t for t, shown in zip(drawn.frames[0].data, drawn.data, strict=True) if shown in lines(drawn)]
    expected = curves["gain"].isel(sigma=0).transpose("law", "initial_gain", "mode", "flow_time").values
    np.testing.assert_array_equal([t.y for t in first], expected.reshape(-1, 9))
    views = drawn.layout.meta["views"]
    assert [view["label"] for view in views] == ["one layer", "two tied layers"]
    assert np.array_equal(views[0]["visible"], np.logical_not(views[1]["visible"]))


def test_stuck_modes_have_no_diamond(drawn):
    stuck = [t for t in drawn.data if t.mode == "markers"][2]  # two tied layers, initial gain 0
    assert np.all(np.isnan(stuck.x))


def test_rows_are_titled(drawn):
    assert [a.text for a in drawn.layout.annotations] == ["initial gain 0", "initial gain 0.1"]


def test_fitted_lines_run_through_their_points():
    table = exponent_table(["one layer"], [0.0], ["geometric"])
    figure = plots.emergence_exponents(table)
    points, line = (
        next(t for t in figure.data if t.name == name) for name in ("rising", "power law, rising")
    )
    slope = np.diff(np.log(line.y)) / np.diff(np.log(line.x))
    assert float(slope[0]) == pytest.approx(float(table["exponent"].squeeze()[0]), rel=1e-9)
    middle = np.exp([np.log(points.x).mean(), np.log(points.y).mean()])
    ends = np.log(line.x), np.log(line.y)
    assert np.interp(np.log(middle[0]), ends[0], ends[1]) == pytest.approx(np.log(middle[1]), abs=1e-9)


def test_arrows_point_along_the_field():
    found = portraits([1.0], [1.0])
    arrows = next(t for t in plots.phase_portraits(found).data if t.name == "direction of learning")
    x, y = (np.reshape(part, (-1, 3)) for part in (arrows.x, arrows.y))
    steps = [np.diff(found[name].values[:2])[0] for name in ("weight", "bias")]
    along = np.stack([(x[:, 1] - x[:, 0]) / steps[0], (y[:, 1] - y[:, 0]) / steps[1]])
    field = np.stack(
        [found["field_weight"].values.ravel() / steps[0], found["field_bias"].values.ravel() / steps[1]]
    )
    assert np.all(np.abs(along[0] * field[1] - along[1] * field[0]) < 1e-9 * np.hypot(*field).max())
    assert np.all((along * field).sum(axis=0) >= 0.0)
    assert np.hypot(*along).max() == pytest.approx(0.8)


def test_diamonds_sit_where_learning_is_slowest_and_the_overlap_largest():
    speed = plots.learning_speed(velocity_curves(["flow matching"], [0.1], [1.0]))
    curves = {t.name: t for t in speed.data if t.mode == "lines"}
    least = [t for t in speed.data if t.mode == "markers"]
    for curve, mark in zip(curves.values(), least, strict=True):
        assert mark.y[0] <= np.min(curve.y) + 1e-12
    overlap = plots.overlaps(overlap_curves([0.5], [0.5], flow_times=np.linspace(0.0, 2.0, 21)))
    line, mark = (
        next(t for t in overlap.data if t.name == n) for n in ("overlap of the two", "largest overlap")
    )
    assert mark.y[0] == np.max(line.y)
