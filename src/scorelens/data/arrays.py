"""NumPy files: ``.npy``, memory-mapped, and ``.npz``. Neither is ever unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.layout import array_data
from scorelens.data.source import FileSource, Selection

_PICKLED = "holds pickled Python objects, which could run code and are never loaded; save an array of numbers"


@final
class NumpyArray(FileSource):
    """One array in a ``.npy`` file, memory-mapped: it may be larger than memory."""

    name: ClassVar[str] = "npy"
    usage: ClassVar[str] = "samples.npy"
    summary: ClassVar[str] = "one NumPy array, memory-mapped"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() == ".npy"

    def load(self, selection: Selection) -> Data:
        self.refuse_key()
        return array_data(self.label, self._map(), selection)

    def _map(self) -> np.ndarray:
        try:
            return np.lib.format.open_memmap(self.path, mode="r")
        except (ValueError, OSError, EOFError, SyntaxError) as error:
            if "Python objects" in str(error):
                raise ValueError(f"{self.label} {_PICKLED}") from error
            raise self.unreadable("a NumPy array", error) from error


@final
class NumpyArchive(FileSource):
    """One array in a ``.npz`` file: the only one, or the one named ``file.npz:name``."""

    name: ClassVar[str] = "npz"
    usage: ClassVar[str] = "samples.npz:images"
    summary: ClassVar[str] = "one array of a NumPy archive; the name may be left out if there is only one"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() == ".npz"

    def load(self, selection: Selection) -> Data:
        try:
            with zipfile.ZipFile(self.path) as archive:
                values = self._read(archive, self._member(archive.namelist()))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, SyntaxError) as error:
            raise self.unreadable("a NumPy archive", error) from error
        return array_data(self.label, values, selection)

    def _member(self, members: list[str]) -> str:
        arrays = {member.removesuffix(".npy"): member for member in members}
        if not self.key and len(arrays) == 1:
            return members[0]
        if not self.key:
            raise ValueError(
                f"{self.path.name} holds {len(arrays)} arrays ({', '.join(arrays) or 'none'}); "
                f"name one, as in {self.path.name}:{next(iter(arrays), 'images')}"
            )
        return arrays[checks.choice(f"array in {self.path.name}", self.key, arrays)]

    def _read(self, archive: zipfile.ZipFile, member: str) -> np.ndarray:
        try:
            with archive.open(member) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:
            if "allow_pickle" in str(error):
                raise ValueError(f"{self.label} {_PICKLED}") from error
            raise self.unreadable("a NumPy archive", error) from error
