import numpy as np
import pytest
import xarray as xr

from scorelens.plots import alignment, standing, trajectories, variance_heatmap

STEPS = np.array([0, 1, 10, 100])


def curves(n_modes=3, parts=("measured", "forecast"), time="step"):
    """Generated variance goes from 4 x to 1 x the data's, in factors of two at the first three times."""
    values = np.arange(n_modes, 0, -1.0)
    ratio = np.array([4.0, 2.0, 1.0, 1.0])[:, None]
    dataset = xr.Dataset(
        coords={time: STEPS, "mode": np.arange(n_modes), "eigenvalue": ("mode", values)},
    )
    for part in parts:
        dataset[part] = ((time, "mode"), ratio * values)
    return dataset


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_relative_curves_divide_by_the_variance_and_absolute_ones_do_not():
    figure = trajectories(curves())
    forecast, measured, *_ = named(figure, "mode 1")
    np.testing.assert_allclose(forecast.y, [4, 2, 1, 1])
    np.testing.assert_allclose(measured.y, [4, 2, 1, 1])
    assert forecast.line.dash == "dash"
    assert "markers" in measured.mode
    absolute = [trace for trace in named(figure, "mode 1") if trace.visible is False]
    np.testing.assert_allclose(absolute[0].y, [12, 6, 3, 3])


def test_views_show_every_trace_exactly_once():
    figure = trajectories(curves())
    first, second = figure.layout.meta["views"]
    assert [a != b for a, b in zip(first["visible"], second["visible"], strict=True)] == [True] * len(
        figure.data
    )
    assert [trace.visible for trace in figure.data] == first["visible"]
    assert "data variance" in first["layout"]["yaxis.title.text"]


def test_error_bars_are_two_standard_errors_in_the_units_of_the_axis():
    dataset = curves()
    dataset["standard_error"] = 0.1 * dataset["measured"]
    measured = named(trajectories(dataset), "mode 1")[1]
    np.testing.assert_allclose(measured.error_y.array, 0.2 * np.array([4, 2, 1, 1]))


@pytest.mark.parametrize("n_modes", [1, 2, 8, 3072])
def test_at_most_eight_modes_are_drawn_and_both_ends_are_among_them(n_modes):
    figure = trajectories(curves(n_modes))
    names = {trace.name for trace in figure.data if trace.name.startswith("mode")}
    assert len(names) == min(n_modes, 8)
    last = n_modes if n_modes < 1000 else n_modes - 3  # of 3072, the last three vary too little
    assert {"mode 1", f"mode {last}"} <= names


def test_modes_without_variance_are_left_out():
    dataset = curves().assign_coords(eigenvalue=("mode", [3.0, 2.0, 0.0]))
    assert not named(trajectories(dataset), "mode 3")


def test_a_forecast_alone_runs_over_the_dose():
    figure = trajectories(curves(parts=("forecast",), time="flow_time"))
    assert "dose" in figure.layout.xaxis.title.text
    assert all(trace.mode == "lines" for trace in figure.data)
    assert named(figure, "mode 2")[0].showlegend


def test_map_shows_octaves_with_modes_as_rows():
    figure = variance_heatmap(curves())
    z = np.asarray(figure.data[0].z)
    assert z.shape == (3, 4)
    np.testing.assert_allclose(z[0], [2, 1, 0, 0])
    assert figure.data[0].zmin == -figure.data[0].zmax == -2
    assert list(figure.data[0].colorbar.ticktext) == ["×1/4", "×1/2", "×1", "×2", "×4"]


def test_map_clips_the_colour_but_not_the_number():
    dataset = curves()
    dataset["measured"] = 1000 * dataset["measured"]
    heatmap = variance_heatmap(dataset).data[0]
    assert np.max(heatmap.z) == heatmap.zmax
    np.testing.assert_allclose(np.asarray(heatmap.customdata)[0, 0], 4000)


