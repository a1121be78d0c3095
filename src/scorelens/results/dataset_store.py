"""Labelled Datasets by name in one folder, each stored whole or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

import xarray as xr

from scorelens.core import checks, storage
from scorelens.results import schema, zarr_group

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@final
@dataclass(frozen=True)
class DatasetStore:
    """The zarr group ``folder`` with one subgroup per Dataset.

    >>> import tempfile
    >>> store = DatasetStore(Path(tempfile.mkdtemp(), "datasets.zarr"))
    >>> store.write("loss", xr.Dataset({"loss": ((), 1.5, {"long_name": "loss", "units": "1"})}))
    >>> store.names(), float(store.read("loss").loss)
    (('loss',), 1.5)
    """

    folder: Path

    def prepare(self) -> None:
        """Make the empty group, unless it is there."""
        if not (self.folder / zarr_group.FILE).exists():
            storage.write_file(self.folder / zarr_group.FILE, zarr_group.group_file({}))

    def write(self, name: str, dataset: xr.Dataset) -> None:
        """Store ``dataset``, replacing an older one of that name, by one rename.

        Raises ``ValueError`` if it breaks the schema or the name cannot be a folder; `StorageError` if it
        cannot be written.
        """
        check_name("dataset", name)
        storage.write_folder(self.folder / name, encoded(dataset))

    def read(self, name: str) -> xr.Dataset:
        """The Dataset ``name``; ``ValueError`` if there is none, `CorruptMeasurement` if it is damaged."""
        checks.choice("dataset", name, self.names())
        return zarr_group.decode(self.folder / name)

    def names(self) -> tuple[str, ...]:
        """Names of the stored Datasets, sorted."""
        if not self.folder.is_dir():
            return ()
        folders = (p for p in self.folder.iterdir() if p.is_dir() and not storage.is_partial(p))
        return tuple(sorted(p.name for p in folders))


def encoded(dataset: xr.Dataset) -> dict[str, bytes]:
    """The files of ``dataset``; ``ValueError`` if it breaks the schema."""
    named = schema.labelled(dataset)
    schema.check(named)
    return zarr_group.encode(named)


def check_name(kind: str, name: str) -> None:
    """Raise ``ValueError`` unless ``name`` can be that of a folder.

    >>> check_name("dataset", "a/b")
    Traceback (most recent call last):
    ValueError: dataset name 'a/b' cannot be a folder; use letters, digits, '_', '.', '-'
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{kind} name {name!r} cannot be a folder; use letters, digits, '_', '.', '-'")


def require_empty(folder: Path) -> None:
    """Raise ``ValueError`` if ``folder`` is a file, or holds more than leftovers of a killed process."""
    if folder.is_file() or (folder.is_dir() and any(not storage.is_partial(p) for p in folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty; choose a new or empty folder (--out)")
