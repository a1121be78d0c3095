"""Data in blocks: any array cut into rows, and any stream of blocks checked before it is used."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from scorelens.core import checks

Blocks = Callable[[], Iterable[np.ndarray]]
"""A function that starts a pass over the data: each block has shape ``(b, *event)`` and a real dtype."""

BLOCK_BYTES = 16 * 2**20


def row_blocks(array: np.ndarray, n_rows: int | None = None) -> Iterator[np.ndarray]:
    """Cut ``array`` of shape ``(n, *event)`` into blocks of ``n_rows`` (default: 16 MiB of float64 each).

    Blocks are views. Pages of a read-only memory-mapped file are given back after each block, so that a pass
    over a file larger than memory stays within one block of resident memory.

    >>> [len(block) for block in row_blocks(np.zeros((5, 3)), n_rows=2)]
    [2, 2, 1]
    """
    rows = max(64, BLOCK_BYTES // (8 * max(1, math.prod(array.shape[1:])))) if n_rows is None else n_rows
    checks.at_least("n_rows", rows, 1)
    for start in range(0, len(array), rows):
        yield np.asarray(array[start : start + rows])
        release_pages(array)


def flat_rows(block: Any, dim: int) -> np.ndarray:
    """``block`` of shape ``(b, *event)`` as ``(b, dim)``, its dtype unchanged, a view where possible.

    Raises ``TypeError`` for anything but real numbers, ``ValueError`` for events of another size.
    """
    values = np.asanyarray(block)
    if values.dtype.kind not in "fiu":
        raise TypeError(
            f"data must be real numbers (float or integer), got dtype {values.dtype}; convert them"
        )
    if values.ndim < 2 or math.prod(values.shape[1:]) != dim:
        raise ValueError(f"a block must hold events of {dim} numbers each, got shape {values.shape}")
    return values.reshape(len(values), dim)


def one_pass(blocks: Blocks, event_shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """One pass over ``blocks``, as flat chunks ``(b, d)`` of bounded size; shapes and types are checked.

    >>> blocks = [np.zeros((2, 1, 2, 2)), np.ones((3, 1, 2, 2))]
    >>> [chunk.shape for chunk in one_pass(lambda: blocks, (1, 2, 2))]
    [(2, 4), (3, 4)]
    """
    if not callable(blocks):
        raise TypeError(
            f"blocks must be a function that starts a pass over the data, got {type(blocks).__name__}; "
            "for an array pass lambda: row_blocks(array)"
        )
    for block in blocks():
        checks.events("every block", np.shape(block), event_shape, "b")
        yield from row_blocks(flat_rows(block, math.prod(event_shape)))


def check_finite(chunk: np.ndarray, first_index: int) -> None:
    """Raise ``ValueError`` if ``chunk (b, d)`` holds a NaN or infinity; ``first_index`` numbers its row 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = chunk.sum(dtype=np.float64)
    if not np.isfinite(total):
        refuse_non_finite(chunk, first_index)


def refuse_non_finite(chunk: np.ndarray, first_index: int) -> None:
    """Raise ``ValueError`` naming the first NaN or infinity; ``first_index`` is the sample index of row 0."""
    bad = np.argwhere(~np.isfinite(chunk))
    if bad.size:
        row, feature = (int(i) for i in bad[0])
        raise ValueError(
            f"sample {first_index + row} holds {chunk[row, feature]} at feature {feature} of the flattened "
            "event; remove or repair the sample"
        )
    raise ValueError(
        f"samples {first_index} to {first_index + len(chunk) - 1} hold numbers too large for float64 sums; "
        "rescale the data"
    )


def release_pages(array: np.ndarray) -> None:
    """Let go of the resident pages of a read-only memory map or its view; the file's cache keeps them.

    A scan would otherwise keep every page it read resident until the system runs short of memory.
    """
    if not isinstance(array, np.memmap) or array.mode != "r" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)
