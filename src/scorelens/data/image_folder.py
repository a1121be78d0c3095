"""A folder of images, its subfolders included."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from scorelens.data.base import Data
from scorelens.data.inspection import require_samples
from scorelens.data.layout import PIXEL_SCALE
from scorelens.data.source import FileSource, Selection

COMPANIONS = ("", ".csv", ".json", ".jsonl", ".md", ".tsv", ".txt")
"""Suffixes of text files that often lie beside images: left alone, and named in a note."""


@final
class ImageFolder(FileSource):
    """PNG, JPEG, WebP, BMP, TIFF and PPM files of one size, in the order of their sorted paths.

    Hidden files are skipped and text files noted; any other file is refused by name.
    """

    name: ClassVar[str] = "image-folder"
    usage: ClassVar[str] = "path/to/folder"
    summary: ClassVar[str] = "a folder of images of one size (png, jpg, webp, bmp, tif, ppm), with subfolders"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        return path.is_dir()

    def load(self, selection: Selection) -> Data:
        from scorelens.data.pictures import Encoded, stack

        self.refuse_key()
        images, ignored = self._listing()
        require_samples(self.label, len(images))
        rows = selection.rows(len(images), self.label)
        chosen = images if rows is None else [images[i] for i in rows]
        encoded = (Encoded(name, self.path / name) for name in chosen)
        values, notes = stack(encoded, len(chosen))
        return Data(self.label, values, "image", scale=PIXEL_SCALE, offset=-1.0, notes=(*ignored, *notes))

    def _listing(self) -> tuple[list[str], tuple[str, ...]]:
        """Names of the images, relative to the folder and sorted, and a note on what else lies there."""
        from scorelens.data.pictures import SUFFIXES

        try:
            names = sorted(_visible_files(self.path))
        except OSError as error:
            raise self.unreadable("a folder of images", error) from error
        images = [name for name in names if _suffix(name) in SUFFIXES]
        others = [name for name in names if _suffix(name) not in SUFFIXES]
        foreign = [name for name in others if _suffix(name) not in COMPANIONS]
        if not images:
            raise ValueError(f"the folder {self.path} holds no images ({_contents(names)}); {_remedy(names)}")
        if foreign:
            raise ValueError(
                f"{foreign[0]} in the folder {self.path} is not an image; "
                f"{', '.join(SUFFIXES)} are allowed: move it elsewhere"
            )
        note = f"{len(others)} text files were ignored, the first {others[0]}" if others else ""
        return images, (note,) if note else ()


def _visible_files(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        within = os.path.relpath(parent, folder)
        prefix = "" if within == os.curdir else f"{within}{os.sep}"
        yield from (f"{prefix}{name}" for name in names if not name.startswith("."))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _raise(error: OSError) -> None:
    raise error


def _contents(names: list[str]) -> str:
    if not names:
        return "it is empty"
    suffix, count = Counter(_suffix(name) or "no suffix" for name in names).most_common(1)[0]
    return f"{len(names)} files, {count} of them {suffix}"


def _remedy(names: list[str]) -> str:
    readable = [name for name in names if _suffix(name) in (".npy", ".npz", ".parquet")]
    return f"give the file itself, as in {readable[0]}" if readable else "give a folder of images"
