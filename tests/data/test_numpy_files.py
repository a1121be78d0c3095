"""`.npy` and `.npz` files: layouts and ranges, what is refused, and nothing unpickled."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorelens.data import Data, load


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def saved(folder: Path, values: Any) -> Data:
    np.save(folder / "x.npy", np.asarray(values))
    return load(folder / "x.npy")


@pytest.mark.parametrize(
    ("shape", "event_shape"),
    [
        ((9, 5), (5,)),
        ((9, 6, 4), (1, 6, 4)),
        ((9, 6, 4, 3), (3, 6, 4)),
        ((9, 3, 6, 4), (3, 6, 4)),
        ((9, 6, 4, 1), (1, 6, 4)),
        ((9, 1, 6, 4), (1, 6, 4)),
    ],
)
def test_layouts(tmp_path: Path, shape: tuple[int, ...], event_shape: tuple[int, ...]) -> None:
    values = rng().integers(0, 256, shape, dtype=np.uint8)
    data = saved(tmp_path, values)
    assert data.event_shape == event_shape
    channels_last = len(shape) == 4 and shape[3] == event_shape[0]
    arranged = np.moveaxis(values, 3, 1) if channels_last else values
    expected = arranged.reshape(9, *event_shape) / 127.5 - 1
    np.testing.assert_allclose(data[:], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (), (4, 3, 6, 3), (4, 6, 5, 2), (4, 2, 3, 6, 6), (4, 0), (4, 0, 3)])
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x.npy has shape \(.*is allowed; .*flatten it to \(n, d\)"):
        saved(tmp_path, np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.int16, np.int64])
def test_vectors_keep_their_units(tmp_path: Path, dtype: Any) -> None:
    values = (100 * rng().standard_normal((8, 3))).astype(dtype)
    data = saved(tmp_path, values)
    assert data.kind == "vector"
    np.testing.assert_array_equal(data[:], values.astype(np.float32))


def test_fractional_images_are_mapped_and_centered_ones_kept(tmp_path: Path) -> None:
    values = rng().random((6, 4, 4))
    data = saved(tmp_path, values)
    np.testing.assert_allclose(data[:][:, 0], 2 * values - 1, rtol=0, atol=1e-6)
    assert data.notes == ("pixels in [0, 1] were mapped to [-1, 1]",)
    centered = 2 * values - 1
    np.testing.assert_allclose(saved(tmp_path, centered)[:][:, 0], centered, rtol=0, atol=1e-7)


@pytest.mark.parametrize("factor", [255.0, 1.01, -1.01])
def test_float_images_of_another_range_are_refused(tmp_path: Path, factor: float) -> None:
    values = factor * rng().random((6, 4, 4))
    values[0, 0, 0] = factor
    with pytest.raises(ValueError, match=r"values from .*\[0, 1\] or \[-1, 1\] is allowed; rescale them"):
        saved(tmp_path, values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([["a", "b"]] * 3), r"holds <U1 values, .*convert it to numbers"),
        (np.ones((3, 2), dtype=complex), "holds complex128 values, .*real and the imaginary part"),
        (np.ones((3, 2), dtype=bool), "holds bool values, .*save as uint8"),
        (np.ones((3, 4, 4), dtype=np.int32), "holds int32 values, but uint8 or floating-point"),
        (np.ones((3, 4, 4), dtype=np.uint16), "holds uint16 values, .*save 0..255 as uint8"),
        (np.zeros((3, 2), dtype=[("a", float)]), "holds .* values, .*one plain array"),
        (np.zeros((3, 2), dtype="datetime64[s]"), "holds datetime64"),
    ],
)
def test_wrong_dtypes_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        saved(tmp_path, values)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_are_refused(tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match=f"number of samples in x.npy must be at least 2, got {n}"):
        saved(tmp_path, np.ones((n, 3)))


def test_non_finite_values_are_refused_with_their_index(tmp_path: Path) -> None:
    values = rng().standard_normal((100, 3))
    values[61, 2] = np.nan
    with pytest.raises(
        ValueError, match=r"x.npy holds a non-finite value, the first \(nan\) at index \(61, 2\)"
    ):
        saved(tmp_path, values)


def test_constant_features_are_named(tmp_path: Path) -> None:
    values = rng().standard_normal((10, 5))
    values[:, 4] = 1
    assert saved(tmp_path, values).warnings[0].startswith("1 of 5 features is constant (feature 4)")


def test_npy_is_memory_mapped_also_as_a_subset_and_transposed(tmp_path: Path) -> None:
    values = rng().integers(0, 256, (30, 4, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", values)
    data = load(tmp_path / "x.npy", n_samples=10, seed=3)
    assert isinstance(data.values, np.memmap)
    assert data.rows is not None
    expected = np.moveaxis(values, 3, 1)[data.rows] / 127.5 - 1
    np.testing.assert_allclose(data[:], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("keep", [0, 5, 60, 300])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_truncated_files_are_refused_by_name(tmp_path: Path, keep: int, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, rng().standard_normal((20, 30)))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=f"cut{suffix} cannot be read as a NumPy a.*truncated"):
        load(path)


def test_a_damaged_archive_member_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=rng().standard_normal((50, 30)))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[2000:2100] = bytes(100)
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.npz cannot be read as a NumPy archive"):
        load(tmp_path / "x.npz")


def test_archives_name_their_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", only=np.arange(6.0).reshape(3, 2))
    assert load(tmp_path / "one.npz").event_shape == (2,)
    np.savez(tmp_path / "two.npz", images=np.arange(6.0).reshape(3, 2), labels=np.arange(3.0))
    assert load(f"{tmp_path}/two.npz:images")[:].tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(
        ValueError, match=r"holds 2 arrays \(images, labels\); name one, as in two.npz:images"
    ):
        load(tmp_path / "two.npz")
    with pytest.raises(ValueError, match=r"unknown array in two.npz 'image'; .*did you mean 'images'"):
        load(f"{tmp_path}/two.npz:image")
    np.savez(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"none.npz holds 0 arrays \(none\)"):
        load(tmp_path / "none.npz")


def test_a_key_for_a_single_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", rng().random((4, 2)))
    with pytest.raises(ValueError, match=r"nothing named 'images' to choose; write only x.npy"):
        load(f"{tmp_path}/x.npy:images")


class Malicious:
    """Creates a file when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("form", ["npy", "npz", "npz:member", "structured", "disguised npy", "disguised npz"])
def test_nothing_is_ever_unpickled(tmp_path: Path, form: str) -> None:
    trace = tmp_path / "executed"
    objects = np.array([[Malicious(trace)] * 2] * 3, dtype=object)
    path = tmp_path / ("x.npz" if "npz" in form else "x.npy")
    if form == "npy":
        np.save(path, objects, allow_pickle=True)
    elif form == "npz":
        np.savez(path, objects)
    elif form == "npz:member":
        np.savez(path, fine=np.ones((3, 2)), bad=objects)
    elif form == "structured":
        records = np.zeros((3, 2), dtype=[("value", float), ("object", object)])
        records["object"] = objects
        np.save(path, records, allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(ValueError, match=r"never loaded|cannot be read as a NumPy"):
        load(f"{path}:bad" if form == "npz:member" else path)
    assert not trace.exists()
    if form == "disguised npy":  # the trap works, had it been sprung
        pickle.loads(path.read_bytes())  # noqa: S301
        assert trace.exists()
