"""`Data`: reading, splitting, describing, and memory-mapped values within bounded memory."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorelens.data import Data, load


def ramp(n: int, d: int = 2) -> Data:
    return Data("ramp", np.arange(float(n * d)).reshape(n, d), "vector")


def test_model_units_are_scale_times_values_plus_offset() -> None:
    data = Data("bytes", np.array([[0], [51], [255]], dtype=np.uint8), "vector", scale=2 / 255, offset=-1.0)
    np.testing.assert_allclose(data[:].ravel(), [-1, -0.6, 1], rtol=0, atol=1e-7)
    assert data[:].max() == 1  # exactly, though 2 / 255 is rounded


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 200), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_split_keeps_every_sample_once_or_says_why_not(n: int, fraction: float, seed: int) -> None:
    held_wanted = round(fraction * n)
    if held_wanted < 1 or n - held_wanted < 2:
        with pytest.raises(ValueError, match="at least 2 and 1 are needed"):
            ramp(n).split(fraction, seed)
        return
    train, held = ramp(n).split(fraction, seed)
    assert len(held) == held_wanted
    assert sorted(np.concatenate([train[:], held[:]])[:, 0]) == list(range(0, 2 * n, 2))


def test_a_part_can_be_split_again() -> None:
    train, _ = ramp(20).split(0.2, seed=0)
    first, second = train.split(0.5, seed=1)
    np.testing.assert_array_equal(np.sort(np.concatenate([first[:], second[:]]), axis=0), train[:])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_held_out_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction > 0 and < 1"):
        ramp(10).split(fraction, 0)


@pytest.mark.parametrize("indices", [3, [1.0], [[1, 2]], [10], [-11], np.array([True] * 10)])
def test_indices_that_are_none_are_refused(indices: object) -> None:
    with pytest.raises(IndexError, match="indices must"):
        ramp(10)[np.asarray(indices)]


def test_a_block_needs_a_size() -> None:
    with pytest.raises(ValueError, match="the size of a block must be at least 1, got 0"):
        next(ramp(3).blocks(0))


def test_constant_features_are_named_and_kept() -> None:
    values = np.random.default_rng(0).standard_normal((10, 4))
    values[:, [1, 3]] = 2.5
    data = Data("x", values, "vector")
    assert data.warnings == (
        "2 of 4 features are constant (features 1, 3): "
        "they carry no variance and are kept, at their constant value",
    )
    assert data.describe()["n_constant_features"] == 2
    assert data.event_shape == (4,)


def test_a_part_inspects_its_own_rows() -> None:
    values = np.zeros((10, 2))
    values[:, 0] = np.arange(10)
    values[9, 1] = 1.0
    part = replace(Data("x", values, "vector"), rows=np.arange(9))
    assert part.inspection.constant.tolist() == [1]


def test_a_part_of_inspected_data_inspects_its_own_rows_too() -> None:
    values = np.random.default_rng(0).random((10, 2))
    data = Data("x", values, "vector")
    train, held = replace(data, facts=data.inspection).split(0.3, seed=0)
    np.testing.assert_array_equal(train.inspection.maximum, values[train.rows].max(axis=0))
    np.testing.assert_array_equal(held.inspection.minimum, values[held.rows].min(axis=0))


def test_data_that_never_vary_are_refused() -> None:
    with pytest.raises(ValueError, match="all 3 features are constant, so there is nothing to learn"):
        _ = Data("x", np.ones((5, 3)), "vector").warnings


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_non_finite_value_is_found_by_its_row_in_the_file(value: float) -> None:
    values = np.random.default_rng(0).standard_normal((3000, 2, 3, 4))
    values[2100, 1, 2, 3] = values[2500, 0, 0, 0] = value
    rows = np.arange(1000, 3000)
    data = Data("x", values, "image", rows=rows)
    with pytest.raises(
        ValueError, match=rf"x holds a non-finite value, .*\({value}\) at index \(2100, 1, 2, 3\)"
    ):
        _ = data.inspection


def test_numbers_beyond_single_precision_are_refused() -> None:
    values = np.array([[1.0], [1e39]])
    with pytest.raises(ValueError, match=r"1e\+39 at index \(1, 0\), beyond single precision .*rescale"):
        _ = Data("x", values, "vector").inspection


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_does_not_grow_with_a_mapped_file(tmp_path: Path) -> None:
    n, dim = 40_000, 256
    mapped = np.lib.format.open_memmap(tmp_path / "big.npy", mode="w+", dtype=np.float32, shape=(n, dim))
    mapped[:] = np.random.default_rng(0).standard_normal(dim, dtype=np.float32) * np.arange(n)[:, None]
    del mapped
    before, most = resident_file_pages(), 0
    data = load(tmp_path / "big.npy")
    assert isinstance(data.values, np.memmap)
    for part in data.split(0.5, seed=0):
        for _ in part.blocks(1000):
            most = max(most, resident_file_pages())
    whole = n * dim * 4
    assert most - before < 0.5 * whole
    assert resident_file_pages() - before < 0.1 * whole


def resident_file_pages() -> int:
    """Resident memory backed by files, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile"))
