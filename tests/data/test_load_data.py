"""`load`: which source a spec names, and the refusal of specs that name none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scorelens.data import load


def test_digits_are_the_bundled_ones() -> None:
    from sklearn.datasets import load_digits

    data = load("digits")
    assert data.event_shape == (1, 8, 8)
    np.testing.assert_allclose(data[:][:, 0], load_digits().images / 8 - 1, rtol=0, atol=1e-7)
    assert "3 of 64 features are constant (features 0, 32, 39)" in data.warnings[0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "digts",
            r"unknown data 'digts' \(did you mean 'digits'\?\); choose from digits, gaussian, .*folder",
        ),
        ("gausian:dim=4", r"unknown data 'gausian' \(did you mean 'gaussian'\?\)"),
        ("", "unknown data ''"),
        ("digits:n=3", "digits takes no options, got 'n=3'"),
        ("no/such/place.npy", "there is no folder no/such for data 'no/such/place.npy'"),
    ],
)
def test_unknown_specs_name_the_nearest(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(spec)


@pytest.mark.parametrize("key", ["", ":images"])
def test_a_missing_file_names_the_nearest_in_its_folder(tmp_path: Path, key: str) -> None:
    np.savez(tmp_path / "mnist.npz", images=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"no file or folder .*minst.npz' \(did you mean 'mnist.npz'\?\)"):
        load(f"{tmp_path}/minst.npz{key}")


@pytest.mark.parametrize("name", ["x.csv", "x.pt", "x.pkl", "x"])
def test_formats_that_are_not_read_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("1,2")
    with pytest.raises(
        ValueError, match=r"of none of the formats that are read; give a .npy, .npz or .parquet"
    ):
        load(tmp_path / name)


def test_a_path_may_hold_colons_and_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a:b").mkdir()
    np.savez(tmp_path / "a:b" / "c:d.npz", x=np.arange(6.0).reshape(3, 2))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/a:b/c:d.npz:x").name == "c:d.npz:x"


@pytest.mark.parametrize(("n_samples", "seed"), [(1, 0), (0, 0), (-5, 0), (None, -1)])
def test_selections_out_of_range_are_refused(n_samples: int | None, seed: int) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        load("digits", n_samples=n_samples, seed=seed)


def test_a_spec_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="str"):
        load(3)  # type: ignore[arg-type]


def test_the_registry_imports_no_reader() -> None:
    heavy = ("torch", "scipy", "sklearn", "pyarrow", "datasets", "PIL", "pandas")
    code = f"import sys, scorelens.data; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
