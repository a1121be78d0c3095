import numpy as np
import pytest
import xarray as xr

from scorelens.plots import loss_over_training, loss_per_sigma, points, responsibility, spectrum, transfer

SIGMA = np.array([0.1, 1.0, 10.0])


def transfers(n_modes=2, n_steps=3):
    values = np.linspace(2.0, 0.5, n_modes)
    optimal = values / (values + SIGMA[:, None] ** 2)
    offset = np.linspace(0.3, 0.1, n_steps)[:, None, None]
    return xr.Dataset(
        {
            "transfer": (("step", "sigma", "mode"), optimal + offset),
            "optimal_transfer": (("sigma", "mode"), optimal),
        },
        {
            "step": 10 * np.arange(n_steps),
            "sigma": SIGMA,
            "mode": np.arange(n_modes),
            "eigenvalue": ("mode", values),
        },
    )


def losses(n_steps=3):
    return xr.Dataset(
        {
            "train_loss": (("step", "sigma"), np.outer(np.arange(n_steps, 0, -1.0), [1.0, 2.0, 4.0])),
            "held_out_loss": (("step", "sigma"), np.outer(np.arange(n_steps, 0, -1.0), [2.0, 4.0, 8.0])),
            "held_out_standard_error": (("step", "sigma"), np.full((n_steps, 3), 0.2)),
            "linear_floor": (("step", "sigma"), np.tile([0.5, 1.0, 2.0], (n_steps, 1))),
            "memorization_floor": (("step", "sigma"), np.tile([0.0, 0.1, 2.0], (n_steps, 1))),
            "train_edm_loss": ("step", np.arange(n_steps, 0, -1.0)),
            "held_out_edm_loss": ("step", np.arange(n_steps, 0, -1.0) + 0.5),
        },
        {"step": 10 * np.arange(n_steps), "sigma": SIGMA},
    )


def test_transfer_has_modes_as_rows_and_sigmas_as_columns():
    measured, difference, optimal = transfer(transfers()).data
    assert np.asarray(optimal.z).shape == (2, 3)
    np.testing.assert_allclose(np.asarray(optimal.z)[0], 2.0 / (2.0 + SIGMA**2))
    np.testing.assert_allclose(np.asarray(measured.z) - np.asarray(optimal.z), 0.1)
    np.testing.assert_allclose(difference.z, 0.1)


def test_transfer_frames_hold_measurement_and_difference_of_each_step():
    figure = transfer(transfers())
    assert [frame.name for frame in figure.frames] == ["step 0", "step 10", "step 20"]
    assert tuple(figure.frames[0].traces) == (0, 1)
    measured, difference = figure.frames[0].data
    np.testing.assert_allclose(difference.z, 0.3)
    np.testing.assert_allclose(np.asarray(measured.z) - np.asarray(figure.data[2].z), 0.3)
    assert figure.data[1].zmin == -figure.data[1].zmax == pytest.approx(-0.3)


def test_transfer_is_thinned():
    figure = transfer(transfers(n_modes=3072, n_steps=40))
    assert len(figure.frames) == 16
    assert figure.frames[-1].name == "step 390"
    assert np.asarray(figure.data[0].z).shape == (64, 3)


def test_an_optimum_that_was_stored_with_every_step_is_drawn_once():
    dataset = transfers()
    dataset["optimal_transfer"] = dataset["optimal_transfer"].expand_dims(step=dataset["step"])
    assert np.asarray(transfer(dataset).data[2].z).shape == (2, 3)


def test_responsibility_marks_each_modes_own_noise_level():
    dataset = xr.Dataset(
        {"responsibility": (("sigma", "mode"), np.arange(9.0).reshape(3, 3))},
        {"sigma": SIGMA, "mode": np.arange(3), "eigenvalue": ("mode", [4.0, 1.0, 1e-6])},
    )
    heatmap, line = responsibility(dataset).data
    np.testing.assert_allclose(heatmap.z, np.arange(9.0).reshape(3, 3).T)
    np.testing.assert_allclose(line.x, [2.0, 1.0, np.nan])


def test_loss_is_shown_relative_to_the_linear_floor_first():
    figure = loss_per_sigma(losses())
    by_name = {trace.name: trace for trace in figure.data if trace.visible}
    np.testing.assert_allclose(by_name["training data"].y, 2.0)
    np.testing.assert_allclose(by_name["held-out data"].y, 4.0)
    np.testing.assert_allclose(by_name["held-out data"].error_y.array, [0.8, 0.4, 0.2])
    np.testing.assert_allclose(by_name["floor: best linear denoiser"].y, 1.0)
    np.testing.assert_allclose(by_name["floor: memorising"].y, [np.nan, 0.1, 1.0])


def test_loss_frames_replace_the_losses_of_both_views():
    figure = loss_per_sigma(losses())
    replaced = [figure.data[i] for i in figure.frames[0].traces]
    assert [trace.name for trace in replaced] == ["training data", "held-out data"] * 2
    first, _, absolute, _ = figure.frames[0].data
    np.testing.assert_allclose(first.y, 6.0)
    np.testing.assert_allclose(absolute.y, [3.0, 6.0, 12.0])


def test_loss_over_training_has_both_curves_and_the_start():
    figure = loss_over_training(losses())
    assert [trace.name for trace in figure.data] == ["training data", "held-out data"]
    assert list(figure.data[0].customdata) == [0, 10, 20]
    assert figure.layout.xaxis.ticktext[0] == "0"


def test_points_follow_the_slider_and_the_data_stay():
    clouds = np.array([[[9.0, 7.0], [8.0, 6.0]], [[1.0, 0.0], [0.0, 1.0]]])
    dataset = xr.Dataset(
        {"sampled": (("step", "sample", "axis"), clouds), "data": (("example", "axis"), [[0.5, 0.5]])},
        {"step": [0, 5], "axis": ["first", "second"]},
    )
    figure = points(dataset)
    assert [trace.name for trace in figure.data] == ["data", "generated"]
    assert list(figure.data[1].x) == [1.0, 0.0]
    assert tuple(figure.frames[0].traces) == (1,)
    assert list(figure.frames[0].data[0].x) == [9.0, 8.0]
    assert list(figure.frames[0].data[0].y) == [7.0, 6.0]
    assert figure.layout.xaxis.range[1] < 9


def test_spectrum_draws_variance_and_share_and_skips_zero_variance():
    dataset = xr.Dataset(
        {"cumulative_share": ("mode", [0.75, 1.0, 1.0])},
        {"mode": np.arange(3), "eigenvalue": ("mode", [3.0, 1.0, 0.0])},
    )
    variance, share = spectrum(dataset).data
    np.testing.assert_allclose(variance.y, [3.0, 1.0, np.nan])
    np.testing.assert_allclose(share.y, [75.0, 100.0, 100.0])
    assert list(variance.x) == [1, 2, 3]
