"""The recipes end to end, on the smallest possible runs."""

from pathlib import Path

import numpy as np
import pytest

from scorelens import report, studies

TINY = {
    "steps": 12,
    "width": 8,
    "depth": 1,
    "batch_size": 8,
    "measurements": 3,
    "sampler_points": 6,
    "quiet": True,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    return studies.study("moons:n=60", out=tmp_path_factory.mktemp("recipes") / "run", **TINY)


def test_a_study_leaves_everything_the_page_is_made_of(run) -> None:
    assert run.finished
    assert run.spectrum_path.is_file()
    assert run.dataset_names() == ("examples", "forecast")
    assert set(run.measurement_names()) >= {"generated_variance", "transfer_function", "loss", "samples"}
    assert run.measured_steps[0] == 0
    assert run.measured_steps[-1] == 12
    first = run.report_path.read_text()
    assert report.build(run.path).read_text() == first


def test_a_finished_study_resumes_to_itself(run) -> None:
    before = run.measurement("transfer_function")
    again = studies.study("moons:n=60", out=run.path, resume=True, quiet=True)
    assert again.measurement("transfer_function").identical(before)


def test_resuming_with_other_options_is_refused(run) -> None:
    with pytest.raises(ValueError, match="began with other options"):
        studies.train("moons:n=60", out=run.path, resume=True, steps=99, quiet=True)


def test_forecast_alone_trains_nothing(tmp_path: Path) -> None:
    run = studies.forecast("moons:n=60", out=tmp_path / "forecast", p_mean=-1.0)
    assert run.checkpoints == ()
    assert run.measured_steps == ()
    assert run.report_path.stat().st_size > 1000
    assert np.all(run.dataset("forecast").generated_variance > 0)


@pytest.mark.parametrize("inside", ["", "checkpoints/00000012", "checkpoints/00000012/model.safetensors"])
def test_measuring_agrees_with_what_training_measured(run, inside: str, tmp_path: Path) -> None:
    measured = studies.measure(run.path / inside, "moons:n=60", out=tmp_path / "measured")
    trained = run.measurement("transfer_function").isel(step=-1)
    np.testing.assert_array_equal(measured.measurement("transfer_function").transfer[0], trained.transfer)
    assert measured.measured_steps == (12,)
    page = measured.report_path.read_text()
    assert "has learned of these data" in page
    assert "Training stopped before its end" not in page


def test_a_file_taken_out_of_its_run_is_measured_as_it_is(run, tmp_path: Path) -> None:
    lone = tmp_path / "model.safetensors"
    lone.write_bytes((run.path / "checkpoints/00000012/model.safetensors").read_bytes())
    measured = studies.measure(lone, "moons:n=60", out=tmp_path / "measured", sampler_points=6)
    assert measured.measured_steps == (0,)
    assert "Training stopped before its end" not in measured.report_path.read_text()


def test_data_of_another_shape_is_refused_before_a_folder_is_made(run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"made for samples of shape \(2,\), digits has \(1, 8, 8\)"):
        studies.measure(run.path, "digits", out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_comparison_has_one_run_each_and_one_page(tmp_path: Path) -> None:
    both = studies.compare_preconditioners("moons:n=60", ["edm", "spectral"], out=tmp_path / "both", **TINY)
    assert {name: run.config.preconditioning.name for name, run in both.runs.items()} == {
        "edm": "edm",
        "spectral": "spectral",
    }
    assert both.report_path.is_file()
    again = studies.compare_preconditioners(
        "moons:n=60", ["edm", "spectral"], out=tmp_path / "both", resume=True, **TINY
    )
    assert again.runs["edm"].finished


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["edm"], {}, "two or more different"),
        (["edm", "edm"], {}, "two or more different"),
        (["edm", "spectal"], {}, "did you mean 'spectral'"),
        (["edm", "spectral"], {"preconditioning": "edm"}, "leave the option preconditioning out"),
        (["edm", "spectral"], {"resume": True}, "name its folder"),
    ],
)
def test_bad_comparisons_are_refused(names: list[str], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        studies.compare_preconditioners("moons:n=60", names, **options)


def test_more_modes_than_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="modes: got 5, but the data have only 2 dimensions"):
        studies.forecast("moons:n=60", modes=5)
