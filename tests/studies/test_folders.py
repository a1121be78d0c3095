"""New runs never overwrite; resumed commands find the newest run of their data."""

import os
from pathlib import Path

import pytest

from scorelens.studies.folders import folder_to_resume, new_folder


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(path: str, age: int) -> Path:
    folder = Path(path)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    os.utime(folder / "config.json", (1e9 - age, 1e9 - age))
    return folder


def test_taken_names_are_numbered() -> None:
    assert new_folder("digits", None) == Path("runs/digits")
    Path("runs/digits").mkdir(parents=True)
    assert new_folder("digits", None) == Path("runs/digits-2")
    assert new_folder("digits", "here") == Path("here")


def test_resume_takes_the_newest_run_of_the_same_data() -> None:
    _run("runs/digits", age=100)
    newest = _run("runs/digits-2", age=5)
    _run("runs/digits-other", age=1)
    assert folder_to_resume("digits", None) == newest


def test_nothing_to_resume_is_said() -> None:
    with pytest.raises(FileNotFoundError, match="no run to resume at runs/digits; leave --resume out"):
        folder_to_resume("digits", None)
