"""One safetensors file for a few float64 arrays and the facts that belong to them."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from scorelens.core import storage

_REMEDY = "delete it and make it again from the data"


def write(
    path: str | os.PathLike[str], kind: str, arrays: dict[str, np.ndarray], facts: dict[str, Any]
) -> None:
    """Write ``arrays`` and the JSON-able ``facts``, whole or not at all.

    Raises `StorageError` (an ``OSError``) naming the file and the remedy.
    """
    stored = {name: np.ascontiguousarray(array, dtype=np.float64) for name, array in arrays.items()}
    header = {"kind": kind, "facts": json.dumps(facts), "checksum": str(_checksum(stored))}
    storage.write_file(Path(path), save(stored, metadata=header))


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and facts that `write` stored under the same ``kind``; no code from the file is run.

    Raises ``FileNotFoundError`` if there is no file, and ``ValueError`` naming the file and the remedy if it
    is truncated, corrupt or of another kind.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"no file {os.fspath(path)!r}; make it from the data first")
    try:
        return _read(path, kind)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, kind, error) from error


def damaged(path: str | os.PathLike[str], kind: str, reason: object) -> ValueError:
    """The error that says ``path`` cannot be used as a file of this ``kind``, and what to do."""
    return ValueError(f"{os.fspath(path)!r} is not a whole {kind} file ({reason}); {_REMEDY}")


def _read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with safe_open(path, framework="numpy") as file:
        header = file.metadata() or {}
        if header.get("kind") != kind:
            raise ValueError(f"it holds {header.get('kind', 'something else')!r}")
        arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
    if header["checksum"] != str(_checksum(arrays)):
        raise ValueError("its numbers do not match their checksum")
    return arrays, json.loads(header["facts"])


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    total = 0
    for name in sorted(arrays):
        total = zlib.crc32(arrays[name].data, zlib.crc32(name.encode(), total))
    return total
