"""Encoded images (PNG, JPEG, ...) to one uint8 array."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read: rasters only (Pillow would run Ghostscript on an EPS file)."""

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

_PLAIN = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB"}
"""From the pixel mode of an image to the one it is read in."""

_ORIENTATION = 0x0112
_CHUNK = 128
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class Encoded(NamedTuple):
    """One encoded image: what messages call it, and its bytes or its file."""

    label: str
    content: bytes | Path


class Picture(NamedTuple):
    """One decoded image: uint8 ``(channels, height, width)``, and whether an opaque alpha was dropped."""

    pixels: np.ndarray
    had_alpha: bool


def decode(encoded: Encoded) -> Picture:
    """Decode one image, turned upright as its EXIF orientation says.

    Palette images become RGB; an alpha channel is dropped if it is opaque throughout and refused otherwise.
    Raises ``ValueError`` naming the image if it is none, is damaged, animated, or not 8-bit gray or RGB.
    """
    try:
        image, animated = _open(encoded.content)
    except _UNREADABLE as error:
        raise ValueError(
            f"{encoded.label} cannot be read as an image ({_reason(error)}); "
            f"{', '.join(FORMATS)} are allowed: remove it or write it again"
        ) from error
    if animated:
        raise ValueError(f"{encoded.label} is an animation; save its frames as separate images")
    return _picture(encoded.label, image)


def stack(encoded: Iterable[Encoded], n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode ``n`` images, in threads, to uint8 ``(n, channels, height, width)``; and notes on what was done.

    Among color images, gray ones are repeated over the three channels. Raises ``ValueError`` naming the
    first two images whose sizes differ, or an image that cannot be decoded.
    """
    stacked = _Stack(n)
    for one, picture in _decoded(encoded):
        stacked.put(one.label, picture)
    return stacked.values, stacked.notes()


def _open(content: bytes | Path) -> tuple[Image.Image, bool]:
    """The loaded image, turned upright, and whether it is animated."""
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS) as image:
        image.load()
        animated = getattr(image, "is_animated", False) and image.format != "MPO"  # MPO: a photo and previews
        upright = image.getexif().get(_ORIENTATION, 1) == 1
    return (image if upright else ImageOps.exif_transpose(image)), animated


def _decoded(encoded: Iterable[Encoded]) -> Iterator[tuple[Encoded, Picture]]:
    with ThreadPoolExecutor() as pool:
        for batch in _batched(encoded, 16 * _CHUNK):  # bounds how many encoded images are held
            chunks = list(_batched(batch, _CHUNK))
            for chunk, pictures in zip(chunks, pool.map(_decode_chunk, chunks), strict=True):
                yield from zip(chunk, pictures, strict=True)


def _batched(encoded: Iterable[Encoded], size: int) -> Iterator[list[Encoded]]:
    iterator = iter(encoded)
    while batch := list(islice(iterator, size)):
        yield batch


def _decode_chunk(chunk: list[Encoded]) -> list[Picture]:
    return [decode(one) for one in chunk]


def _picture(label: str, image: Image.Image) -> Picture:
    if image.mode not in _PLAIN:
        raise ValueError(f"{label} has pixel mode {image.mode!r}; save it as 8-bit gray or RGB")
    plain = _PLAIN[image.mode]
    had_alpha = "A" in image.getbands() or "transparency" in image.info
    if had_alpha:
        _refuse_transparent(label, image.convert("LA" if plain == "L" else "RGBA"))
    pixels: np.ndarray = np.asarray(image if image.mode == plain else image.convert(plain))
    return Picture(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0), had_alpha)


def _refuse_transparent(label: str, image: Image.Image) -> None:
    least = np.asarray(image)[..., -1].min()
    if least < 255:
        raise ValueError(
            f"{label} is partly transparent (alpha down to {least}); only opaque images are allowed: "
            "flatten it onto a background"
        )


@final
class _Stack:
    """Collects pictures of one size; turns to color when the first color picture comes."""

    def __init__(self, n: int) -> None:
        self.values: np.ndarray = np.empty((0, 1, 0, 0), dtype=np.uint8)
        self._n = n
        self._filled = self._n_gray = self._n_alpha = 0
        self._first = ""

    def put(self, label: str, picture: Picture) -> None:
        channels, height, width = picture.pixels.shape
        if not self._filled:
            self._first = label
            self.values = np.empty((self._n, *picture.pixels.shape), dtype=np.uint8)
        if self.values.shape[2:] != (height, width):
            first = "x".join(map(str, self.values.shape[2:]))
            raise ValueError(
                f"{self._first} is {first} (height x width) but {label} is {height}x{width}; "
                "all images must have one size: crop or resize them first"
            )
        if channels > self.values.shape[1]:
            self.values = np.repeat(self.values, channels, axis=1)
        self.values[self._filled] = picture.pixels
        self._filled += 1
        self._n_gray += channels == 1
        self._n_alpha += picture.had_alpha

    def notes(self) -> tuple[str, ...]:
        notes = []
        if self.values.shape[1] == 3 and self._n_gray:
            notes.append(
                f"{self._n_gray} of {self._n} images are gray and were repeated over three color channels"
            )
        if self._n_alpha:
            notes.append(f"the alpha channel of {self._n_alpha} opaque images was dropped")
        return tuple(notes)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "unknown format"
    return str(error) or type(error).__name__
