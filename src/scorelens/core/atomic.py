"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_bytes(path: str | os.PathLike[str], payload: bytes) -> None:
    """Write ``payload`` to ``path`` so that a reader sees the old file or the new one, never a part.

    A process killed in the middle leaves the old file and at most a ``.tmp`` file beside it.
    Raises ``OSError`` naming the file and the remedy if the folder cannot be written or the disk is full.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        reason = f"cannot write: {error.strerror or error}; free some space or choose another folder"
        raise OSError(error.errno, reason, str(target)) from error
