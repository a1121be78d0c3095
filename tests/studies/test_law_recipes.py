"""Forecasts by named laws, and their comparison, end to end on small data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from scorelens import report, studies
from scorelens.results import Run

SMALL = {"sampler_points": 24, "samples": 60}


def text_of(path: Path) -> str:
    return re.sub(r"<script.*?</script>|<style.*?</style>", "", path.read_text(), flags=re.DOTALL)


def test_a_law_is_kept_in_the_folder_and_its_page_is_made_from_that(tmp_path):
    run = studies.forecast("gaussian:dim=12", law="deep:3,tied", out=tmp_path / "deep", **SMALL)
    assert json.loads((run.path / "config.json").read_text())["law"] == {"spec": "deep:3,tied"}
    first = run.report_path.read_text()
    assert report.build(run.path).read_text() == first
    page = text_of(run.report_path)
    assert "the forecast by the law deep:3,tied, without training" in page
    assert "learning dynamics (9.1), (9.2)" in page
    said = "scorelens forecast gaussian:dim=12 --seed 0 --samples 60 --sampler-points 24 --law deep:3,tied"
    assert said in page
    assert "Which noise levels teach which mode" not in page
    assert 'class="absent"' not in page


def test_a_convolution_follows_frequencies_and_keeps_their_spectrum(tmp_path):
    with pytest.warns(UserWarning, match="constant"):
        run = studies.forecast("digits", law="patch:3x3", out=tmp_path / "patch", **SMALL)
    assert run.fourier_path.is_file()
    known = run.dataset("forecast")
    assert {"spatial_frequency", "image_channel"} <= set(known.coords)
    page = text_of(run.report_path)
    assert "Power of each spatial frequency" in page
    assert "What the leading modes look like" not in page
    assert "This law follows spatial frequencies" in page
    assert "the exact probability-flow ODE" in page


def test_leading_modes_are_followed_by_a_convolution_too(tmp_path):
    with pytest.warns(UserWarning, match="constant"):
        run = studies.forecast("digits", law="conv", out=tmp_path / "conv", modes=10, **SMALL)
    assert run.dataset("forecast").sizes["mode"] == 10


@pytest.fixture(scope="module")
def laws(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laws") / "laws"
    names = "one-layer,two-layer:initial_gain=0,one-layer:initial_gain=-0.1,deep:3,tied"
    return studies.compare_laws("gaussian:dim=12", names, out=folder, **SMALL)


def test_laws_are_compared_on_one_page_that_links_theirs(laws):
    assert list(laws.runs) == [
        "one-layer",
        "two-layer:initial_gain=0",
        "one-layer:initial_gain=-0.1",
        "deep:3,tied",
    ]
    page = text_of(laws.report_path)
    links = re.findall(r'<li><a href="([^#"]+)"', page)
    assert len(links) == 4
    assert all((laws.path / link).is_file() for link in links)
    assert 'role="alert"' not in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Summary",
        "The laws",
        "When each mode emerges",
        "How many modes are right",
        "What is never learned",
    ]
    assert "two-layer:initial_gain=0: in the end 0 of 12 modes are right and 12 stuck." in page


def test_the_comparing_page_holds_the_numbers_of_the_forecasts(laws):
    page = text_of(laws.report_path)
    known = laws.runs["deep:3,tied"].dataset("forecast")
    fit = known.sel(criterion="harmonic", branch="rising", source="law")
    assert (
        f"deep:3,tied: the dose of emergence (harmonic mean) goes as the variance to the power {_said(fit)}"
        in page
    )
    assert f"<td>{float(known.emergence_time[0]):.4g}</td>" in page


def _said(fit) -> str:
    return f"{float(fit.exponent):.2f}".replace("-", "−")


def test_the_comparing_page_is_made_from_its_folders_again(laws):
    first = laws.report_path.read_text()
    again = {label: Run.open(run.path) for label, run in laws.runs.items()}
    assert report.build_law_comparison(laws.path, again).read_text() == first


def test_dose_from_which_modes_stay_right_counts_the_end(laws):
    known = laws.runs["one-layer"].dataset("forecast")
    ratio = (known.generated_variance / known.eigenvalue).values
    right = ((ratio >= 0.8) & (ratio <= 1.25)).mean(axis=1)
    dose = float(known.flow_time[np.flatnonzero(right < 0.5)[-1] + 1])
    table = page_after(laws.report_path, "First tabulated dose")
    row = re.search(r'<th scope="row">one-layer</th><td>([^<]+)</td>', table)
    assert row is not None
    assert float(row[1].replace(",", "")) == pytest.approx(dose, rel=1e-3)
    stuck = re.search(r'<th scope="row">two-layer:initial_gain=0</th>(.*?)</tr>', table)
    assert stuck is not None
    assert re.findall("<td>(.*?)</td>", stuck[1]) == ["–"] * 3


def page_after(path: Path, caption: str) -> str:
    page = text_of(path)
    return page[page.index(caption) :]


@pytest.mark.parametrize(
    ("laws", "options", "message"),
    [
        ("one-layer", {}, "two or more different laws, got one-layer"),
        ("one-layer,one-layer:initial_gain=0.1", {}, "two or more different laws"),
        ("one-layer,tow-layer", {}, "did you mean 'two-layer'"),
        ("one-layer,conv", {}, "the data are vectors"),
        ("one-layer,deep:3", {"law": "flow"}, "leave the option law out"),
        ([], {}, "got none"),
    ],
)
def test_bad_comparisons_are_refused_before_a_folder_is_made(laws, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        studies.compare_laws("gaussian:dim=12", laws, out=tmp_path / "never", **options)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("data", "law", "options", "message"),
    [
        ("gaussian:dim=12", "tow-layer", {}, "did you mean 'two-layer'"),
        ("gaussian:dim=12", "patch:3x3", {}, "the data are vectors of shape"),
        ("digits", "patch:99x99", {}, "larger than the images, 8x8"),
        ("digits", "two-layer", {"sigma_min": 2.0, "sigma_max": 1.0}, "sigma_max must exceed sigma_min"),
        ("digits", "two-layer:initial_gain=-1", {}, "must be >= 0"),
    ],
)
def test_bad_laws_are_refused_before_a_folder_is_made(data, law, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        studies.forecast(data, law=law, out=tmp_path / "never", **options)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("recipe", [studies.study, studies.train])
def test_a_network_that_is_trained_has_the_law_of_its_own_loss(recipe, tmp_path):
    with pytest.raises(ValueError, match=r"law: got 'deep:3'.*leave the law out, or use scorelens forecast"):
        recipe("moons:n=60", law="deep:3", out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_options_that_a_law_has_no_use_for_are_refused(tmp_path):
    with pytest.raises(ValueError, match="law one-layer has no preconditioning, p_mean; leave that out"):
        studies.forecast(
            "digits", law="one-layer", preconditioning="spectral", p_mean=-3.0, out=tmp_path / "a"
        )
    with pytest.raises(ValueError, match="has no loss"):
        studies.compare_laws("digits", "one-layer,two-layer", loss="target", out=tmp_path / "b")
    assert not list(tmp_path.iterdir())
