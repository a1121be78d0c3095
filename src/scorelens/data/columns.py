"""One column of an Arrow table: encoded images, or lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.layout import PIXEL_SCALE, array_data
from scorelens.data.pictures import Encoded, stack
from scorelens.data.source import Selection


def choose(schema: pa.Schema, key: str, label: str) -> str:
    """The name of the column to read: ``key``, else the only column of images, else the only one of lists.

    Raises ``ValueError`` if there is none or the choice is not clear.
    """
    if key:
        name = checks.choice(f"column of {label}", key, schema.names)
        if not _holds_pictures(schema.field(name).type) and not _holds_lists(schema.field(name).type):
            raise ValueError(
                f"column {name!r} of {label} holds {schema.field(name).type}, but images (a struct with "
                "'bytes', or binary) or lists of numbers are allowed; name another column"
            )
        return name
    for holds in (_holds_pictures, _holds_lists):
        found = [field.name for field in schema if holds(field.type)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"{label} has several columns to choose from ({', '.join(found)}); name one, as in "
                f"{label}:{found[0]}"
            )
    held = ", ".join(f"{field.name}: {field.type}" for field in schema)
    raise ValueError(
        f"{label} has no column of images (a struct with 'bytes', or binary) or of lists of numbers; "
        f"it holds {held[:200] or 'no column'}: put each sample into one list column, or save a .npy file"
    )


def read(
    label: str, kind: pa.DataType, arrays: Iterable[pa.Array], rows: np.ndarray, notes: tuple[str, ...] = ()
) -> Data:
    """``Data`` of a column of type ``kind`` whose selected ``rows`` come in order in ``arrays``."""
    if _holds_lists(kind):
        return array_data(label, _numbers(label, arrays, rows), Selection(), notes)
    values, found = stack(_encoded(label, arrays, rows), len(rows))
    return Data(label, values, "image", scale=PIXEL_SCALE, offset=-1.0, notes=(*notes, *found))


def selected_rows(label: str, total: int, selection: Selection) -> np.ndarray:
    """Ascending numbers of the selected rows out of ``total``."""
    rows = selection.rows(total, label)
    return np.arange(total) if rows is None else rows


def _encoded(label: str, arrays: Iterable[pa.Array], rows: np.ndarray) -> Iterator[Encoded]:
    row = iter(rows.tolist())
    for array in arrays:
        contents = array.field("bytes") if pa.types.is_struct(array.type) else array
        for content in contents.to_pylist():
            name = f"row {next(row)} of {label}"
            if content is None:
                raise ValueError(f"{name} holds no image bytes; embed every image in the file itself")
            yield Encoded(name, content)


def _numbers(label: str, arrays: Iterable[pa.Array], rows: np.ndarray) -> np.ndarray:
    parts: list[np.ndarray] = []
    start = 0
    for array in arrays:
        part = _rectangular(label, _storage(array), rows[start : start + len(array)])
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise _ragged(label, int(rows[0]), parts[0].shape[1:], int(rows[start]), part.shape[1:])
        parts.append(part)
        start += len(array)
    return np.concatenate(parts)


def _rectangular(label: str, array: Any, rows: np.ndarray) -> np.ndarray:
    """Nested lists of equal lengths as an array ``(len(rows), ...)``."""
    shape = [len(array)]
    while _is_list(array.type):
        _refuse_missing(label, array, rows)
        lengths = np.asarray(array.value_lengths())
        other = np.flatnonzero(lengths != lengths[0])
        if len(other):
            inner = len(array) // len(rows)
            where = int(rows[other[0] // inner])
            raise _ragged(label, int(rows[0]), (int(lengths[0]),), where, (int(lengths[other[0]]),))
        shape.append(int(lengths[0]))
        array = array.flatten()
    _refuse_missing(label, array, rows)
    return array.to_numpy(zero_copy_only=False).reshape(shape)


def _refuse_missing(label: str, array: Any, rows: np.ndarray) -> None:
    if array.null_count:
        missing = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0]
        row = rows[missing // (len(array) // len(rows))]
        raise ValueError(f"row {row} of {label} holds a missing value (null); drop or fill such samples")


def _ragged(label: str, row: int, shape: tuple[int, ...], other: int, found: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"row {row} of {label} has shape {shape} but row {other} has {found}; all samples must have one shape"
    )


def _holds_pictures(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    return _is_binary(kind)


def _holds_lists(kind: Any) -> bool:
    kind = _storage_type(kind)
    if not _is_list(kind):
        return False
    while _is_list(kind):
        kind = kind.value_type
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _storage_type(kind: Any) -> Any:
    return kind.storage_type if _is_array_feature(kind) else kind


def _storage(array: Any) -> Any:
    return array.storage if _is_array_feature(array.type) else array


def _is_array_feature(kind: Any) -> bool:
    """Whether this is the Array2D ... Array5D of `datasets`, which are nested lists underneath."""
    return isinstance(kind, pa.BaseExtensionType) and "Array" in type(kind).__name__
