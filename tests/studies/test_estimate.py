"""Score estimators fitted, measured and shown, end to end on small data."""

from __future__ import annotations

import html
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pytest
import torch

from scorelens import estimators, report, results, studies
from scorelens.analysis.explained_words import sentences
from scorelens.analysis.named_estimators import row
from scorelens.analysis.named_estimators.chosen import ESTIMATORS
from scorelens.core.spectrum import Spectrum

SMALL = {"sampler_points": 8}


def text_of(path: Path) -> str:
    page = re.sub(r"<script.*?</script>|<style.*?</style>", "", path.read_text(), flags=re.DOTALL)
    return html.unescape(page)


@pytest.fixture(scope="module")
def moons(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimate") / "moons"
    return studies.estimate("moons:n=300", ["gaussian,empirical", "gmm:6"], out=folder, seed=3, **SMALL)


def test_the_folder_holds_all_that_the_page_is_made_of(moons):
    first = moons.report_path.read_bytes()
    moons.report_path.unlink()
    assert report.build_estimation(moons.path).read_bytes() == first
    again = results.Estimation.open(moons.path)
    assert again.config == moons.config
    assert not (moons.path / "unfinished.txt").exists()
    assert [fit.spec for fit in again.fits] == ["gaussian", "empirical", "gmm:6"]
    assert {"explained", "samples", "data_examples", "score_field"} <= set(again.store.names())
    assert not [fit.problem for fit in again.fits if fit.problem]


def test_saved_estimators_are_those_that_were_measured(moons):
    explained = moons.store.read("explained").sel(estimator="gmm:6", part="held-out")
    denoiser = estimators.load(moons.path / "gmm-6.safetensors")
    _, held_out = studies.preparation.split(moons.config.data, moons.config.seed)
    points = torch.from_numpy(held_out[:])
    level = int(np.abs(explained["sigma"].values - 0.3).argmin())
    sigma = float(explained["sigma"][level])
    noise = torch.randn(200, *points.shape, generator=torch.Generator().manual_seed(7))
    noisy = (points + sigma * noise).reshape(-1, 2)
    errors = (denoiser(noisy, sigma) - points.repeat(200, 1)).square().sum(1).double()
    error = float(explained["loss_standard_error"][level])
    assert abs(float(errors.mean()) - float(explained["loss"][level])) < 4.5 * error
    assert error < 0.3 * float(explained["loss"][level])


def test_a_gaussian_is_the_best_linear_denoiser_and_the_data_are_their_own_floor(moons):
    explained = moons.store.read("explained")
    gaussian = explained.sel(estimator="gaussian")
    np.testing.assert_allclose(
        gaussian["explained_variance"].values, explained["gaussian_floor"].values, atol=1e-5
    )
    empirical = explained.sel(estimator="empirical", part="training")["explained_variance"].values
    # The floor meets each point with its first noise only, where there are few.
    np.testing.assert_allclose(empirical, explained["empirical_floor"].values, atol=0.01)
    assert (explained["behind"] >= 0).all()
    np.testing.assert_allclose(explained["behind"].min("estimator").values, 0.0, atol=1e-12)


def test_the_page_says_who_explains_most_and_who_memorises(moons):
    page = text_of(moons.report_path)
    assert 'role="alert"' not in page
    assert "Best on held-out data, within error: " in page
    assert "empirical memorises: at σ" in page
    assert "gmm:6 memorises" not in page
    assert re.findall(r"<h2>(.*?)</h2>", page)[:4] == [
        "Summary",
        "What each explains, by noise level",
        "What each generates",
        "Where each estimator sends a noisy point",
    ]
    said = (
        "scorelens estimate moons:n=300 --estimator gaussian --estimator empirical --estimator gmm:6 --seed 3"
    )
    assert f"{said} --sampler-points 8" in page


def test_the_terminal_table_holds_the_numbers_of_the_page(moons):
    _, header, *rows = studies.estimate_table(moons)
    assert header.split()[:2] == ["estimator", "seconds"]
    page = text_of(moons.report_path).replace("\u00a0", " ")
    for line in rows:
        name, _, first, seen, *_ = line.split()
        assert re.search(rf'<th scope="row">{name}</th><td>{first} ± [\d.]+ {re.escape(seen)}</td>', page)


def test_a_saved_estimator_is_measured_as_a_model(moons, tmp_path):
    run = studies.measure(moons.path / "gmm-6.safetensors", "moons:n=300", out=tmp_path / "measured", seed=3)
    loss = run.measurement("loss").isel(step=0)
    explained = moons.store.read("explained").sel(estimator="gmm:6", part="held-out")
    np.testing.assert_allclose(loss["held_out_loss"].values, explained["loss"].values, rtol=1e-6)
    with pytest.raises(ValueError, match=r"holds estimators; give the file of one: empirical\.saf"):
        studies.measure(moons.path, "moons:n=300", out=tmp_path / "never")
    with pytest.raises(ValueError, match=r"holds estimators; give the file of one: empirical\.saf"):
        studies.memorization(moons.path, "moons:n=300", out=tmp_path / "never")
    with (
        pytest.warns(UserWarning, match="constant"),
        pytest.raises(ValueError, match=r"was made for samples of shape \(2,\), digits has \(1, 8, 8\)"),
    ):
        studies.measure(moons.path / "gmm-6.safetensors", "digits", out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_images_are_shown_beside_the_data(tmp_path):
    with pytest.warns(UserWarning, match="constant"):
        made = studies.estimate(
            "digits", "gaussian,patch-linear:3", out=tmp_path / "digits", samples=60, **SMALL
        )
    page = text_of(made.report_path)
    assert "36 samples of the estimator patch-linear:3" in page
    assert "36 samples of the data" in page
    assert "score_field" not in made.store.names()


def test_features_are_shown_with_their_matrix_and_vectors_along_modes(tmp_path, monkeypatch):
    monkeypatch.setattr(studies.estimator_views, "CURVE_DRAWS", 1)
    made = studies.estimate("gaussian:dim=3,n=80", "fourier:random=10", out=tmp_path / "waves", **SMALL)
    assert {"normal_spectrum", "overparametrisation"} <= set(made.store.names())
    page = text_of(made.report_path)
    assert "Spectrum of the normal matrix" in page
    assert "Error against features per equation" in page
    assert "mode 1 varies most" in page
    assert 'class="absent"' not in page


def test_a_loss_without_minimum_is_said_and_its_catastrophe_not_told_in_digits(tmp_path):
    asked = "gaussian,hermite:9,matching=implicit,solver=minimum-norm"
    with pytest.warns(UserWarning, match=r"loss of estimator hermite:9.* has no minimum at \d+ of \d+ noise"):
        made = studies.estimate("moons", asked, out=tmp_path / "run", samples=20, quiet=True, **SMALL)
    (row,) = [line for line in studies.estimate_table(made) if line.startswith("hermite")]
    assert "< -1000 (< -1000)" in row
    assert not re.search(r"\d{6}", row)
    (explains,) = [line for line in sentences(made.store.read("explained")) if line.startswith("Explained")]
    assert "< −1000%" in explains
    assert not re.search(r"\d{6}", explains)
    cell = "< −1000 (< −1000)".replace(" ", "\u00a0")
    assert f"<td>{cell}</td>" in text_of(made.report_path)


@pytest.mark.parametrize(("scale", "told"), [(1e-4, True), (1.0, False), (100.0, True)])
def test_data_of_another_scale_than_the_noise_levels_are_noted(tmp_path, scale, told):
    np.save(tmp_path / "data.npy", scale * np.random.default_rng(0).standard_normal((60, 2)))
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        studies.estimate(str(tmp_path / "data.npy"), "gaussian", out=tmp_path / "run", quiet=True, **SMALL)
    said = [str(one.message) for one in noted if "do not suit data of standard deviation" in str(one.message)]
    assert bool(said) == told
    assert all("0.002 to 80" in words and "--sigma-min" in words for words in said)


# -- what fails


@final
@dataclass(frozen=True)
class Unfit(estimators.Estimator):
    """Cannot be fitted to anything, or answers nothing finite."""

    answers: bool = False
    name: ClassVar[str] = "unfit"
    reference: ClassVar[str] = "none"
    equation: ClassVar[str] = "none"
    fitted: ClassVar[type[estimators.FittedDenoiser]] = estimators.GaussianDenoiser

    def fit(self, x):
        if self.answers:
            shape = x.shape[1:]
            return estimators.GaussianDenoiser(
                shape, torch.full((2,), torch.nan), torch.eye(2), torch.ones(2), torch.zeros(())
            )
        raise np.linalg.LinAlgError("the system has no solution\nat all")


@pytest.fixture
def unfit(monkeypatch):
    """Two estimators in the table that go wrong."""
    for name, answers in (("unfit", False), ("silent", True)):
        named = row.NamedEstimator(
            row.grammar(name, name), "goes wrong", lambda values, about, answers=answers: Unfit(answers)
        )
        monkeypatch.setitem(ESTIMATORS, name, named)


def test_an_estimator_that_fails_is_named_and_the_others_go_on(unfit, tmp_path):
    with pytest.warns(UserWarning, match="estimator .* could not be") as warned:
        made = studies.estimate("moons:n=60", "unfit,gaussian,silent", out=tmp_path / "run", **SMALL)
    assert "estimator unfit could not be fitted: the system has no solution" in [
        str(w.message) for w in warned
    ]
    assert [fit.file for fit in made.fits] == [None, "gaussian.safetensors", "silent.safetensors"]
    assert made.store.read("explained")["estimator"].values.tolist() == ["gaussian"]
    page = text_of(made.report_path)
    assert "unfit could not be fitted: the system has no solution." in page
    assert "silent could not be measured: the denoiser's output at sigma 0.002 is not finite" in page
    assert [line.split()[-1] for line in studies.estimate_table(made) if line.startswith("unfit")] == [
        "failed"
    ]


def test_if_none_can_be_fitted_nothing_is_written(unfit, tmp_path):
    with (
        pytest.warns(UserWarning, match="unfit"),
        pytest.raises(ValueError, match="no estimator could be fitted: unfit: the system has no solution"),
    ):
        studies.estimate("moons:n=60", "unfit", out=tmp_path / "never", **SMALL)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("data", "specs", "options", "message"),
    [
        ("moons:n=60", "gausian", {}, "unknown estimator 'gausian'.*did you mean 'gaussian'"),
        ("moons:n=60", [], {}, "no estimator is given"),
        ("moons:n=60", "gmm:99", {}, "needs at least 99 samples to be fitted to, the data leave 54"),
        ("moons:n=60", "low-rank:3", {}, "rank must be at most the dimension of the data, 2, got 3"),
        ("moons:n=60", "bins:9", {}, "bins are made for one dimension, the data have 2"),
        ("moons:n=60", "gaussian", {"steps": 5}, "unknown option of an estimate 'steps'"),
        ("moons:n=60", "gaussian", {"sigma_min": -1.0}, "sigma_min"),
        ("mons", "gaussian", {}, "unknown data 'mons'"),
        ("gaussian:dim=8,n=60", "hermite:60", {}, "hermite:60"),
    ],
)
def test_bad_input_is_refused_before_any_work(data, specs, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        studies.estimate(data, specs, out=tmp_path / "never", **options)
    assert not (tmp_path / "never").exists()


def test_a_folder_that_holds_something_is_refused(moons):
    with pytest.raises(ValueError, match=r"is not empty; choose a new or empty folder \(--out\)"):
        studies.estimate("moons:n=60", "gaussian", out=moons.path)


def test_a_folder_without_all_its_parts_has_no_description(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Spectrum, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        studies.estimate("moons:n=60", "gaussian", out=tmp_path / "run", **SMALL)
    assert (tmp_path / "run" / "gaussian.safetensors").is_file()
    assert not results.is_estimation(tmp_path / "run")
    monkeypatch.undo()
    for again in (
        lambda: studies.estimate("moons:n=60", "gaussian", out=tmp_path / "run", **SMALL),
        lambda: studies.check_model(tmp_path / "run", "moons:n=60"),
        lambda: report.build_estimation(tmp_path / "run"),
    ):
        with pytest.raises(
            ValueError, match=r"run holds an estimate that did not finish .*; delete the folder"
        ):
            again()


def test_damaged_folders_are_named(moons, tmp_path):
    with pytest.raises(ValueError, match=r"holds no estimate\.json; give a folder that"):
        results.Estimation.open(tmp_path)
    described = json.loads((moons.path / "estimate.json").read_text())
    described["version"] = 7
    (tmp_path / "estimate.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"estimate\.json is damaged \(version: .*make the estimate again"):
        results.Estimation.open(tmp_path)
