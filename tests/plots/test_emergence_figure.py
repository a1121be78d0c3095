import numpy as np
import pytest
import xarray as xr

from scorelens.plots import FittedLaw, emergence


def emerged(**changes):
    dataset = xr.Dataset(
        {
            "emergence_step": ("mode", [4.0, 20.0, 30.0, 100.0, 5.0]),
            "emergence_status": ("mode", ["emerged", "gray", "emerged", "censored", "at start"]),
            "forecast_emergence_step": ("mode", [5.0, 6.0, 40.0, 2000.0, 0.0]),
            "forecast_emergence_low": ("mode", [4.0, 5.0, 30.0, 1000.0, 0.0]),
            "forecast_emergence_high": ("mode", [6.0, 7.0, 50.0, np.inf, 0.0]),
            "rising": ("mode", [True, True, False, False, False]),
            "gray": ("mode", [False, True, False, False, False]),
        },
        {"step": [0, 10, 100], "mode": np.arange(5), "eigenvalue": ("mode", [4.0, 0.4, 0.1, 0.01, 0.0])},
    )
    return dataset.assign(**changes)


def by_name(figure):
    return {trace.name: trace for trace in figure.data}


def test_each_status_has_its_own_marks():
    traces = by_name(emergence(emerged()))
    rising, falling = traces["measured, rising"], traces["measured, falling"]
    assert (list(rising.x), list(rising.y), list(rising.customdata)) == ([4.0], [4.0], [1])
    assert (list(falling.x), list(falling.y)) == ([0.1], [30.0])
    assert list(traces["measured, gray zone"].x) == [0.4]
    waiting = traces["not yet emerged, falling"]
    assert (list(waiting.x), list(waiting.y)) == ([0.01], [100.0])
    assert waiting.marker.symbol == "triangle-up-open"
    assert "not yet emerged, rising" not in traces


def test_a_gray_mode_that_never_crossed_has_no_mark():
    step = ("mode", [4.0, 100.0, 30.0, 100.0, 5.0])
    assert "measured, gray zone" not in by_name(emergence(emerged(emergence_step=step)))


def test_a_mode_that_emerged_before_the_first_measurement_is_a_bound():
    status = ("mode", ["earlier", "gray", "emerged", "censored", "at start"])
    traces = by_name(emergence(emerged(emergence_status=status)))
    assert list(traces["earlier, rising"].x) == [4.0]
    assert traces["earlier, rising"].marker.symbol == "triangle-down-open"
    assert "measured, rising" not in traces


def test_the_forecast_leaves_out_the_gray_zone_and_modes_that_start_right():
    forecast = by_name(emergence(emerged()))["forecast"]
    np.testing.assert_allclose(forecast.y, [5.0, np.nan, 40.0, 2000.0])


def test_the_interval_is_an_outline_per_branch_without_infinite_ends():
    outlines = [trace for trace in emergence(emerged()).data if trace.fill == "toself"]
    assert [list(outline.y) for outline in outlines] == [[4.0, 6.0], [30.0, 50.0]]


def test_a_forecast_far_beyond_the_run_does_not_stretch_the_axis():
    far = ("mode", [5.0, 6.0, 40.0, 1e9, 0.0])
    near = emergence(emerged()).layout.yaxis.range
    assert near[1] > np.log10(2000)
    assert emergence(emerged(forecast_emergence_step=far)).layout.yaxis.range[1] < np.log10(3000)


def test_fitted_laws_are_drawn_over_the_variances_they_were_fitted_to():
    law = FittedLaw("rising", prefactor=16.0, exponent=-1.0, low=0.5, high=4.0)
    line = by_name(emergence(emerged(), [law]))["power law, rising: exponent −1.00"]
    assert list(line.x) == [0.5, 4.0]
    assert list(line.y) == [32.0, 4.0]


def test_the_gray_band_spans_the_gray_modes():
    figure = emergence(emerged())
    (band,) = figure.layout.shapes
    assert band.x0 < 0.4 < band.x1
    assert band.x1 < 1
    assert band.x0 > 0.1


def test_a_forecast_alone_has_doses():
    alone = emerged().drop_vars(["emergence_step", "emergence_status", "step"])
    figure = emergence(alone.assign_coords(flow_time=[0.0, 1.0]))
    assert "dose" in figure.layout.yaxis.title.text
    assert "forecast" in by_name(figure)
    assert not [name for name in by_name(figure) if "measured" in name]


@pytest.mark.parametrize("n_modes", [1, 3072])
def test_any_number_of_modes(n_modes):
    values = np.geomspace(1, 1e-4, n_modes)
    dataset = xr.Dataset(
        {
            "emergence_step": ("mode", 10 / values),
            "emergence_status": ("mode", np.full(n_modes, "emerged")),
            "rising": ("mode", np.ones(n_modes, bool)),
            "gray": ("mode", np.zeros(n_modes, bool)),
        },
        {"step": [0, 100_000], "mode": np.arange(n_modes), "eigenvalue": ("mode", values)},
    )
    assert len(by_name(emergence(dataset))["measured, rising"].x) == n_modes
