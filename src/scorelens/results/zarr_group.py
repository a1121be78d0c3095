"""A Dataset as the files of a zarr (version 3) group, and back.

One chunk per array, little endian, each with a crc32c checksum; metadata consolidated in the group's
``zarr.json``. Written by hand because a training run stores and reads hundreds of tiny groups, which costs a
general zarr writer a hundred times more; any zarr reader opens the result
(``xarray.open_zarr(path, zarr_format=3)``).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import xarray as xr

FILE = "zarr.json"
_CATEGORIES = "categories"
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_TYPES = tuple(np.dtype(name) for name in ("bool", *_INTEGERS, "float32", "float64"))
_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]


class CorruptMeasurement(ValueError):
    """A stored result is damaged or incomplete; the message names the file and the remedy."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{path}: {found}; delete {_unit(path)} to go on without it, or make the run again")
        self.path = path


def encode(dataset: xr.Dataset) -> dict[str, bytes]:
    """The files of a zarr group that holds ``dataset``: relative name -> bytes.

    Text variables are stored as numbers with the attribute ``categories``.
    Raises ``ValueError`` for data types that have no stable place in zarr.

    >>> sorted(encode(xr.Dataset({"gain": ("mode", [1.0, 0.5])})))
    ['gain/c.0', 'gain/zarr.json', 'zarr.json']
    """
    files: dict[str, bytes] = {}
    arrays: dict[str, Any] = {}
    for name, variable in dataset.variables.items():
        values, attributes = _numbers(str(name), variable)
        arrays[str(name)] = _array_metadata(values, [str(d) for d in variable.dims], attributes)
        files[f"{name}/{FILE}"] = _json(arrays[str(name)])
        if values.size:
            files[f"{name}/{_chunk(values.ndim)}"] = _sealed(values)
    attributes = dict(dataset.attrs)
    auxiliary = [str(name) for name in dataset.coords if name not in dataset.dims]
    if auxiliary:
        attributes["coordinates"] = " ".join(auxiliary)
    files[FILE] = group_file(attributes, arrays)
    return files


def group_file(attributes: dict[str, Any], arrays: dict[str, Any] | None = None) -> bytes:
    """The ``zarr.json`` of a group with these attributes and, consolidated, the metadata of its arrays."""
    metadata: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    if arrays is not None:
        metadata["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": arrays}
    return _json(metadata)


def decode(folder: Path) -> xr.Dataset:
    """The Dataset stored in ``folder``. Raises `CorruptMeasurement` if a file is missing or damaged."""
    metadata = read_metadata(folder)
    attributes = dict(metadata["attributes"])
    auxiliary = attributes.pop("coordinates", "").split()
    try:
        arrays = metadata["consolidated_metadata"]["metadata"]
        variables = {name: _variable(folder / name, array) for name, array in arrays.items()}
        dataset = xr.Dataset(variables, attrs=attributes)
        return dataset.set_coords(auxiliary)
    except (KeyError, TypeError) as error:
        raise CorruptMeasurement(folder / FILE, f"is not a complete description ({error})") from error


def read_metadata(folder: Path) -> dict[str, Any]:
    """The parsed ``zarr.json`` of ``folder``. Raises `CorruptMeasurement` if it is missing or damaged."""
    file = folder / FILE
    try:
        metadata = json.loads(_read(file))
    except ValueError as error:
        if isinstance(error, CorruptMeasurement):
            raise
        raise CorruptMeasurement(file, "is not valid JSON") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("attributes"), dict):
        raise CorruptMeasurement(file, "is not zarr metadata")
    return metadata


def _numbers(name: str, variable: xr.Variable) -> tuple[np.ndarray, dict[str, Any]]:
    values, attributes = variable.values, dict(variable.attrs)
    if values.dtype.kind in "UO" and all(isinstance(v, str) for v in values.flat):
        categories, codes = np.unique(values.astype(str), return_inverse=True)
        attributes[_CATEGORIES] = categories.tolist()
        return codes.reshape(values.shape).astype(np.int32), attributes
    if values.dtype not in _TYPES:
        raise ValueError(
            f"variable {name!r} has data type {values.dtype}, which cannot be stored; "
            f"choose from text, {', '.join(map(str, _TYPES))}"
        )
    return values, attributes


def _array_metadata(values: np.ndarray, dims: list[str], attributes: dict[str, Any]) -> dict[str, Any]:
    fill: Any = {"b": False, "f": "NaN"}.get(values.dtype.kind, 0)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(values.shape),
        "data_type": values.dtype.name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [max(n, 1) for n in values.shape]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": fill,
        "codecs": _CODECS,
        "attributes": attributes,
        "dimension_names": dims,
        "storage_transformers": [],
    }


def _variable(folder: Path, metadata: dict[str, Any]) -> xr.Variable:
    shape, attributes = tuple(metadata["shape"]), dict(metadata["attributes"])
    kind = np.dtype(metadata["data_type"]).newbyteorder("<")
    file = folder / _chunk(len(shape))
    data = _opened(file, _read(file)) if math.prod(shape) else b""
    if len(data) != math.prod(shape) * kind.itemsize:
        raise CorruptMeasurement(file, f"holds {len(data)} bytes where {shape} of {kind.name} were stored")
    values = np.frombuffer(data, dtype=kind).reshape(shape).astype(kind.newbyteorder("="))
    if _CATEGORIES in attributes:
        values = np.asarray(attributes.pop(_CATEGORIES), dtype=str)[values]
    return xr.Variable(tuple(metadata["dimension_names"]), values, attributes)


def _chunk(ndim: int) -> str:
    return ".".join(["c", *["0"] * ndim])


def _sealed(values: np.ndarray) -> bytes:
    data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    return data + google_crc32c.value(data).to_bytes(4, "little")


def _opened(file: Path, stored: bytes) -> bytes:
    data, seal = stored[:-4], stored[-4:]
    if google_crc32c.value(data).to_bytes(4, "little") != seal:
        raise CorruptMeasurement(file, "is damaged (its checksum does not match)")
    return data


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise CorruptMeasurement(file, "is missing") from error


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"attribute {value!r} cannot be stored; use text, numbers or lists of them")


def _unit(path: Path) -> Path:
    """The folder to delete: the step's group inside a ``*.zarr``, or the file itself."""
    parts = path.parts
    for i, part in enumerate(parts[:-1]):
        if part.endswith(".zarr"):
            return Path(*parts[: i + 2])
    return path
