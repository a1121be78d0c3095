"""The run folder: what is created, refused, stored, concatenated, discarded, and found damaged."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from scorelens.results import CorruptMeasurement, Run, RunConfig, StorageError
from scorelens.results.config import TrainingConfig

CONFIG = RunConfig(seed=5)


def measured(value: float) -> xr.Dataset:
    text = {"long_name": "variance", "units": "data units squared"}
    return xr.Dataset(
        {"variance": ("mode", np.array([value, 2 * value]), text)},
        coords={"mode": [0, 1], "eigenvalue": ("mode", [3.0, 1.0], text)},
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", CONFIG)
    for step in (0, 10, 100):
        run.write_measurement(step, {"generated": measured(step + 1.0), "loss": measured(1.0)})
    return run


def test_open_reads_back_the_configuration(run: Run):
    assert Run.open(run.path) == run
    assert RunConfig.model_validate_json((run.path / "config.json").read_text()) == CONFIG


def test_environment_keeps_the_first_and_adds_others(run: Run):
    run.record_environment(device="cpu", threads=1)
    run.record_environment(device="cpu", threads=1)
    assert run.environment["versions"]["numpy"] == np.__version__
    assert "resumed_in" not in run.environment
    run.record_environment(device="cpu", threads=2)
    run.record_environment(device="cpu", threads=2)
    assert run.environment["threads"] == 1
    assert [other["threads"] for other in run.environment["resumed_in"]] == [2]


def test_measurements_are_concatenated_along_step(run: Run):
    result = run.measurement("generated")
    assert result.variance.dims == ("step", "mode")
    assert result.eigenvalue.dims == ("mode",)
    np.testing.assert_array_equal(result.step, [0, 10, 100])
    np.testing.assert_array_equal(result.variance, [[1, 2], [11, 22], [101, 202]])
    assert result.step.attrs["long_name"]
    assert run.measurement_names() == ("generated", "loss")


def test_an_instrument_may_begin_later(run: Run):
    run.write_measurement(200, {"late": measured(1.0)})
    np.testing.assert_array_equal(run.measurement("late").step, [200])
    np.testing.assert_array_equal(run.measurement("loss").step, [0, 10, 100])


def test_any_zarr_reader_opens_a_measurement(run: Run):
    with xr.open_zarr(run.path / "measurements.zarr", group="00000010/generated", consolidated=False) as read:
        np.testing.assert_array_equal(read.variance, [11, 22])


def test_a_step_is_measured_once(run: Run):
    with pytest.raises(ValueError, match=r"step 10 is measured already.*discard_after\(9\)"):
        run.write_measurement(10, {"loss": measured(1.0)})


def test_discard_after(run: Run):
    run.discard_after(10)
    assert run.measured_steps == (0, 10)
    run.discard_after(-1)
    assert run.measured_steps == ()
    with pytest.raises(ValueError, match="no readable measurement"):
        run.measurement("loss")


def test_unknown_names_suggest_the_nearest(run: Run):
    with pytest.raises(ValueError, match="did you mean 'generated'"):
        run.measurement("generatd")
    run.write_dataset("forecast", measured(1.0))
    with pytest.raises(ValueError, match="did you mean 'forecast'"):
        run.dataset("forcast")


def test_dataset_is_replaced(run: Run):
    with pytest.raises(ValueError, match="holds no dataset"):
        run.dataset("forecast")
    run.write_dataset("forecast", measured(1.0))
    run.write_dataset("forecast", measured(2.0))
    np.testing.assert_array_equal(run.dataset("forecast").variance, [2.0, 4.0])
    assert run.dataset_names() == ("forecast",)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (measured(1.0).rename(mode="eigenmode"), "unknown dimension 'eigenmode'"),
        (measured(1.0).assign(bare=("mode", [1.0, 2.0])), "'bare' lacks the attribute 'long_name'"),
        (measured(1.0).expand_dims(step=[1]), "the run adds it"),
        (measured(1.0).expand_dims(flow_time=[1.0]), "'variance' lacks the attribute 'equation'"),
    ],
)
def test_schema_is_checked_before_writing(run: Run, dataset, message):
    with pytest.raises(ValueError, match=message):
        run.write_measurement(500, {"bad": dataset})
    assert 500 not in run.measured_steps


def test_names_that_leave_the_folder_are_refused(run: Run):
    with pytest.raises(ValueError, match="cannot be a folder"):
        run.write_dataset("../../escape", measured(1.0))


@pytest.mark.parametrize("file", ["generated/variance/c.0", "generated/zarr.json", "zarr.json"])
@pytest.mark.parametrize("damage", [b"", b"{broken", None])
def test_damage_is_named_and_the_rest_stays_good(run: Run, file, damage):
    bad = run.path / "measurements.zarr" / "00000010" / file
    bad.unlink() if damage is None else bad.write_bytes(damage)
    with pytest.raises(CorruptMeasurement) as caught:
        run.measurement("generated")
    assert str(bad) in str(caught.value)
    assert f"delete {run.path / 'measurements.zarr' / '00000010'} " in str(caught.value)
    with pytest.warns(RuntimeWarning, match="left out"):
        rest = run.measurement("generated", on_corrupt="warn")
    np.testing.assert_array_equal(rest.step, [0, 100])


def test_create_refuses_what_it_would_destroy(tmp_path: Path, run: Run):
    with pytest.raises(ValueError, match="holds a run already"):
        Run.create(run.path, CONFIG)
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="is not a run folder"):
        Run.create(other, CONFIG, resume=True)
    with pytest.raises(ValueError, match="is not a run folder"):
        Run.create(other / "photo.jpg", CONFIG)


def test_resume_needs_the_same_configuration(run: Run):
    assert Run.create(run.path, CONFIG, resume=True) == run
    changed = CONFIG.model_copy(update={"training": TrainingConfig(steps=7)})
    with pytest.raises(ValueError, match=rf"training.steps: {CONFIG.training.steps}, now 7"):
        Run.create(run.path, changed, resume=True)


def test_resume_creates_what_is_not_there_and_clears_leftovers(tmp_path: Path, run: Run):
    assert Run.create(tmp_path / "new", CONFIG, resume=True).measured_steps == ()
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / ".partial-config.json-1").write_text("{")
    assert Run.create(begun, CONFIG).config == CONFIG
    half = run.path / "measurements.zarr" / ".partial-00000200-1"
    half.mkdir()
    Run.create(run.path, CONFIG, resume=True)
    assert not half.exists()


def test_open_refuses_other_folders_and_damage(tmp_path: Path, run: Run):
    with pytest.raises(ValueError, match="does not exist"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no config.json"):
        Run.open(tmp_path)
    content = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(content | {"seed": -1}))
    with pytest.raises(ValueError, match="not a valid configuration: seed"):
        Run.open(run.path)


def test_full_disk_leaves_earlier_measurements(run: Run, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"no space left to write .*00000200; free some disk space"):
        run.write_measurement(200, {"loss": measured(1.0)})
    monkeypatch.undo()
    assert run.measured_steps == (0, 10, 100)
    assert len(run.measurement("loss").step) == 3


def test_checkpoint_steps_and_finish(run: Run):
    assert run.checkpoints == ()
    for step in (20, 3):
        run.checkpoint_path(step).mkdir(parents=True)
    (run.checkpoint_folder / ".partial-00000030-1").mkdir()
    assert run.checkpoints == (3, 20)
    assert not run.finished
    run.checkpoint_path(CONFIG.training.steps).mkdir()
    assert run.finished
