"""Every source of data keeps the same contract, whatever it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scorelens import data
from scorelens.data import Data
from scorelens.data.load import find
from scorelens.data.source import NamedSource

N = 23


def pixels(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (N, 6, 5, channels), dtype=np.uint8)


def write_npy(folder: Path) -> str:
    np.save(folder / "vectors.npy", np.random.default_rng(0).standard_normal((N, 7)))
    return str(folder / "vectors.npy")


def write_npz(folder: Path) -> str:
    np.savez(folder / "two.npz", images=pixels(3), labels=np.arange(N))
    return f"{folder / 'two.npz'}:images"


def write_images(folder: Path) -> str:
    for i, image in enumerate(pixels(3)):
        Image.fromarray(image).save(folder / f"{i:03}.png")
    return str(folder)


def encoded_images(folder: Path) -> list[dict[str, object]]:
    images = []
    for i, image in enumerate(pixels()[..., 0]):
        Image.fromarray(image).save(folder / "one.png")
        images.append({"bytes": (folder / "one.png").read_bytes(), "path": f"{i}.png"})
    return images


def write_parquet(folder: Path) -> str:
    table = pa.table({"image": encoded_images(folder), "label": list(range(N))})
    pq.write_table(table, folder / "images.parquet", row_group_size=5)
    return str(folder / "images.parquet")


def write_saved_dataset(folder: Path) -> str:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    content = {"image": encoded_images(folder), "label": list(range(N))}
    saved = datasets.Dataset.from_dict(content, features=features)
    datasets.DatasetDict({"train": saved, "test": saved}).save_to_disk(str(folder / "saved"))
    return f"{folder / 'saved'}:train:image"


EXAMPLES: dict[str, Callable[[Path], str]] = {
    "digits": lambda _: "digits",
    "gaussian": lambda _: "gaussian:dim=6,n=50,spectrum=powerlaw",
    "moons": lambda _: "moons:n=40",
    "circles": lambda _: "circles:n=40",
    "swiss-roll": lambda _: "swiss-roll:n=40",
    "checkerboard": lambda _: "checkerboard:n=40",
    "spiral": lambda _: "spiral:n=40",
    "gaussians": lambda _: "gaussians:n=40,modes=5",
    "subspace": lambda _: "subspace:n=40",
    "sphere": lambda _: "sphere:n=40,dim=3",
    "torus": lambda _: "torus:n=40,noise=0.1",
    "rolled-sheet": lambda _: "rolled-sheet:n=40",
    "molrg": lambda _: "molrg:n=40,components=2",
    "npy": write_npy,
    "npz": write_npz,
    "image-folder": write_images,
    "parquet": write_parquet,
    "hugging-face": write_saved_dataset,
}


@pytest.fixture(scope="module", params=data.ALL, ids=lambda source: source.name)
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return EXAMPLES[request.param.name](tmp_path_factory.mktemp(request.param.name))


@pytest.fixture(scope="module")
def loaded(spec: str) -> Data:
    return data.load(spec)


def test_every_source_has_an_example_and_finds_it(spec: str) -> None:
    assert set(EXAMPLES) == {source.name for source in data.ALL}
    names = [name for name, example in EXAMPLES.items() if name == find(spec).name]
    assert len(names) == 1


def test_samples_are_finite_float32_of_the_event_shape(loaded: Data) -> None:
    samples = loaded[:]
    assert samples.dtype == np.float32
    assert samples.shape == (len(loaded), *loaded.event_shape)
    assert loaded.dim == np.prod(loaded.event_shape)
    assert type(samples) is np.ndarray
    assert np.isfinite(samples).all()


def test_images_have_channels_first_and_span_minus_one_to_one(loaded: Data) -> None:
    samples = loaded[:]
    if loaded.kind == "vector":
        assert len(loaded.event_shape) == 1
        return
    assert len(loaded.event_shape) == 3
    assert loaded.event_shape[0] in (1, 3)
    assert samples.min() >= -1
    assert samples.max() <= 1
    assert samples.min() < -0.9
    assert samples.max() > 0.9


def test_the_seed_determines_everything(spec: str) -> None:
    first, again, other = (data.load(spec, n_samples=20, seed=seed)[:] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("size", [1, 7, 1000, None])
def test_blocks_joined_are_the_whole(loaded: Data, size: int | None) -> None:
    blocks = list(loaded.blocks(size)) if size != 1 else list(loaded.split(0.8, 0)[0].blocks(1))
    whole = loaded[:] if size != 1 else loaded.split(0.8, 0)[0][:]
    assert all(block.dtype == np.float32 for block in blocks)
    assert size is None or max(len(block) for block in blocks) <= size
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_gathering_follows_the_order_of_the_indices(loaded: Data) -> None:
    indices = np.array([7, 0, 7, 3, -1, 12])
    np.testing.assert_array_equal(loaded[indices], loaded[:][indices])
    part, _ = loaded.split(0.2, seed=1)
    np.testing.assert_array_equal(part[indices], part[:][indices])


def test_split_is_disjoint_complete_and_deterministic(loaded: Data) -> None:
    train, held = loaded.split(0.3, seed=2)
    assert train.rows is not None
    assert held.rows is not None
    every = np.arange(len(loaded)) if loaded.rows is None else loaded.rows
    np.testing.assert_array_equal(np.sort(np.concatenate([train.rows, held.rows])), every)
    assert len(held) == round(0.3 * len(loaded))
    np.testing.assert_array_equal(loaded.split(0.3, seed=2)[1].rows, held.rows)
    assert not np.array_equal(loaded.split(0.3, seed=3)[1].rows, held.rows)
    positions = np.searchsorted(every, held.rows)
    np.testing.assert_array_equal(held[:], loaded[positions])


def test_a_subset_is_drawn_from_the_whole(spec: str) -> None:
    whole, subset = data.load(spec), data.load(spec, n_samples=9)
    assert len(subset) == 9
    known = {sample.tobytes() for sample in whole[:]}
    drawn = [sample.tobytes() for sample in subset[:]]
    assert set(drawn) <= known
    with pytest.raises(ValueError, match=rf"{10**6} samples asked, but .* has {len(whole)}"):
        data.load(spec, n_samples=10**6)


def test_reading_leaves_the_raw_values_alone(loaded: Data) -> None:
    before = np.array(loaded.values)
    loaded[:][:] = 0
    for block in loaded.blocks(5):
        block[:] = 0
    np.testing.assert_array_equal(loaded.values, before)


def test_the_description_is_plain(loaded: Data) -> None:
    described = json.loads(json.dumps(loaded.describe()))
    assert described["n_samples"] == len(loaded)
    assert described["dim"] == loaded.dim
    assert described["minimum"] == pytest.approx(loaded[:].min(), abs=1e-6)
    assert described["maximum"] == pytest.approx(loaded[:].max(), abs=1e-6)


def test_facts_are_declared_and_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for source in data.ALL:
        assert source.summary
        assert f"`{source.usage}`" in page
        if issubclass(source, NamedSource):
            assert find(source.usage).name == source.name
