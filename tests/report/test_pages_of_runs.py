"""Pages of whole, partial and damaged runs, as text."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import xarray as xr

from scorelens import report
from scorelens.report.comparison import common_loss, learned_share, reached, settled_step
from scorelens.results import Run, StorageError

TITLES = [
    "Summary",
    "What was asked",
    "The data and its spectrum",
    "How the variance of each mode comes in",
    "When each mode emerges",
    "What the denoiser passes on",
    "Which noise levels teach which mode",
    "Loss at each noise level",
    "Samples over training",
    "What was learned by heart",
    "What is kept of a noisy event",
    "How to repeat this",
]
OF_A_FORECAST = [
    "Summary",
    "What was asked",
    "The data and its spectrum",
    "How the variance of each mode comes in",
    "When each mode emerges",
    "What is never learned",
    "What the denoiser passes on",
    "Which noise levels teach which mode",
    "How to repeat this",
]


def text_of(path):
    """The page without its scripts (which hold the figures) and its style."""
    return re.sub(r"<script.*?</script>|<style.*?</style>", "", path.read_text(), flags=re.DOTALL)


def problems(page):
    return re.findall(r'<p class="problem" role="alert">(.*?)</p>', page)


def absent(page):
    return re.findall(r'<p class="absent">(.*?)</p>', page)


def panels(page):
    return re.findall(r'<h3 id="([\w-]+)-title">', page)


def copied(run, folder):
    return Run.open(shutil.copytree(run.path, folder / "copy"))


def test_a_whole_run_has_every_part_in_order_and_no_complaint(image_run, image_page):
    assert image_page == image_run.report_path
    page = text_of(image_page)
    assert re.findall(r"<h2>(.*?)</h2>", page) == TITLES
    assert problems(page) == []
    assert absent(page) == []
    assert panels(page) == [
        "spectrum",
        "eigenvectors",
        "examples",
        "trajectories",
        "map",
        "standing",
        "alignment",
        "emergence-law",
        "transfer-map",
        "responsibility",
        "loss-per-sigma",
        "loss-over-training",
        "sample-images",
        "compared-examples",
        "nearness",
        "neighbours",
        "loss-gap",
        "attraction",
        "local-directions",
        "jacobian-spectrum",
        "kept-directions",
        "shrinkage",
    ]
    assert image_page.stat().st_size < 8e6


def test_every_panel_has_a_table_and_ids_are_unique(image_page):
    page = text_of(image_page)
    assert page.count("<details>") == len(panels(page))
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_page_is_made_from_the_folder_alone_and_again(image_run, image_page, tmp_path):
    moved = copied(image_run, tmp_path)
    moved.report_path.unlink()
    assert report.build(moved.path).read_text() == image_page.read_text()


def test_numbers_on_the_page_are_those_that_were_measured(image_page, measured):
    page = text_of(image_page)
    last = measured["generated_variance"].isel(step=-1)
    assert f"<td>{float(last['generated_variance'][0]):.4g}</td>" in page
    assert f"<td>{float(measured['loss']['held_out_edm_loss'][-1]):.4g}</td>" in page


def test_a_forecast_alone_says_so_and_misses_nothing_of_training(write_run):
    page = text_of(report.build(write_run((16,), until=None).path))
    assert problems(page) == absent(page) == []
    assert "the forecast, without training" in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == OF_A_FORECAST
    assert panels(page) == [
        "spectrum",
        "trajectories",
        "map",
        "emergence-law",
        "limits-map",
        "transfer-map",
        "responsibility",
    ]
    assert "<code>scorelens forecast digits --seed 0</code>" in page
    assert "Adam" not in page


def test_a_single_measurement_stands_without_a_history(small_run, tmp_path):
    run = copied(small_run, tmp_path)
    for step in run.measured_steps[:-1]:
        shutil.rmtree(run.path / "measurements.zarr" / f"{step:08d}")
    shutil.rmtree(run.checkpoint_folder)
    page = text_of(report.build(run.path))
    assert problems(page) == []
    assert "trajectories" not in panels(page)
    assert {"standing", "transfer-map", "loss-per-sigma", "sample-images"} <= set(panels(page))
    assert {"neighbours", "attraction"} <= set(panels(page))
    assert "nearness" not in panels(page)
    assert "<caption>Nearness to the training data at step 3,000</caption>" in page


def test_a_killed_run_shows_how_far_it_came(write_run):
    run = write_run((1, 4, 4), until=40)
    (sentence,) = problems(text_of(report.build(run.path)))
    assert f"step {run.measured_steps[-1]} of 3,000" in sentence
    assert "--resume" in sentence


def test_a_damaged_measurement_is_named_and_the_others_are_shown(small_run, tmp_path):
    run = copied(small_run, tmp_path)
    chunk = run.path / "measurements.zarr" / "00000001" / "loss" / "train_loss" / "c.0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    page = text_of(report.build(run.path))
    assert any("train_loss" in problem for problem in problems(page))
    assert "loss-per-sigma" in panels(page)


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        ("spectrum.safetensors", "spectrum"),
        ("datasets.zarr/examples", "examples"),
        ("environment.json", None),
    ],
)
def test_a_missing_part_is_no_problem_for_the_others(small_run, tmp_path, part, lost):
    run = copied(small_run, tmp_path)
    place = run.path / part
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    page = text_of(report.build(run.path))
    assert lost not in panels(page)
    assert "standing" in panels(page)
    assert re.findall(r"<h2>(.*?)</h2>", page) == TITLES


@pytest.mark.parametrize(
    "part", ["spectrum.safetensors", "environment.json", "datasets.zarr/forecast/zarr.json"]
)
def test_a_damaged_part_is_named(small_run, tmp_path, part):
    run = copied(small_run, tmp_path)
    (run.path / part).write_bytes(b"{")
    page = text_of(report.build(run.path))
    assert any(part.split("/")[-1].split(".")[0] in problem for problem in problems(page))
    assert "loss-per-sigma" in panels(page)


def test_a_part_that_no_section_understands_costs_only_that_section(small_run, tmp_path):
    run = copied(small_run, tmp_path)
    odd = xr.Dataset({"image": ("sample", [1.0], {"long_name": "odd", "units": "1"})})
    run.write_dataset("examples", odd.expand_dims(channel=1))
    page = text_of(report.build(run.path))
    assert any("The part on data could not be made" in problem for problem in problems(page))
    assert "standing" in panels(page)


@pytest.mark.parametrize(("shape", "n_modes"), [((2,), None), ((1,), None), ((3, 8, 8), 100)])
def test_any_shape_of_data(write_run, shape, n_modes):
    page = text_of(report.build(write_run(shape, n_modes=n_modes, until=40).path))
    assert len(problems(page)) == 1
    expected = {(2,): "sample-points", (1,): None, (3, 8, 8): "sample-images"}[shape]
    assert expected is None or expected in panels(page)


def test_what_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no config"):
        report.build(tmp_path)


def test_a_page_that_cannot_be_written_names_the_file(small_run, tmp_path):
    run = copied(small_run, tmp_path)
    run.report_path.unlink(missing_ok=True)
    run.report_path.mkdir()
    with pytest.raises(StorageError, match=r"report\.html"):
        report.build(run.path)


def test_a_comparison_shows_what_differs_and_links_the_pages(write_run, tmp_path):
    runs = {}
    for seed, label in ((0, "edm"), (1, "spectral")):
        path = tmp_path / label
        shutil.copytree(write_run((16,), seed=seed).path, path)
        runs[label] = Run.open(path)
        report.build(path)
    page = text_of(report.build_comparison(tmp_path, runs))
    assert problems(page) == []
    assert panels(page) == ["learned-share", "held-out-loss"]
    assert "With edm, all modes have the right variance from step " in page
    assert "With spectral, the held-out loss is " in page
    assert '<th scope="row">seed</th><td>0</td><td>1</td>' in page
    for address in re.findall(r'<li><a href="([^#"]+)"', page):
        assert (tmp_path / address).is_file()


def test_a_comparison_needs_two_runs(small_run, tmp_path):
    with pytest.raises(ValueError, match="at least two runs, got 1"):
        report.build_comparison(tmp_path, {"one": small_run})


def test_learned_share_counts_modes_within_the_band():
    comparison = xr.Dataset(
        {"measured": (("step", "mode"), [[0.79, 1.3, 2.0, 5.0], [0.81, 1.24, 2.0, 5.0]])},
        {"step": [0, 1], "mode": np.arange(4), "eigenvalue": ("mode", [1.0, 1.0, 2.0, 0.0])},
    )
    np.testing.assert_allclose(learned_share(comparison)["learned_share"], [1 / 3, 1.0])


@pytest.mark.parametrize(("least", "step"), [(0.5, 10), (0.9, None), (0.0, 0)])
def test_settled_step_is_the_first_from_which_it_stays(least, step):
    share = xr.Dataset({"learned_share": ("step", [0.6, 0.8, 0.7])}, {"step": [0, 10, 100]})
    share["learned_share"][0] = 0.4
    assert settled_step(share, least) == step


def test_reached_is_the_first_step_from_which_the_loss_stays_low():
    loss = xr.Dataset({"held_out_edm_loss": ("step", [9.0, 3.0, 5.0, 4.0])}, {"step": [0, 10, 20, 30]})
    assert reached(loss, 4.5) == 30
    assert reached(loss, 5.0) == 10
    assert common_loss({"a": loss, "b": loss + 1}) == 5.0
