"""The offsets of a local filter: which neighbours of a pixel it reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorelens.core import checks


def square_patch(size: int, n_axes: int = 2) -> np.ndarray:
    """Offsets of a centred patch, row-major: ``(size**2, 2)`` pairs, or ``(size,)`` with ``n_axes=1``.

    Raises ``ValueError`` for an even size, which has no centre.

    >>> square_patch(3, n_axes=1)
    array([-1,  0,  1])
    >>> square_patch(3).shape
    (9, 2)
    """
    checks.whole("size", size, 1)
    if size % 2 == 0:
        raise ValueError(f"a centred patch has an odd size, got {size}; take {size - 1} or {size + 1}")
    if n_axes not in (1, 2):
        raise ValueError(f"n_axes must be 1 (sequences) or 2 (images), got {n_axes}")
    reach = np.arange(size) - size // 2
    if n_axes == 1:
        return reach
    return np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)


def cyclic_offsets(offsets: Any, grid: tuple[int, ...]) -> np.ndarray:
    """Offsets as whole numbers modulo ``grid``, shape ``(K, n_axes)``, checked for a circular filter.

    ``offsets`` has shape ``(K,)`` on a line or ``(K, 2)`` on an image. Raises ``ValueError`` for a filter
    larger than the image, offsets without 0 or given twice; ``TypeError`` for fractions.

    >>> cyclic_offsets([-1, 0, 1], (5,)).ravel()
    array([4, 0, 1])
    """
    pairs = whole_numbers(offsets, len(grid))
    if (np.abs(pairs) >= np.array(grid)).any() or (np.ptp(pairs, axis=0) >= np.array(grid)).any():
        extent = "x".join(str(n + 1) for n in np.ptp(pairs, axis=0))
        image = "x".join(str(n) for n in grid)
        raise ValueError(f"a filter must fit in the image: the offsets span {extent}, the image is {image}")
    if not (pairs == 0).all(axis=1).any():
        raise ValueError("the offsets of a denoising filter must contain 0, the pixel itself")
    return pairs % np.array(grid)


def whole_numbers(offsets: Any, n_axes: int) -> np.ndarray:
    """``offsets`` as integers of shape ``(K, n_axes)``, each once; ``ValueError`` or ``TypeError``
    otherwise."""
    values = np.asarray(offsets)
    if values.size and not np.issubdtype(values.dtype, np.integer):
        raise TypeError(f"offsets must be whole numbers, got {values.dtype}")
    pairs = values[:, None] if values.ndim == 1 and n_axes == 1 else values
    if pairs.ndim != 2 or pairs.shape[1] != n_axes or len(pairs) == 0:
        allowed = "(K,)" if n_axes == 1 else "(K, 2)"
        raise ValueError(f"offsets must have shape {allowed} with K >= 1, got {values.shape}")
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"offsets must be given once each, got {distinct[counts > 1][0].tolist()} again")
    return pairs.astype(int)
