"""``scorelens generalize``: its page, its page again, its list, and what it refuses."""

from __future__ import annotations

from pathlib import Path

from scorelens.analysis.named_features import FEATURES


def test_a_study_of_fitted_scores_and_its_page_again(scorelens, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    status, said, complaints = scorelens(
        *("generalize", "moons:n=80", "--features", "affine", "--samples", "30", "--models", "30"),
        *("--sigma", "0.3,1", "--steps", "2", "--out", str(folder)),
    )
    assert status == 0, complaints
    assert said == f"run: {folder}\nreport: {folder / 'report.html'}\n"
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    status, _, complaints = scorelens("report", str(folder))
    assert status == 0, complaints
    assert (folder / "report.html").read_bytes() == before


def test_the_list_names_all_features(scorelens) -> None:
    status, said, _ = scorelens("generalize", "--list")
    assert status == 0
    assert [line.split()[0] for line in said.splitlines() if not line.startswith(" ")] == list(FEATURES)


def test_bad_input_is_one_line(scorelens, tmp_path: Path) -> None:
    for arguments, remedy in (
        (("--features", "bumbs"), "did you mean 'bumps'"),
        (("--sigma", "0.1;2"), "give numbers with commas"),
        (("--sigma", "-1"), "sigma must be finite and > 0"),
        (("--samples", "3"), "3 features need more than 3 samples"),
    ):
        status, _, complaints = scorelens(
            "generalize", "moons:n=80", *arguments, "--out", str(tmp_path / "none")
        )
        assert status == 2, arguments
        assert remedy in complaints
        assert len(complaints.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists()
