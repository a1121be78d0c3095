"""Parquet files and saved datasets: columns of images and of lists."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scorelens.data import Data, load

N = 11


def pixels(n: int = N, height: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, 4), dtype=np.uint8)


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def images(values: np.ndarray) -> list[dict[str, Any]]:
    return [{"bytes": png(image), "path": None} for image in values]


def written(folder: Path, columns: dict[str, Any], **load_options: Any) -> Data:
    pq.write_table(pa.table(columns), folder / "x.parquet", row_group_size=4)
    return load(folder / "x.parquet", **load_options)


def test_images_keep_their_order_over_row_groups(tmp_path: Path) -> None:
    data = written(tmp_path, {"label": list(range(N)), "image": images(pixels())})
    np.testing.assert_array_equal(data.values[:, 0], pixels())


@pytest.mark.parametrize("seed", range(4))
def test_a_subset_takes_the_same_rows_as_from_the_whole(tmp_path: Path, seed: int) -> None:
    data = written(tmp_path, {"image": images(pixels())}, n_samples=3, seed=seed)
    rows = np.sort(np.random.default_rng(seed).choice(N, 3, replace=False))
    np.testing.assert_array_equal(data.values[:, 0], pixels()[rows])


def test_a_column_of_bare_bytes_is_read(tmp_path: Path) -> None:
    data = written(tmp_path, {"png": [png(image) for image in pixels()]})
    np.testing.assert_array_equal(data.values[:, 0], pixels())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_lists_of_numbers_are_vectors(tmp_path: Path, dtype: Any) -> None:
    values = (9 * np.random.default_rng(0).standard_normal((N, 3))).astype(dtype)
    data = written(tmp_path, {"x": list(values)})
    assert data.kind == "vector"
    np.testing.assert_array_equal(data[:], values.astype(np.float32))


def test_fixed_and_nested_lists_are_arrays(tmp_path: Path) -> None:
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12.0)), 4)
    assert written(tmp_path, {"x": fixed}).event_shape == (4,)
    nested = pa.array(pixels().tolist(), pa.list_(pa.list_(pa.uint8())))
    data = written(tmp_path, {"x": nested}, n_samples=6, seed=2)
    rows = np.sort(np.random.default_rng(2).choice(N, 6, replace=False))
    np.testing.assert_array_equal(data.values[:, 0], pixels()[rows])


def test_the_column_is_chosen_or_named(tmp_path: Path) -> None:
    columns = {"image": images(pixels()), "mask": images(pixels()), "x": [[1.0, 2.0]] * N, "label": [1] * N}
    with pytest.raises(
        ValueError, match=r"several columns .*\(image, mask\); name one, as in x.parquet:image"
    ):
        written(tmp_path, columns)
    assert load(f"{tmp_path}/x.parquet:mask").event_shape == (1, 5, 4)
    with pytest.raises(ValueError, match=r"unknown column of x.parquet 'msk'; .*did you mean 'mask'"):
        load(f"{tmp_path}/x.parquet:msk")
    with pytest.raises(ValueError, match=r"column 'label' of x.parquet holds int64, but images"):
        load(f"{tmp_path}/x.parquet:label")
    with pytest.raises(ValueError, match=r"no column of images .*it holds a: int64, b: string"):
        written(tmp_path, {"a": [1, 2], "b": ["x", "y"]})


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            images(pixels(3)) + images(pixels(2, height=7)),
            r"row 0 of x.parquet is 5x4 .* row 3 of x.parquet is 7x4",
        ),
        (
            [*images(pixels(5)), {"bytes": None, "path": "/etc/passwd"}],
            "row 5 of x.parquet holds no image bytes",
        ),
        (
            [*images(pixels(5)), {"bytes": b"text", "path": None}],
            "row 5 of x.parquet cannot be read as an image",
        ),
        ([[1.0, 2.0], [1.0, 2.0], [3.0]], r"row 0 of x.parquet has shape \(2,\) but row 2 has \(1,\)"),
        ([[1.0]] * 6 + [[1.0, 2.0]] * 2, r"row 4 of x.parquet has shape \(1,\) but row 6 has \(2,\)"),
        ([[1.0]] * 4 + [[1.0, 2.0]] * 2, r"row 0 of x.parquet has shape \(1,\) but row 4 has \(2,\)"),
        ([[1.0, 2.0]] * 5 + [None], r"row 5 of x.parquet holds a missing value \(null\)"),
        ([[1.0, 2.0]] * 5 + [[1.0, None]], r"row 5 of x.parquet holds a missing value \(null\)"),
        ([[[1.0], [2.0]], [[1.0], [2.0, 3.0]]], r"row 0 of x.parquet has shape .* but row 1 has"),
        ([[1.0, 2.0], [np.nan, 3.0]], r"non-finite value, the first \(nan\) at index \(1, 0\)"),
        ([[1.0, 2.0]], "must be at least 2, got 1"),
    ],
)
def test_bad_columns_are_refused(tmp_path: Path, column: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        written(tmp_path, {"x": column})


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, keep: float) -> None:
    written(tmp_path, {"image": images(pixels())})
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match=r"x.parquet cannot be read as Parquet: .*truncated"):
        load(tmp_path / "x.parquet")


def test_damaged_pages_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [[1.0, 2.0, 3.0]] * 99}), tmp_path / "x.parquet", compression="zstd")
    content = bytearray((tmp_path / "x.parquet").read_bytes())
    content[4:60] = bytes(56)
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.parquet cannot be read as Parquet"):
        load(tmp_path / "x.parquet")


@pytest.fixture(scope="module")
def dataset() -> datasets.Dataset:
    features = datasets.Features({"image": datasets.Image(), "grid": datasets.Array2D((5, 4), "uint8")})
    content = {"image": images(pixels()), "grid": list(pixels())}
    return datasets.Dataset.from_dict(content, features=features)


def test_a_saved_dataset_is_read(tmp_path: Path, dataset: datasets.Dataset) -> None:
    dataset.save_to_disk(str(tmp_path / "saved"))
    for spec in (f"{tmp_path}/saved", f"{tmp_path}/saved:image", f"{tmp_path}/saved:grid"):
        np.testing.assert_array_equal(load(spec).values[:, 0], pixels())
    with pytest.raises(ValueError, match="saved has no splits; write saved:image"):
        load(f"{tmp_path}/saved:train:image")


def test_splits_are_chosen_or_named(tmp_path: Path, dataset: datasets.Dataset) -> None:
    one = dataset.select_columns(["image"])
    datasets.DatasetDict({"train": one}).save_to_disk(str(tmp_path / "one"))
    assert len(load(tmp_path / "one")) == N
    assert len(load(f"{tmp_path}/one:image")) == N
    datasets.DatasetDict({"train": one, "test": one.select([4, 2])}).save_to_disk(str(tmp_path / "two"))
    np.testing.assert_array_equal(load(f"{tmp_path}/two:test").values[:, 0], pixels()[[4, 2]])
    with pytest.raises(ValueError, match=r"two has 2 splits \(test, train\); name one, as in two:train"):
        load(tmp_path / "two")
    with pytest.raises(ValueError, match=r"unknown split of two 'tset'; .*did you mean 'test'"):
        load(f"{tmp_path}/two:tset")


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_a_damaged_dataset_is_refused(tmp_path: Path, dataset: datasets.Dataset, name: str) -> None:
    dataset.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "saved" / name).write_bytes(b"{")
    with pytest.raises(ValueError, match=r"saved cannot be read as a saved dataset: .*truncated"):
        load(tmp_path / "saved")
