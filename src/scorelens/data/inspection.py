"""One streaming pass over raw values: their range, their constant features, and no NaN or infinity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.core import checks

_LARGEST = float(np.finfo(np.float32).max)


@final
@dataclass(frozen=True, eq=False)
class Inspection:
    """Smallest and largest raw value of every feature, each of shape ``(*event,)``."""

    minimum: np.ndarray
    maximum: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """Indices, shape ``(n_constant,)``, of the features (event flattened) that never change."""
        return np.flatnonzero(self.minimum == self.maximum)


def inspect(blocks: Iterable[tuple[np.ndarray, np.ndarray]], name: str) -> Inspection:
    """Inspect ``blocks`` of (row numbers ``(b,)``, raw values ``(b, *event)``) in one pass.

    Raises ``ValueError`` with the index (row, then position in the event) of the first NaN, infinity or
    number beyond single precision.

    >>> inspect([(np.arange(2), np.array([[1.0, 5.0], [2.0, 5.0]]))], "x").constant
    array([1])
    """
    minimum = maximum = None
    for rows, block in blocks:
        low, high = block.min(axis=0), block.max(axis=0)
        if not (np.all(_wide(low) >= -_LARGEST) and np.all(_wide(high) <= _LARGEST)):  # false for NaN too
            _refuse_non_finite(name, rows, block)
        minimum = low if minimum is None else np.minimum(minimum, low)
        maximum = high if maximum is None else np.maximum(maximum, high)
    if minimum is None or maximum is None:
        raise ValueError(f"{name} holds no samples; give data with at least 2")
    return Inspection(np.asarray(minimum), np.asarray(maximum))


def _wide(values: np.ndarray) -> np.ndarray:
    """``values`` in the widest precision, so that comparing half precision with a large bound is exact."""
    return np.asarray(values, dtype=np.longdouble)


def _refuse_non_finite(name: str, rows: np.ndarray, block: np.ndarray) -> None:
    bad = ~(np.abs(_wide(block)) <= _LARGEST)
    position = tuple(int(i) for i in np.argwhere(bad)[0])
    index = (int(rows[position[0]]), *position[1:])
    value = float(block[position])
    if np.isfinite(value):
        raise ValueError(
            f"{name} holds {value:g} at index {index}, beyond single precision (+-{_LARGEST:.2g}); rescale it"
        )
    raise ValueError(
        f"{name} holds a non-finite value, the first ({value}) at index {index}; "
        "only finite numbers are allowed: drop or fill these samples"
    )


def constant_features_sentence(inspection: Inspection) -> str:
    """What to tell the user about constant features; empty if there are none.

    Raises ``ValueError`` if every feature is constant.
    """
    constant, dim = inspection.constant, inspection.minimum.size
    if len(constant) == dim:
        raise ValueError(f"all {dim} features are constant, so there is nothing to learn; give varying data")
    if not len(constant):
        return ""
    named = ", ".join(str(i) for i in constant[:5]) + (", ..." if len(constant) > 5 else "")
    verb, noun = ("is", "feature") if len(constant) == 1 else ("are", "features")
    return (
        f"{len(constant)} of {dim} features {verb} constant ({noun} {named}): "
        "they carry no variance and are kept, at their constant value"
    )


def require_samples(name: str, found: int) -> None:
    """Raise ``ValueError`` unless ``found`` is at least 2: one sample has no variance."""
    checks.at_least(f"the number of samples in {name}", found, 2, "one sample has no variance: give more")
