"""``scorelens estimate``: what it prints, its page again, its list, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorelens.analysis.named_estimators import DEFAULT, ESTIMATORS
from scorelens.cli import options
from scorelens.core.spectrum import Spectrum


def test_an_estimate_its_table_and_its_page_again(scorelens, tmp_path: Path):
    folder = tmp_path / "run"
    status, said, complaints = scorelens(
        *(
            "estimate",
            "moons:n=60",
            "--estimator",
            "gaussian,gmm:3",
            "--estimator",
            "molrg:2,rank=1,restarts=1",
        ),
        *("--sampler-points", "6", "--seed", "2", "--out", str(folder)),
    )
    assert status == 0, complaints
    table = [line.split()[0] for line in said.splitlines()[2:-2]]
    assert table == ["gaussian", "gmm:3", "molrg:2,rank=1,restarts=1"]
    assert f"run: {folder}\nreport: {folder / 'report.html'}" in said
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    status, said, complaints = scorelens("report", str(folder))
    assert status == 0, complaints
    assert (folder / "report.html").read_bytes() == before


def test_every_step_of_every_estimator_is_a_line_of_standard_error_unless_quiet(scorelens, tmp_path: Path):
    asked = ("estimate", "moons:n=60", "--estimator", "gaussian,gmm:2", "--sampler-points", "4")
    _, said, told = scorelens(*asked, "--out", str(tmp_path / "run"))
    steps = ["fitted", "measured", "sampled from"]
    expected = [
        "gaussian: fitted",
        "gmm:2: fitted",
        *(f"{e}: {s}" for e in ("gaussian", "gmm:2") for s in steps[1:]),
    ]
    assert [line.rpartition(" in ")[0] for line in told.splitlines()] == expected
    assert all(re.fullmatch(r".* in [\d.e-]+ s", line) for line in told.splitlines())
    assert " in " not in said
    assert scorelens(*asked, "--out", str(tmp_path / "again"), "--quiet")[::2] == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--estimator", "gmn:3"], "unknown estimator 'gmn'; choose from gaussian, "),
        (["--estimator", "gmm:3,3"], "unknown estimator '3'"),
        (["--estimator", "gmm:x"], "components of estimator gmm must be a whole number >= 1, got 'x'"),
        (["--estimator", "gmm:200"], "estimator gmm:200 needs at least 200 samples"),
        (
            ["--estimator", "kernel:stein,steps=3"],
            "estimator kernel:stein,steps=3: the method stein has no steps",
        ),
        (["--sigma-max", "0"], "sigma_max: got 0.0"),
    ],
)
def test_bad_input_is_one_line_and_status_2(scorelens, arguments, message: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, complaints = scorelens("estimate", "moons:n=60", *arguments)
    assert status == 2
    assert complaints.startswith("scorelens: ")
    assert message in complaints
    assert len(complaints.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_that_did_not_finish_is_named_with_its_remedy(scorelens, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    folder = str(tmp_path / "run")
    with monkeypatch.context() as broken:
        broken.setattr(Spectrum, "save", stopped)
        asked = ("estimate", "moons:n=60", "--estimator", "gaussian", "--out", folder)
        status, _, complaints = scorelens(*asked, "--sampler-points", "4", "--quiet")
    assert (status, complaints) == (
        130,
        "scorelens: stopped; delete the folder that it began, if any, and run it again\n",
    )
    for command in (["report", folder], ["check-objectives", folder, "moons"], ["measure", folder, "moons"]):
        status, _, complaints = scorelens(*command)
        assert status == 2
        assert complaints.startswith(f"scorelens: {folder} holds an estimate that did not finish")


def test_the_list_names_every_estimator_and_option(scorelens):
    _, listed, _ = scorelens("estimate", "--list")
    names = [line.split()[0] for line in listed.splitlines() if not line.startswith(" ")]
    assert names == list(ESTIMATORS)
    for named in ESTIMATORS.values():
        assert all(f" {option}: " in listed for option in named.grammar.options)


def test_the_help_names_every_estimator_and_the_default():
    told = options.ESTIMATORS["estimators"].__metadata__[0].help
    assert {re.split("[:,]", word)[0] for word in re.findall(r"[a-z][\w:=.-]*", told)} >= set(ESTIMATORS)
    assert f"Default: {DEFAULT}." in told
