"""The file of a fitted denoiser: whole, its own, and refused otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scorelens import estimators
from scorelens.estimators import DiagonalGaussian

REFUSED = r"is not a whole estimator file .*; give a file that"


def written(path: Path, **changed: str) -> Path:
    """A file as `save` writes it, with some header entries changed."""
    from safetensors import safe_open

    estimators.save(DiagonalGaussian().fit(torch.eye(3)), path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        state = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    save_file(state, path, metadata=header | changed)
    return path


def test_an_unchanged_copy_is_read(tmp_path: Path) -> None:
    assert estimators.load(written(tmp_path / "fit")).event_shape == (3,)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("format", "another"),
        ("name", "no such estimator"),
        ("checksum", "0"),
        ("facts", '{"unheard": 1}'),
        ("facts", "{"),
        ("event_shape", "[4]"),
    ],
)
def test_a_changed_header_is_refused(tmp_path: Path, entry: str, value: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        estimators.load(written(tmp_path / "fit", **{entry: value}))


def test_missing_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        estimators.load(tmp_path / "missing")
    path = written(tmp_path / "fit")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=REFUSED):
        estimators.load(path)
    save_file({"mean": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=REFUSED):
        estimators.load(path)


def test_a_denoiser_of_no_member_is_not_written(tmp_path: Path) -> None:
    denoiser = DiagonalGaussian().fit(torch.eye(3))
    denoiser.name = "mine"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="unknown fitted denoiser 'mine'"):
        estimators.save(denoiser, tmp_path / "fit")
