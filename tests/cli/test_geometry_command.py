"""``scorelens geometry``: its page, its page again, and what it refuses."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from scorelens import data, estimators, studies
from scorelens.cli import app


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "gaussian.safetensors"
    estimators.save(estimators.Gaussian().fit(data.load("moons:n=80")[:]), file)
    return file


def test_a_look_at_local_geometry_and_its_page_again(scorelens, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "look"
    status, said, complaints = scorelens(
        *("geometry", str(model), "moons:n=80", "--sigma", "0.5", "--points", "2", "--events", "8"),
        *("--held-out", "0.2", "--seed", "3", "--out", str(folder)),
    )
    assert status == 0, complaints
    assert said == f"run: {folder}\nreport: {folder / 'report.html'}\n"
    before = (folder / "report.html").read_bytes()
    again = f"scorelens geometry {model} moons:n=80 --sigma 0.5 --points 2 --events 8 --seed 3 --held-out 0.2"
    assert again in before.decode()
    (folder / "report.html").unlink()
    status, _, complaints = scorelens("report", str(folder))
    assert status == 0, complaints
    assert (folder / "report.html").read_bytes() == before


def test_bad_input_is_one_line(scorelens, model: Path, tmp_path: Path) -> None:
    for arguments, remedy in (
        (("--sigma", "0"), "sigma must be finite and > 0"),
        (("--sigma", "a,b"), "give numbers with commas"),
        (("--modes", "3"), "got 3 eigenpairs, but the model's samples have only 2 dimensions"),
        (("--points", "0"), "points must be at least 1"),
    ):
        status, _, complaints = scorelens(
            *("geometry", str(model), "moons:n=80", *arguments, "--out", str(tmp_path / "none"))
        )
        assert status == 2, arguments
        assert remedy in complaints
        assert len(complaints.strip().splitlines()) == 1
    status, _, complaints = scorelens("geometry", str(model), "digits", "--out", str(tmp_path / "none"))
    assert status == 2
    assert "give data of the model's shape" in complaints
    assert not (tmp_path / "none").exists()


def test_the_command_has_the_defaults_of_the_study() -> None:
    asked, made = (inspect.signature(one).parameters for one in (app.geometry, studies.geometry))
    for name in ("points", "modes", "events", "likelihood"):
        assert asked[name].default == made[name].default, name
