"""Atomic storage: whole or not at all, and one clear message when the disk refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from scorelens.core import storage


def refuse(code: int):
    def fail(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    return fail


def test_write_replaces_whole_file(tmp_path: Path):
    file = tmp_path / "a" / "config.json"
    storage.write_text(file, "old")
    storage.write_text(file, "new")
    assert file.read_text() == "new"
    assert [p.name for p in file.parent.iterdir()] == ["config.json"]


def test_write_folder_replaces_old_content(tmp_path: Path):
    folder = tmp_path / "group"
    storage.write_folder(folder, {"a": b"1", "deep/b": b"2"})
    storage.write_folder(folder, {"c": b"3"})
    assert sorted(p.name for p in folder.iterdir()) == ["c"]
    assert (folder / "c").read_bytes() == b"3"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, ("no space left", "free some disk space", "--resume")),
        (errno.EDQUOT, ("no space left",)),
        (errno.EACCES, ("not allowed to write", "--out")),
        (errno.EROFS, ("not allowed to write",)),
        (errno.EIO, ("cannot write", "run this again", "--resume")),
        (errno.EISDIR, ("cannot write", "it is a folder; give the name of a file")),
    ],
)
@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_refused_write_names_file_and_keeps_old(tmp_path, monkeypatch, code, words, function):
    file = tmp_path / "config.json"
    storage.write_text(file, "good")
    monkeypatch.setattr(os, function, refuse(code))
    with pytest.raises(storage.StorageError) as caught:
        storage.write_text(file, "never")
    monkeypatch.undo()
    assert str(file) in str(caught.value)
    assert all(word in str(caught.value) for word in words)
    assert file.read_text() == "good"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("function", ["rename", "fsync"])
def test_refused_folder_leaves_nothing_half_written(tmp_path, monkeypatch, function):
    folder = tmp_path / "00000010"
    monkeypatch.setattr(os, function, refuse(errno.ENOSPC))
    with pytest.raises(storage.StorageError, match=f"no space left to write {folder}"):
        storage.write_folder(folder, {"a": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_folder_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(storage.StorageError, match="cannot write"):
        storage.write_text(tmp_path / "file" / "config.json", "x")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(storage.StorageError, match="not allowed to write"):
        storage.write_text(tmp_path / "config.json", "x")


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path):
    (tmp_path / f"{storage.PARTIAL}group-1").mkdir()
    (tmp_path / f"{storage.PARTIAL}file-1").write_text("half")
    (tmp_path / "kept").write_text("whole")
    storage.remove_partial(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
