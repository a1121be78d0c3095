"""A Dataset survives its zarr files, other readers open them, and no damage passes silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorelens.core import storage
from scorelens.results import zarr_group


def example() -> xr.Dataset:
    rng = np.random.default_rng(0)
    text = {"long_name": "x", "units": "1"}
    return xr.Dataset(
        {
            "gain": (("sigma", "mode"), rng.normal(size=(3, 4)), text | {"equation": "E3"}),
            "image": (("sample", "feature"), rng.normal(size=(2, 5)).astype("float32"), text),
            "total": ((), np.float64(np.nan), text),
            "gray": ("mode", np.array([True, False, True, False]), text),
            "status": ("mode", np.array(["emerged", "at start", "emerged", "ünreached"]), text),
            "count": ("mode", np.arange(4, dtype="int32"), text),
            "empty": ("patch_mode", np.zeros(0), text),
        },
        coords={
            "mode": np.arange(4),
            "sigma": [0.1, 1.0, 10.0],
            "eigenvalue": ("mode", [4.0, 3.0, 2.0, 1.0], text),
        },
        attrs={"n_generated": 7, "fit": [1.5, np.float64(2.5)], "note": "a <b>"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "measurements.zarr" / "00000010" / "gain"
    storage.write_folder(path, zarr_group.encode(example()))
    return path


def test_round_trip_is_exact(folder: Path):
    read = zarr_group.decode(folder)
    xr.testing.assert_identical(read, example().assign_attrs(fit=[1.5, 2.5]))
    assert {n: v.dtype for n, v in read.variables.items() if v.dtype.kind != "U"} == {
        n: v.dtype for n, v in example().variables.items() if v.dtype.kind != "U"
    }


def test_other_readers_open_it(folder: Path):
    with xr.open_zarr(folder, zarr_format=3, consolidated=False) as read:
        for name, variable in example().drop_vars("status").variables.items():
            np.testing.assert_array_equal(read[name].values, variable.values)
            assert read[name].dims == variable.dims
        assert "eigenvalue" in read.coords
        assert read.attrs["n_generated"] == 7
        categories = np.array(read["status"].attrs["categories"])
        np.testing.assert_array_equal(categories[read["status"].values], example()["status"].values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_of_a_chunk_is_found(folder: Path, data):
    chunks = sorted(p for p in folder.rglob("c*") if p.is_file())
    file = data.draw(st.sampled_from(chunks))
    good = file.read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= data.draw(st.integers(1, 255))
    file.write_bytes(bad)
    try:
        with pytest.raises(zarr_group.CorruptMeasurement) as caught:
            zarr_group.decode(folder)
    finally:
        file.write_bytes(good)
    assert str(file) in str(caught.value)
    assert f"delete {folder.parent} " in str(caught.value)


@pytest.mark.parametrize("name", ["gain/c.0.0", "total/c", "zarr.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated"])
def test_lost_files_are_named(folder: Path, name: str, damage: str):
    file = folder / name
    good = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(good[: len(good) // 2] if damage == "truncated" else b"")
    with pytest.raises(zarr_group.CorruptMeasurement) as caught:
        zarr_group.decode(folder)
    assert str(file) in str(caught.value)


def test_lost_metadata_entry_is_found(folder: Path):
    (folder / "zarr.json").write_text('{"attributes": {}}')
    with pytest.raises(zarr_group.CorruptMeasurement, match="not a complete description"):
        zarr_group.decode(folder)


@pytest.mark.parametrize("values", [np.array([1j]), np.array([None]), np.array(["2020-01-01"], "M8[ns]")])
def test_types_without_a_place_are_refused(values):
    with pytest.raises(ValueError, match="cannot be stored; choose from text, bool"):
        zarr_group.encode(xr.Dataset({"x": ("mode", values)}))


def test_attribute_that_is_no_value_is_refused():
    with pytest.raises(TypeError, match="cannot be stored"):
        zarr_group.encode(xr.Dataset(attrs={"law": object()}))
