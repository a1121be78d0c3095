"""Samples, training and held-out data before they are compared: of one shape, precision, range and space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from scorelens.core import checks
from scorelens.core.nearest_neighbours import Rows
from scorelens.generalization.memorization.spaces import as_array, event_shape

LEAST_SAMPLES, LEAST_HELD_OUT = 10, 20

_CONVENTIONS = {"[-1, 1]": (-1.0, 1.0), "[0, 1]": (0.0, 1.0), "[0, 255]": (0.0, 255.0)}
_BLOCK = 4096


@final
@dataclass(frozen=True, eq=False)
class Inputs:
    """Three sets of events of one shape and dtype; ``train`` may stay on disk. ``remarks`` for the reader."""

    samples: np.ndarray
    train: Rows
    held_out: np.ndarray
    remarks: tuple[str, ...] = ()


def checked(samples: Any, train: Any, held_out: Any, least_train: int, check_range: bool) -> Inputs:
    """The three sets, all in the coarsest of their precisions, so that a stored copy is recognised as one.

    Raises ``TypeError`` for what holds no real floats, ``ValueError`` for other shapes, a NaN or infinity,
    too few events, or samples of another range convention than the training data (unless ``check_range`` is
    off).
    """
    sets = {"samples": _rows(samples), "train": _rows(train), "held_out": _rows(held_out)}
    least = {"samples": LEAST_SAMPLES, "train": least_train, "held_out": LEAST_HELD_OUT}
    shape = _common_shape(sets)
    for name, rows in sets.items():
        checks.at_least(f"the number of events in {name}", len(rows), least[name], "give more")
    dtypes = {name: _dtype(name, rows) for name, rows in sets.items()}
    coarse = np.dtype(np.float32) if np.dtype(np.float32) in dtypes.values() else np.dtype(np.float64)
    arrays = {name: _whole(sets[name], coarse) for name in ("samples", "held_out")}
    for name, array in arrays.items():
        checks.finite(name, array.reshape(len(array), *shape), "leave diverged or damaged events out")
    kept = sets["train"] if dtypes["train"] == coarse else _whole(sets["train"], coarse)
    remarks = _range_remarks(_Range.of(arrays["samples"]), _Range.of(kept)) if check_range else ()
    return Inputs(arrays["samples"], kept, arrays["held_out"], remarks)


def _rows(given: Any) -> Rows:
    return given if isinstance(given, Rows) and not isinstance(given, list | tuple) else np.asarray(given)


def _common_shape(sets: dict[str, Rows]) -> tuple[int, ...]:
    shapes = {name: event_shape(rows) if len(rows) else () for name, rows in sets.items()}
    for name, shape in shapes.items():
        if len(shape) == 0 or 0 in shape:
            raise ValueError(f"{name} must have shape (n, *event) with n > 0 and non-empty events")
    expected = shapes["train"]
    for name in ("samples", "held_out"):
        if shapes[name] != expected:
            raise ValueError(
                f"{name} must have events of shape {expected} as the training data have, got {shapes[name]}; "
                "resize, crop or reshape them first"
            )
    return expected


def _dtype(name: str, rows: Rows) -> np.dtype:
    found = as_array(rows, slice(0, 1)).dtype
    if found not in (np.float32, np.float64):
        raise TypeError(
            f"{name} must hold float32 or float64 in the units of the model, got {found}; convert them first "
            "(uint8 images in [-1, 1]: x / 127.5 - 1)"
        )
    return found


def _whole(rows: Rows, dtype: np.dtype) -> np.ndarray:
    return as_array(rows, slice(None)).astype(dtype, copy=False)


@final
@dataclass(frozen=True)
class _Range:
    low: float
    high: float
    std: float

    @classmethod
    def of(cls, rows: Rows) -> _Range:
        blocks = (_finite(as_array(rows, slice(s, s + _BLOCK)), s) for s in range(0, len(rows), _BLOCK))
        facts = np.array(
            [(b.min(), b.max(), b.mean(dtype=float), b.var(dtype=float), b.size) for b in blocks]
        )
        low, high, mean, variance, size = facts.T
        centre = np.average(mean, weights=size)
        spread = np.average(variance + (mean - centre) ** 2, weights=size)
        return cls(float(low.min()), float(high.max()), float(np.sqrt(spread)))

    def __str__(self) -> str:
        return f"[{self.low:.3g}, {self.high:.3g}]"

    @property
    def convention(self) -> str | None:
        """The usual range of images whose both ends the values come near."""
        for name, (low, high) in _CONVENTIONS.items():
            reach = 0.1 * (high - low)
            if abs(self.low - low) <= reach and abs(self.high - high) <= reach:
                return name
        return None


def _finite(block: np.ndarray, start: int) -> np.ndarray:
    bad = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if bad.any():
        raise ValueError(
            f"training event {start + int(bad.argmax())} holds a NaN or an infinity; remove or repair it"
        )
    return block


def _range_remarks(samples: _Range, train: _Range) -> tuple[str, ...]:
    own, expected = samples.convention, train.convention
    if own is not None and expected is not None and own != expected:
        raise ValueError(
            f"samples lie in {samples}, the training data in {train}; {_conversion(own, expected)}, or pass "
            "check_range=False if they are meant to differ"
        )
    span = train.high - train.low
    outside = max(train.low - samples.low, samples.high - train.high) > span / 2
    ratio = samples.std / train.std if train.std > 0 else 1.0
    if outside or not 1 / 3 <= ratio <= 3:
        return (
            f"samples lie in {samples} with standard deviation {samples.std:.3g}, the training data in "
            f"{train} with {train.std:.3g}: check that both are in the same units",
        )
    return ()


def _conversion(own: str, expected: str) -> str:
    (low, high), (to_low, to_high) = _CONVENTIONS[own], _CONVENTIONS[expected]
    scale = (to_high - to_low) / (high - low)
    return f"use samples * {scale:.6g} + {to_low - scale * low:.6g}".replace("+ -", "- ")
