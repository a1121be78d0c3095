"""``Data``: samples of x_0, kept raw (often uint8 or memory-mapped) and read in model units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, final

import numpy as np

from scorelens.core import checks
from scorelens.core.blocks import release_pages
from scorelens.data.inspection import Inspection, constant_features_sentence, inspect

BLOCK_NUMBERS = 2**23
"""Default size of a block, in numbers: 32 MiB in float32."""


@final
@dataclass(frozen=True, eq=False)
class Data:
    """Samples of x_0. ``data[indices]`` and ``data.blocks()`` give float32 in model units.

    ``values`` are raw, shape ``(n, *event)``; model units are ``scale * values + offset``, so that images
    (kind ``"image"``, event ``(channels, height, width)``) lie in [-1, 1], while vectors (kind ``"vector"``,
    event ``(d,)``) usually stay in their own units. ``rows``, if given, are the ascending row numbers of
    ``values`` that belong to this data set: parts share one array or one memory map.
    ``notes`` say what was done to the input on the way.

    >>> data = Data("ramp", np.arange(6.0).reshape(3, 2), kind="vector")
    >>> len(data), data.event_shape, data[np.array([2, 0])].tolist()
    (3, (2,), [[4.0, 5.0], [0.0, 1.0]])
    """

    name: str
    values: np.ndarray
    kind: Literal["image", "vector"]
    scale: float = 1.0
    offset: float = 0.0
    rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    facts: Inspection | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.values) if self.rows is None else len(self.rows)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(channels, height, width)`` or ``(d,)``."""
        return tuple(int(n) for n in self.values.shape[1:])

    @property
    def dim(self) -> int:
        """Number of features of one sample, ``prod(event_shape)``."""
        return math.prod(self.event_shape)

    def __getitem__(self, indices: np.ndarray | slice) -> np.ndarray:
        """Samples ``indices`` (integers, shape ``(b,)``, or a slice), float32 ``(b, *event)`` in model units.

        Raises ``IndexError`` for anything else or for an index outside ``[-n, n)``.
        """
        rows = self._rows(self._positions(indices))
        if not isinstance(self.values, np.memmap):
            return self._model_units(self.values[rows])
        order = np.argsort(rows, kind="stable")  # a disk is read forwards
        gathered = self._model_units(self.values[rows[order]])
        release_pages(self.values)
        result = np.empty_like(gathered)
        result[order] = gathered
        return result

    def blocks(self, size: int | None = None) -> Iterator[np.ndarray]:
        """All samples in order, in blocks of at most ``size``: float32 ``(b, *event)`` in model units.

        By default a block takes about 32 MiB. Memory-mapped values are read once, forwards, and their pages
        released after each block, so that resident memory does not grow with the file.
        """
        for _, raw in self._raw_blocks(size):
            yield self._model_units(raw)

    def split(self, held_out: float, seed: int) -> tuple[Data, Data]:
        """``(train, held_out)``: disjoint, together everything, drawn at random from ``seed``.

        ``held_out`` is a fraction in (0, 1). Raises ``ValueError`` if it leaves fewer than two samples to
        train on or none to hold out.

        >>> train, held = Data("ramp", np.arange(20.0).reshape(10, 2), kind="vector").split(0.2, seed=0)
        >>> len(train), len(held)
        (8, 2)
        """
        if not 0 < held_out < 1:
            raise ValueError(f"held_out must be a fraction > 0 and < 1, got {held_out:g}; 0.1 is usual")
        n_held = round(held_out * len(self))
        if n_held < 1 or len(self) - n_held < 2:
            raise ValueError(
                f"held_out={held_out:g} of {len(self)} samples leaves {len(self) - n_held} to train on and "
                f"{n_held} held out; at least 2 and 1 are needed: give more samples or another fraction"
            )
        shuffled = np.random.default_rng(seed).permutation(len(self))
        return self._part(np.sort(shuffled[n_held:])), self._part(np.sort(shuffled[:n_held]))

    def describe(self) -> dict[str, Any]:
        """What the data are, as plain numbers and strings; minimum and maximum in model units."""
        low, high = float(self.inspection.minimum.min()), float(self.inspection.maximum.max())
        return {
            "name": self.name,
            "kind": self.kind,
            "n_samples": len(self),
            "event_shape": list(self.event_shape),
            "dim": self.dim,
            "stored_dtype": str(self.values.dtype),
            "minimum": self.scale * low + self.offset,
            "maximum": self.scale * high + self.offset,
            "n_constant_features": len(self.inspection.constant),
            "warnings": list(self.warnings),
        }

    @cached_property
    def inspection(self) -> Inspection:
        """Range and constant features of the raw values, from one pass over the data.

        Raises ``ValueError`` with the first index if there is a NaN or an infinity.
        """
        return self.facts or inspect(self._raw_blocks(None), self.name)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know: notes on how the input was read, and constant features."""
        constant = constant_features_sentence(self.inspection)
        return (*self.notes, constant) if constant else self.notes

    def _positions(self, indices: np.ndarray | slice) -> np.ndarray:
        if isinstance(indices, slice):
            return np.arange(len(self))[indices]
        positions = np.asarray(indices)
        if positions.ndim != 1 or positions.dtype.kind not in "iu":
            found = f"{positions.dtype} of shape {positions.shape}"
            raise IndexError(f"indices must be integers of shape (b,) or a slice, got {found}")
        if positions.size and not (-len(self) <= positions.min() and positions.max() < len(self)):
            raise IndexError(
                f"indices must lie in [-{len(self)}, {len(self)}), as there are {len(self)} samples"
            )
        return np.where(positions < 0, positions + len(self), positions)

    def _rows(self, positions: np.ndarray) -> np.ndarray:
        return positions if self.rows is None else self.rows[positions]

    def _part(self, positions: np.ndarray) -> Data:
        return replace(self, rows=self._rows(positions), facts=None)

    def _model_units(self, raw: np.ndarray) -> np.ndarray:
        result = np.array(raw, dtype=np.float32, order="C", subok=False)
        if (self.scale, self.offset) != (1.0, 0.0):
            result *= np.float32(self.scale)
            result += np.float32(self.offset)
        return result

    def _raw_blocks(self, size: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        length = max(1, BLOCK_NUMBERS // self.dim) if size is None else size
        checks.at_least("the size of a block", length, 1)
        for start in range(0, len(self), length):
            stop = min(start + length, len(self))
            rows = self._rows(np.arange(start, stop))
            yield rows, self.values[start:stop] if self.rows is None else self.values[rows]
            release_pages(self.values)
