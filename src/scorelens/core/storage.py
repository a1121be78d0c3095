"""Atomic storage: a file or folder is either the old one or the new one, whole, whenever the process dies."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PARTIAL = ".partial-"
"""Prefix of what is being written or deleted; `remove_partial` removes what a killed process left."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_AGAIN = "run this again (training continues with --resume)"


class StorageError(OSError):
    """A file could not be written; the message names the file and the remedy."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn any ``OSError`` of the block into a `StorageError` that names ``path`` and the remedy."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(_explanation(error, path)) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, atomically; raises `StorageError`.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "note.txt")
    >>> write_text(file, "kept"); file.read_text()
    'kept'
    """
    write_file(path, text.encode())


def write_file(path: Path, content: bytes) -> None:
    """Write one file atomically: temporary name, flushed to disk, renamed. Raises `StorageError`."""
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        with _removed_on_failure(partial):
            _write_synced(partial, content)
            os.replace(partial, path)
        _sync(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of ``files`` (relative name -> content) so that it appears whole, by one rename.

    An existing folder at ``path`` is replaced. Raises `StorageError`.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp(), "group")
    >>> write_folder(folder, {"zarr.json": b"{}", "c/0": b"chunk"}); (folder / "c" / "0").read_bytes()
    b'chunk'
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        with _removed_on_failure(partial):
            _write_tree(partial, files)
            if path.exists():
                remove(path)
            os.rename(partial, path)
        _sync(path.parent)


def remove(path: Path) -> None:
    """Delete a file or folder; it vanishes whole, by one rename, before its parts are deleted."""
    if not path.exists():
        return
    with explained(path):
        doomed = path.parent / f"{PARTIAL}{path.name}-{os.getpid()}-removed"
        _delete(doomed)
        os.rename(path, doomed)
        _delete(doomed)


def remove_partial(folder: Path) -> None:
    """Delete what a killed process left half written in ``folder`` (not in its subfolders)."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if is_partial(entry):
            _delete(entry)


def is_partial(path: Path) -> bool:
    """Whether ``path`` is the temporary name of something half written or half deleted."""
    return path.name.startswith(PARTIAL)


def _partial(path: Path) -> Path:
    return path.parent / f"{PARTIAL}{path.name}-{os.getpid()}"


@contextlib.contextmanager
def _removed_on_failure(partial: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _delete(partial)
        raise


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _write_tree(root: Path, files: Mapping[str, bytes]) -> None:
    _delete(root)
    written: list[Path] = []
    folders = {root, *((root / name).parent for name in files)}
    for folder in sorted(folders):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / name).write_bytes(content)
        written.append(root / name)
    # A file system commits many waiting files at once: in parallel this is ten times as fast.
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(_sync, [*written, *folders]))


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Flush a file or a folder's entries to disk, where the system can open folders (Windows cannot)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explanation(error: OSError, path: Path) -> str:
    if error.errno in _FULL:
        return f"no space left to write {path}; free some disk space, then {_AGAIN}"
    if error.errno in _FORBIDDEN:
        return f"not allowed to write {path}; choose a writable folder (--out) or change its permissions"
    if error.errno == errno.EISDIR:
        return f"cannot write {path}: it is a folder; give the name of a file"
    return f"cannot write {path}: {error.strerror or error}; check that folder, then {_AGAIN}"
