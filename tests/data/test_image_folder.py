"""Folders of images: pixel modes, sizes, and files that are no images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scorelens.data import load


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, values: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.png", "sub/c.PNG"):
        write(tmp_path / name, pixels(5, 4, 3, seed=ord(Path(name).name[0])))
    return tmp_path


def test_images_come_in_the_order_of_their_paths(folder: Path) -> None:
    data = load(folder)
    assert data.name == folder.name
    expected = np.stack([pixels(5, 4, 3, seed=ord(c)) for c in "abc"])
    assert data.values.dtype == np.uint8
    np.testing.assert_array_equal(data.values, np.moveaxis(expected, 3, 1))


def test_a_subset_decodes_only_the_chosen_images(folder: Path) -> None:
    (folder / "z.png").write_text("no image")
    chosen = {len(load(folder, n_samples=2, seed=seed)) for seed in range(3) if not includes(folder, seed)}
    assert chosen == {2}


def includes(folder: Path, seed: int) -> bool:
    """Whether the last of the four images is among the two drawn from ``seed``."""
    return 3 in np.random.default_rng(seed).choice(4, 2, replace=False)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm"])
def test_lossless_formats_give_the_same_pixels(tmp_path: Path, suffix: str) -> None:
    images = [pixels(6, 5, 3, seed=i) for i in range(3)]
    for i, image in enumerate(images):
        Image.fromarray(image).save(
            tmp_path / f"{i}{suffix}", **({"lossless": True} if suffix == ".webp" else {})
        )
    np.testing.assert_array_equal(load(tmp_path).values, np.moveaxis(np.stack(images), 3, 1))


def test_jpeg_is_read(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)
    for name, values in {"a.jpg": smooth, "b.jpeg": smooth.T}.items():
        write(tmp_path / name, values)
    data = load(tmp_path)
    assert data.event_shape == (1, 8, 8)
    assert abs(data.values[0, 0].astype(int) - smooth).max() < 16


def test_gray_among_color_is_repeated_and_said(folder: Path) -> None:
    gray = pixels(5, 4, seed=9)
    write(folder / "0.png", gray)  # the first: the array turns to color after it
    data = load(folder)
    assert data.event_shape == (3, 5, 4)
    np.testing.assert_array_equal(data.values[0], np.stack([gray] * 3))
    assert data.notes == ("1 of 4 images are gray and were repeated over three color channels",)


def test_palette_bilevel_and_opaque_alpha_are_read(tmp_path: Path) -> None:
    flat = np.where(np.arange(20).reshape(5, 4)[..., None] % 3 == 0, 255, 0).astype(np.uint8)
    write(tmp_path / "bilevel.png", np.repeat(flat, 3, axis=2), "1")
    write(tmp_path / "palette.png", np.repeat(flat, 3, axis=2), "P")
    write(tmp_path / "with_alpha.png", np.concatenate([flat] * 3 + [np.full_like(flat, 255)], axis=2))
    write(tmp_path / "z.png", pixels(5, 4, 3))
    data = load(tmp_path)
    expected = np.moveaxis(np.repeat(flat, 3, axis=2), 2, 0)
    for image in data.values[:3]:
        np.testing.assert_array_equal(image, expected)
    assert "the alpha channel of 1 opaque images was dropped" in data.notes


def test_transparency_is_refused(folder: Path) -> None:
    write(folder / "clear.png", pixels(5, 4, 4))
    with pytest.raises(ValueError, match=r"clear.png is partly transparent \(alpha down to \d+\); .*flatten"):
        load(folder)


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "F"])
def test_other_pixel_modes_are_refused(folder: Path, mode: str) -> None:
    Image.new(mode, (4, 5)).save(folder / "other.tif")
    with pytest.raises(ValueError, match=f"other.tif has pixel mode '{mode}'; save it as 8-bit gray or RGB"):
        load(folder)


def test_photos_are_turned_upright(tmp_path: Path) -> None:
    image = Image.fromarray(pixels(4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    for name in ("a.png", "b.png"):
        image.save(tmp_path / name, exif=exif)
    write(tmp_path / "c.png", pixels(6, 4, 3, seed=3))
    data = load(tmp_path)
    np.testing.assert_array_equal(data.values[0], np.moveaxis(np.rot90(pixels(4, 6, 3), -1), 2, 0))


def test_mixed_sizes_name_the_first_two_that_differ(folder: Path) -> None:
    write(folder / "b2.png", pixels(5, 6, 3))
    with pytest.raises(ValueError, match=r"a.png is 5x4 \(height x width\) but b2.png is 5x6; .*resize"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_a_file_that_is_no_image_is_named(folder: Path, content: bytes) -> None:
    (folder / "sub" / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"sub.bad.png cannot be read as an image .*remove it"):
        load(folder)


def test_only_the_listed_formats_are_read_whatever_the_suffix(folder: Path) -> None:
    Image.fromarray(pixels(5, 4)).save(folder / "disguised.png", format="GIF")
    with pytest.raises(ValueError, match=r"disguised.png cannot be read as an image \(unknown format\)"):
        load(folder)


def test_a_truncated_image_is_named(folder: Path) -> None:
    content = (folder / "a.png").read_bytes()
    (folder / "z.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"z.png cannot be read as an image"):
        load(folder)


def test_an_animation_is_refused(folder: Path) -> None:
    frames = [Image.fromarray(pixels(5, 4, 3, seed=i)) for i in range(2)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"moving.webp is an animation; save its frames"):
        load(folder)


@pytest.mark.parametrize("name", ["film.mp4", "drawing.svg", "loop.gif", "weights.pt", "sub/x.npy"])
def test_a_foreign_file_among_images_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=rf"{name} in the folder .* is not an image; .*move it elsewhere"):
        load(folder)


def test_hidden_files_are_skipped_and_text_files_noted(folder: Path) -> None:
    for name in (".DS_Store", ".cache/x.bin", "labels.csv", "LICENSE"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    data = load(folder)
    assert len(data) == 3
    assert data.notes == ("2 text files were ignored, the first LICENSE",)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no images \(it is empty\); give a folder of images"):
        load(tmp_path)
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"1 files, 1 of them .npy\); give the file itself, as in x.npy"):
        load(tmp_path)


def test_one_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "one.png", pixels(5, 4))
    with pytest.raises(ValueError, match="must be at least 2, got 1; one sample has no variance"):
        load(tmp_path)
    with pytest.raises(ValueError, match="a single image is one sample: give its folder"):
        load(tmp_path / "one.png")
