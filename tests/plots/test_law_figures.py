"""Figures of forecasts by learning laws: emergence by threshold, where training ends, laws side by side."""

import numpy as np
import xarray as xr

from scorelens.plots import FittedLaw, emergence_of_laws, forecast_emergence, limits, trajectories
from scorelens.plots.trajectories import RELATIVE

EIGENVALUES = np.array([8.0, 1.0, 0.5, 0.01, 0.0])


def known(scale: float = 1.0) -> xr.Dataset:
    """Five modes: emerging, gray, falling, stuck, without variance; the band is crossed by the first only."""
    status = np.array([["emerged", "gray", "emerged", "stuck", "stuck"], ["emerged", *["gray"] * 4]])
    times = scale * np.array([[1.0, 2.0, 3.0, np.inf, np.inf], [10.0, np.nan, np.inf, np.inf, np.inf]])
    return xr.Dataset(
        {
            "emergence_time_by_criterion": (("criterion", "mode"), times),
            "emergence_status_by_criterion": (("criterion", "mode"), status),
            "stuck": ("mode", [False, False, False, True, True]),
            "rising": ("mode", [True, True, False, True, False]),
            "gray": ("mode", [False, True, False, False, False]),
            "start_variance": ("mode", [0.01, 0.9, 5.0, 1e-6, 1e-6]),
            "limit_variance": ("mode", [8.0, 2.0, 0.5, 1e-6, 1e-6]),
            "optimal_variance": ("mode", [8.0, 1.0, 0.5, 0.01, 1e-6]),
        },
        {
            "mode": np.arange(5),
            "eigenvalue": ("mode", EIGENVALUES),
            "criterion": ["harmonic", "band"],
            "flow_time": [0.0, 1.0, 10.0],
        },
    )


def shown(figure):
    return [trace for trace in figure.data if trace.visible is not False]


def test_each_threshold_is_a_view_with_its_own_points_and_fits():
    fits = {"harmonic": [FittedLaw("rising", 1.0, -1.0, 0.5, 8.0)], "band": []}
    figure = forecast_emergence(known(), fits)
    views = figure.layout.meta["views"]
    assert [view["label"] for view in views] == ["harmonic", "band"]
    rising, falling, line = shown(figure)
    np.testing.assert_array_equal(rising.x, [8.0])
    np.testing.assert_array_equal(falling.x, [0.5])
    np.testing.assert_allclose(line.y, [2.0, 0.125])
    assert "exponent −1.00" in line.name
    second = [trace for trace, visible in zip(figure.data, views[1]["visible"], strict=True) if visible]
    assert [list(trace.y) for trace in second] == [[10.0], []]
    (band,) = figure.layout.shapes
    assert band.x0 < 1.0 < band.x1


def test_where_training_ends_tells_right_wrong_and_stuck_apart():
    figure = limits(known())
    named = {trace.name: trace for trace in figure.data}
    np.testing.assert_array_equal(named["after infinite training: right"].x, [1, 3])
    np.testing.assert_array_equal(named["after infinite training: never right"].x, [2])
    np.testing.assert_allclose(named["after infinite training: never right"].y, [2.0])
    stuck = named["after infinite training: stuck"]
    assert list(stuck.x) == [4]
    assert stuck.y[0] == 1e-3
    assert stuck.marker.symbol[0] == "triangle-down"
    np.testing.assert_allclose(stuck.customdata, [1e-4])
    np.testing.assert_allclose(named["before training"].y[2], 10.0)
    np.testing.assert_allclose(named["best linear denoiser, same sampler"].y, 1.0)


def test_laws_have_colours_and_symbols_of_their_own_and_share_axes():
    laws = {f"law {i}": known(10.0**i) for i in range(6)}
    figure = emergence_of_laws(laws)
    first = shown(figure)
    assert [trace.name for trace in first] == list(laws)
    assert len({trace.marker.color for trace in first}) == 6
    np.testing.assert_allclose(first[2].y, [100.0, 300.0])
    assert list(first[2].marker.symbol)[1].endswith("-open")
    assert figure.layout.yaxis.range[0] < 0 < 5 < figure.layout.yaxis.range[1]
    views = figure.layout.meta["views"]
    assert sum(views[1]["visible"]) == 6
    assert not any(one and other for one, other in zip(views[0]["visible"], views[1]["visible"], strict=True))


def test_curves_that_never_come_near_the_data_are_still_seen():
    curves = xr.Dataset(
        {"forecast": (("flow_time", "mode"), np.full((2, 2), 1e-6))},
        {"flow_time": [0.0, 1.0], "mode": [0, 1], "eigenvalue": ("mode", [2.0, 1.0])},
    )
    figure = trajectories(curves)
    low = next(v for v in figure.layout.meta["views"] if v["label"] == RELATIVE)["layout"]["yaxis.range"][0]
    assert low < np.log10(5e-7)