def test_map_marks_emergence_censoring_and_the_gray_zone():
    dataset = curves()
    dataset["emergence_step"] = ("mode", [5.0, np.nan, 7.0])
    dataset["emergence_status"] = ("mode", np.array(["emerged", "censored", "gray"], dtype=object))
    dataset["forecast_emergence_step"] = ("mode", [6.0, 50.0, 1e9])
    dataset["gray"] = ("mode", [False, True, False])
    figure = variance_heatmap(dataset)
    (emerged,) = named(figure, "emergence, measured")
    assert (list(emerged.x), list(emerged.y)) == ([5.0], [1])
    (waiting,) = named(figure, "not yet emerged")
    assert (list(waiting.x), list(waiting.y)) == ([100.0], [2])
    (forecast,) = named(figure, "emergence, forecast")
    assert list(forecast.x) == [6.0, 50.0]
    borders = [shape.y0 for shape in figure.layout.shapes]
    assert borders == [1.5, 2.5]


@pytest.mark.parametrize("n_modes", [1, 64, 3072])
def test_map_stays_small(n_modes):
    heatmap = variance_heatmap(curves(n_modes)).data[0]
    assert len(heatmap.z) == min(n_modes, 96)
    assert len(heatmap.y) == len(heatmap.z) + 1
    assert (np.diff(heatmap.y) > 0).all()


def test_a_single_measurement_is_drawn():
    figure = variance_heatmap(curves().isel(step=[3]))
    assert np.asarray(figure.data[0].z).shape == (3, 1)
    assert trajectories(curves().isel(step=[3])).data


def test_alignment_follows_the_slider_under_its_ceiling():
    values = np.array([[0.1, 0.2], [0.8, 0.7]])
    dataset = xr.Dataset(
        {
            "alignment": (("step", "mode"), values),
            "alignment_ceiling": (("step", "mode"), [[0.5, 0.5], [0.9, 0.9]]),
        },
        {"step": [0, 5], "mode": [0, 1]},
    )
    figure = alignment(dataset)
    assert list(figure.data[0].y) == [0.8, 0.7]
    assert list(figure.data[1].y) == [0.9, 0.9]
    assert list(figure.frames[0].data[0].y) == [0.1, 0.2]
    assert tuple(figure.frames[0].traces) == (0,)


def test_standing_shows_ratios_with_errors_and_marks_what_lies_beyond():
    dataset = curves(parts=("measured",)).isel(step=[0, 3])
    dataset["measured"][1, 2] = 500.0
    dataset["standard_error"] = 0.1 * dataset["measured"]
    dataset["limit_variance"] = ("mode", [3.3, 2.2, 1.1])
    figure = standing(dataset)
    np.testing.assert_allclose(figure.data[0].y, [1, 1, 32])
    np.testing.assert_allclose(figure.data[0].customdata, [1, 1, 500])
    np.testing.assert_allclose(figure.data[0].error_y.array, [0.2, 0.2, 0])
    assert list(figure.data[0].marker.symbol) == ["circle", "circle", "triangle-up"]
    np.testing.assert_allclose(named(figure, "best linear denoiser, same sampler")[0].y, 1.1)
    np.testing.assert_allclose(figure.frames[0].data[0].y, 4)
    assert [frame.name for frame in figure.frames] == ["step 0", "step 100"]


def test_hardly_varying_modes_are_not_chosen_as_examples():
    dataset = curves().assign_coords(eigenvalue=("mode", [3.0, 2.0, 1e-6]))
    assert not named(trajectories(dataset), "mode 3")


def test_marks_of_modes_without_variance_are_left_out():
    dataset = curves().assign_coords(eigenvalue=("mode", [3.0, 2.0, 0.0]))
    dataset["emergence_step"] = ("mode", [5.0, 6.0, 100.0])
    dataset["emergence_status"] = ("mode", ["emerged", "emerged", "censored"])
    assert not named(variance_heatmap(dataset), "not yet emerged")
