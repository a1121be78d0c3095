"""Comparing a run with its forecast: what goes in along the law on a known time scale comes out again."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens.analysis import compare
from scorelens.analysis.measured_emergence import measured_emergence
from scorelens.results import RunConfig, schema
from scorelens.results.config import PreconditioningConfig

EIGENVALUES = np.geomspace(20.0, 0.01, 24)


@pytest.fixture(scope="module")
def followed_cache() -> dict[str, xr.Dataset]:
    return {}


@pytest.fixture
def followed(make_run, followed_cache):
    """A run that follows the law exactly, compared."""
    if not followed_cache:
        followed_cache["run"] = compare(make_run(EIGENVALUES, steps_per_dose=20.0))
    return followed_cache["run"]


def test_the_time_scale_of_a_run_that_follows_the_law_is_found(followed):
    found = followed
    schema.check(found)
    assert "time scale and exponent" in found.attrs["time_scale"]
    assert "before training" in found.attrs["note"]
    np.testing.assert_allclose(np.log(found.forecast), np.log(found.measured), atol=0.05)
    timed = (found.emergence_status == "emerged").values
    ratio = found.forecast_emergence_step.values[timed] / found.emergence_step.values[timed]
    assert timed.sum() > 12
    assert np.abs(np.log(ratio)).max() < 0.2


def test_scale_and_exponent_of_the_optimizer_are_both_fitted(make_run):
    found = compare(make_run(EIGENVALUES, steps_per_dose=5.0, exponent=1.4))
    np.testing.assert_allclose(np.log(found.forecast), np.log(found.measured), atol=0.15)
    timed = (found.emergence_status == "emerged").values
    two, one = (
        np.abs(np.log(found[name].values[timed] / found.emergence_step.values[timed])).mean()
        for name in ("forecast_emergence_step", "forecast_emergence_step_scale_only")
    )
    assert two < 0.1 < one


def test_few_emerged_modes_give_a_scale_alone(make_run):
    found = compare(make_run([10.0, 3.0, 2.0, 1.5, 0.05, 0.02], config=_sigma_data(0.5)))
    assert found.attrs["time_scale"].startswith("time scale fitted to the emergence steps of")


def test_intervals_hold_the_truth_of_scattered_modes(make_run):
    found = compare(make_run(EIGENVALUES, scatter=0.05))
    timed = (found.emergence_status == "emerged").values
    low, high, step = (
        found[name].values[timed]
        for name in ("forecast_emergence_low", "forecast_emergence_high", "emergence_step")
    )
    inside = (low <= step) & (step <= high)
    assert inside.mean() > 0.75
    assert (np.log(high / low) < 3.0).all()


def test_censored_modes_are_forecast_beyond_the_run(make_run, followed):
    stopped = compare(make_run(EIGENVALUES, steps=(0, 1, 2, 4, 8, 16, 32, 64, 128), steps_per_dose=20.0))
    waiting = (stopped.emergence_status == "censored").values
    assert waiting.sum() >= 4
    assert (stopped.emergence_step.values[waiting] == 128).all()
    assert (stopped.forecast_emergence_low.values[waiting] > 128).all()
    later = followed.emergence_step.values[waiting]
    known = (followed.emergence_status == "emerged").values[waiting]
    inside = (stopped.forecast_emergence_low.values[waiting] < later) & (
        later < stopped.forecast_emergence_high.values[waiting]
    )
    assert inside[known].mean() > 0.75


def test_a_mode_that_is_late_is_forecast_after_what_has_been_seen(make_run):
    found = compare(make_run(EIGENVALUES, frozen=[2]))
    assert found.emergence_status.values[2] == "censored"
    assert float(found.forecast_emergence_low[2]) >= float(found.step[-1])


def test_power_laws_of_a_run_on_the_law_are_those_of_the_law(followed):
    found = followed
    assert (found.n_fitted.sel(source="measured") == found.n_fitted.sel(source="law")).all()
    for criterion in ("harmonic", "geometric"):
        fits = found.sel(criterion=criterion)
        measured, law = (fits.exponent.sel(source=source).values for source in ("measured", "law"))
        np.testing.assert_allclose(measured, law, atol=0.1)
    assert (found.r_squared.sel(criterion="geometric") > 0.97).all()


def test_nothing_to_calibrate_where_the_law_stands_still(make_run):
    config = RunConfig(preconditioning=PreconditioningConfig(name="spectral"))
    found = compare(make_run(EIGENVALUES, config=config, scatter=0.03))
    assert found.attrs["time_scale"] == "none needed"
    assert "starts where it ends" in found.attrs["note"]
    np.testing.assert_allclose(np.log(found.forecast), np.log(found.measured), atol=0.2)
    assert set(found.emergence_status.values) <= {"gray", "at start"}
    assert (found.n_fitted == 0).all()
    assert "forecast_emergence_step" not in found


def test_whole_trajectories_tell_the_scale_before_modes_have_emerged(make_run):
    found = compare(make_run(EIGENVALUES, steps=(0, 1, 2, 3, 4), steps_per_dose=100.0))
    assert (found.emergence_status != "emerged").all()
    assert "trajectories" in found.attrs["time_scale"]
    np.testing.assert_allclose(np.log(found.forecast), np.log(found.measured), atol=0.01)


def test_a_single_measurement_has_no_emergence(make_run):
    found = compare(make_run(EIGENVALUES, steps=(500,)))
    assert "emergence_step" not in found
    assert "forecast" not in found
    assert found.measured.sizes == {"step": 1, "mode": 24}
    assert {"start_variance", "limit_variance", "gray", "rising"} <= set(found.data_vars)
    schema.check(found)


def test_two_measurements_work(make_run):
    found = compare(make_run(EIGENVALUES, steps=(0, 300)))
    assert "emergence_step" in found
    assert np.isfinite(found.measured).all()


def test_modes_that_emerged_before_the_first_measurement_are_not_timed():
    values = xr.DataArray(
        [[8.0, 1.0], [9.0, 9.0]], {"step": [50, 90], "eigenvalue": ("mode", [10.0, 10.0])}, ("step", "mode")
    )
    found = measured_emergence(values, np.array([1.0, 1.0]))
    assert found.emergence_status.values.tolist() == ["earlier", "emerged"]
    assert found.emergence_step.values[0] == 50
    assert 50 < found.emergence_step.values[1] < 90


def test_a_run_without_spectrum_is_compared_with_nothing(make_run):
    found = compare(make_run(EIGENVALUES, with_forecast=False, with_spectrum=False))
    assert "forecast" not in found
    assert found.source.values.tolist() == ["measured"]
    assert {"emergence_step", "gray", "rising"} <= set(found.data_vars)
    schema.check(found)


def test_a_forecast_that_was_not_stored_is_made_from_the_spectrum(make_run, followed):
    xr.testing.assert_allclose(compare(make_run(EIGENVALUES, with_forecast=False)), followed)


def test_directions_without_variance_are_neither_fitted_nor_in_the_way(make_run):
    found = compare(make_run([*EIGENVALUES, 0.0, 0.0]))
    assert found.emergence_status.values[-2:].tolist() == ["censored", "censored"]
    assert np.isinf(found.forecast_emergence_step.values[-2:]).all()
    assert float(found.smallest_variance.min()) > 0
    assert np.isfinite(found.forecast).all()


def test_nothing_measured_is_refused(make_run):
    with pytest.raises(ValueError, match="no measurement of generated variance"):
        compare(make_run(EIGENVALUES, steps=()))


def test_a_damaged_step_is_left_out_with_a_warning(make_run):
    run = make_run(EIGENVALUES)
    step = int(run.measured_steps[1])
    folder = run.path / "measurements.zarr" / f"{step:08d}"
    for chunk in folder.rglob("*"):
        if chunk.is_file() and chunk.name != "zarr.json":
            chunk.write_bytes(b"")
    with pytest.warns(RuntimeWarning, match="left out"):
        found = compare(run)
    assert step not in found.step.values
    assert found.sizes["step"] == len(run.measured_steps) - 1


def _sigma_data(value: float) -> RunConfig:
    return RunConfig(preconditioning=PreconditioningConfig(sigma_data=value))
