"""``load(spec)``: from what the user writes to ``Data``, refusing bad data before any work."""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from pathlib import Path

from scorelens.data.arrays import NumpyArchive, NumpyArray
from scorelens.data.base import Data
from scorelens.data.digits import Digits
from scorelens.data.gaussian import Gaussian
from scorelens.data.hugging_face import HuggingFace
from scorelens.data.image_folder import ImageFolder
from scorelens.data.inspection import require_samples
from scorelens.data.manifolds import MixtureOfSubspaces, RolledSheet, Sphere, Subspace, Torus
from scorelens.data.parquet import Parquet
from scorelens.data.point_clouds import Checkerboard, Circles, GaussianRing, Moons, Spiral, SwissRoll
from scorelens.data.source import FileSource, NamedSource, Selection, Source

ALL: tuple[type[Source], ...] = (
    Digits,
    Gaussian,
    Moons,
    Circles,
    SwissRoll,
    Checkerboard,
    Spiral,
    GaussianRing,
    Subspace,
    Sphere,
    Torus,
    RolledSheet,
    MixtureOfSubspaces,
    NumpyArray,
    NumpyArchive,
    Parquet,
    HuggingFace,
    ImageFolder,  # last: it accepts any folder
)

_NAMED = {cls.name: cls for cls in ALL if issubclass(cls, NamedSource)}
_FILES = tuple(cls for cls in ALL if issubclass(cls, FileSource))
_FORMATS = ".npy, .npz or .parquet file, a folder of images or a saved dataset"


def load(spec: str | os.PathLike[str], *, n_samples: int | None = None, seed: int = 0) -> Data:
    """The data that ``spec`` names, checked: at least two samples, all finite, not all features constant.

    ``n_samples`` keeps that many, drawn without replacement; everything random follows from ``seed``.
    Raises ``ValueError`` (or ``TypeError`` for a spec that is neither a string nor a path) saying what was
    found, what is allowed and what to do.

    >>> data = load("gaussian:dim=4,n=100", n_samples=10)
    >>> data.event_shape, len(data)
    ((4,), 10)
    """
    data = find(os.fspath(spec)).load(Selection(n_samples, seed))
    require_samples(data.name, len(data))
    _ = data.warnings  # inspects every value, and refuses NaN, infinities and data that never vary
    return data


def find(spec: str) -> Source:
    """The source that ``spec`` names: a name with its options, or a path with its key.

    Raises ``ValueError`` for an unknown name, a missing file or a format that is not read.

    >>> find("moons:n=50")
    Moons(n=50, noise=0.05)
    """
    name, _, options = spec.partition(":")
    if name in _NAMED:
        return _NAMED[name].parse(options)
    path, key = _existing(spec)
    for cls in _FILES:
        if cls.accepts(path):
            return cls(path, key)
    raise ValueError(
        f"{path} is of none of the formats that are read; give a {_FORMATS}"
        + (" (a single image is one sample: give its folder)" if _is_image(path) else "")
    )


def _existing(spec: str) -> tuple[Path, str]:
    """The longest existing path at the start of ``spec``, and the key after it."""
    head, key = spec, ""
    while head:
        path = os.path.expanduser(head)
        if os.path.exists(path):
            return Path(path), key
        head, colon, last = head.rpartition(":")
        key = f"{last}:{key}".rstrip(":") if colon else key
    raise _missing(spec)


def _missing(spec: str) -> ValueError:
    name = spec.partition(":")[0]
    path = Path(os.path.expanduser(name))
    if not (os.sep in name or path.suffix):
        hint = _nearest(name, [*_NAMED, *_entries(Path())])
        choices = f"choose from {', '.join(_NAMED)}, or give the path of a {_FORMATS}"
        return ValueError(f"unknown data {name!r}{hint}; {choices}")
    if not path.parent.is_dir():
        return ValueError(f"there is no folder {path.parent} for data {name!r}; check the path")
    return ValueError(
        f"there is no file or folder {name!r}{_nearest(path.name, _entries(path.parent))}; check the path"
    )


def _entries(folder: Path) -> list[str]:
    with suppress(OSError):
        return sorted(os.listdir(folder))
    return []


def _nearest(name: str, options: list[str]) -> str:
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _is_image(path: Path) -> bool:
    from scorelens.data.pictures import SUFFIXES

    return path.suffix.lower() in SUFFIXES
