"""``scorelens reproduce``: the list, a figure and its page again, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorelens.studies.figures import ALL


def test_a_figure_and_its_page_again(scorelens, tmp_path: Path):
    status, said, complaints = scorelens("reproduce", "depth", "--out", str(tmp_path / "depth"))
    assert status == 0, complaints
    page = tmp_path / "depth" / "report.html"
    assert f"report: {page}" in said
    before = page.read_bytes()
    page.unlink()
    status, said, complaints = scorelens("report", str(tmp_path / "depth"))
    assert status == 0, complaints
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["weight"], "unknown figure 'weight'; choose from weights, "),
        ([], "reproduce needs the name of a figure; scorelens reproduce --list shows them"),
    ],
)
def test_bad_input_is_one_line_and_status_2(scorelens, arguments: list[str], message: str):
    status, _, complaints = scorelens("reproduce", *arguments)
    assert status == 2
    assert complaints.startswith(f"scorelens: {message}")
    assert len(complaints.strip().splitlines()) == 1


def test_the_list_names_every_figure(scorelens):
    _, listed, _ = scorelens("reproduce", "--list")
    assert [line.split()[0] for line in listed.splitlines()] == [figure.name for figure in ALL]
