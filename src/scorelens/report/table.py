"""The table behind a figure: the same numbers, bounded in length, for screen readers and for copying."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

ABSENT = "–"


@final
@dataclass(frozen=True)
class Table:
    """Texts in rows; ``note`` says what was left out and where the whole is."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    @classmethod
    def of_columns(cls, caption: str, columns: Mapping[str, Iterable[Any]], note: str = "") -> Table:
        """A table from equally long columns of numbers or texts.

        Raises ``ValueError`` if their lengths differ.

        >>> Table.of_columns("Spectrum", {"mode": [1, 2], "variance": [0.25, float("nan")]}).rows
        (('1', '0.25'), ('2', '–'))
        """
        cells = [[text(value) for value in column] for column in columns.values()]
        return cls(caption, tuple(columns), tuple(zip(*cells, strict=True)), note)


def text(value: Any) -> str:
    """A number with four significant digits, a text as it is, a dash for what is not known.

    >>> text(0.123456), text(1234567), text(None), text("gray")
    ('0.1235', '1,234,567', '–', 'gray')
    """
    if value is None:
        return ABSENT
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}"
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    return str(value)


def _number(value: float) -> str:
    if math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        rounded = float(f"{value:.4g}")
        return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"
    return f"{value:.3e}"


def left_out(kind: str, shown: Sequence[Any] | np.ndarray, total: int, where: str) -> str:
    """The note of a shortened table; empty if nothing was left out.

    >>> left_out("modes", [0, 1], 9, "measurements.zarr")
    'Shows 2 of 9 modes; all are in measurements.zarr.'
    """
    return "" if len(shown) == total else f"Shows {len(shown)} of {total:,} {kind}; all are in {where}."
