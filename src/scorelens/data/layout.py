"""How a bare array is read: vectors or images, where the channels are, and which range the pixels span."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scorelens.data.base import Data
from scorelens.data.inspection import require_samples
from scorelens.data.source import Selection

CHANNELS = (1, 3)
"""Numbers of channels an image may have: gray or red, green, blue."""

PIXEL_SCALE = 2 / 255
"""Maps uint8 pixels 0..255 to [-1, 1], with offset -1."""

_ROUNDING = 1e-6


def array_data(label: str, values: np.ndarray, selection: Selection, notes: tuple[str, ...] = ()) -> Data:
    """``Data`` of an array of shape (n, d), (n, H, W), (n, H, W, C) or (n, C, H, W), which is not copied.

    uint8 (pixels 0..255) is mapped to [-1, 1]. Floating-point images must lie in [0, 1], mapped to [-1, 1],
    or in [-1, 1], kept; floating-point or integer vectors keep their units.
    Raises ``ValueError`` for any other shape, dtype or range.

    >>> data = array_data("x", np.array([[[0, 255]], [[255, 0]]], dtype=np.uint8), Selection())
    >>> data.kind, data.event_shape, data[:1].tolist()
    ('image', (1, 1, 2), [[[[-1.0, 1.0]]]])
    """
    _refuse_dtype(label, values)
    arranged = channels_first(label, values)
    require_samples(label, len(arranged))
    rows = selection.rows(len(arranged), label)
    data = Data(label, arranged, "image" if values.ndim > 2 else "vector", rows=rows, notes=notes)
    if values.dtype == np.uint8:
        return replace(data, scale=PIXEL_SCALE, offset=-1.0)
    return _scaled_image(data) if data.kind == "image" else data


def channels_first(label: str, values: np.ndarray) -> np.ndarray:
    """A view of ``values`` as (n, d) or (n, C, H, W).

    Raises ``ValueError`` if the shape is neither, or if it does not tell where the channels are.

    >>> channels_first("x", np.zeros((5, 8, 6, 3))).shape
    (5, 3, 8, 6)
    """
    if values.ndim == 2 and values.shape[1]:
        return values
    if values.ndim == 3 and values.size:
        return values[:, None]
    first, last = (values.ndim == 4 and values.shape[axis] in CHANNELS for axis in (1, 3))
    if values.size and first != last:
        return values if first else np.moveaxis(values, 3, 1)
    allowed = "(n, d), (n, height, width), (n, height, width, channels) or (n, channels, height, width)"
    remedy = "reshape it; to read any other shape as vectors, flatten it to (n, d)"
    if first and last:
        remedy = "both axes 1 and 3 could be the channels: drop one of length 1, or flatten it to (n, d)"
    raise ValueError(
        f"{label} has shape {values.shape}, but {allowed} with 1 or 3 channels is allowed; {remedy}"
    )


def _refuse_dtype(label: str, values: np.ndarray) -> None:
    dtype = values.dtype
    if dtype.kind == "f" or (dtype.kind in "iu" and (dtype == np.uint8 or values.ndim == 2)):
        return
    allowed = "uint8 or floating-point" if values.ndim > 2 else "floating-point or integer"
    remedy = {
        "b": "multiply by 255 and save as uint8",
        "i": "save 0..255 as uint8, or divide into [0, 1] and save as float32",
        "u": "save 0..255 as uint8, or divide into [0, 1] and save as float32",
        "c": "save the real and the imaginary part as separate features",
        "V": "save one plain array of numbers",
    }.get(dtype.kind, "convert it to numbers, for example with .astype('float32')")
    raise ValueError(f"{label} holds {dtype} values, but {allowed} numbers are allowed; {remedy}")


def _scaled_image(data: Data) -> Data:
    low, high = float(data.inspection.minimum.min()), float(data.inspection.maximum.max())
    if low >= 0 and high <= 1 + _ROUNDING:
        notes = (*data.notes, "pixels in [0, 1] were mapped to [-1, 1]")
        return replace(data, scale=2.0, offset=-1.0, notes=notes, facts=data.inspection)
    if low >= -1 - _ROUNDING and high <= 1 + _ROUNDING:
        return replace(data, facts=data.inspection)
    raise ValueError(
        f"{data.name} holds floating-point images with values from {low:g} to {high:g}, but [0, 1] or "
        "[-1, 1] is allowed; rescale them (0..255: divide by 255), or flatten to (n, d) to keep their units"
    )
