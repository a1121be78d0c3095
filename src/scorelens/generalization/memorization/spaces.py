"""Where distances are measured: pixels, principal components, or any features of the user."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scorelens.core.evaluation import batch_rows
from scorelens.core.nearest_neighbours import Rows
from scorelens.core.spectrum import Spectrum

Features = Spectrum | Callable[[Tensor], Any] | None
"""``None``: the values themselves; a spectrum: coordinates along its modes; or a function of batches."""


def name_of(features: Features) -> str:
    """What the space is called in words.

    >>> name_of(None)
    'the values themselves'
    """
    if features is None:
        return "the values themselves"
    if isinstance(features, Spectrum):
        return f"{features.n_modes} principal components"
    return f"the features {getattr(features, '__name__', type(features).__name__)}"


def embed(rows: Rows, features: Features = None) -> Rows:
    """Events ``rows`` ``(n, *event)`` as points of a space: themselves, or an array ``(n, m)``.

    A function is called with float32 or float64 tensors ``(b, *event)`` on the CPU, without gradients, and
    returns ``(b, ...)``, a tensor or an array. Raises ``ValueError`` for features of another number of rows,
    or that hold a NaN or infinity.

    >>> embed(np.ones((3, 2, 2)), lambda x: x.mean(dim=(1, 2))).shape
    (3, 1)
    """
    if features is None:
        return rows
    of_batch = features.project if isinstance(features, Spectrum) else _called(features)
    size = batch_rows(event_shape(rows))
    found = [of_batch(as_array(rows, slice(start, start + size))) for start in range(0, len(rows), size)]
    return np.concatenate(found)


def _called(features: Callable[[Tensor], Any]) -> Callable[[np.ndarray], np.ndarray]:
    def of_batch(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            output = features(torch.from_numpy(batch))
        values = output.detach().cpu().numpy() if isinstance(output, Tensor) else np.asarray(output)
        if values.ndim == 0 or len(values) != len(batch):
            raise ValueError(
                f"features must return one row per event, shape ({len(batch)}, ...), got {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError("the features hold a NaN or an infinity; check them on the samples and the data")
        wide = np.float64 if values.dtype == np.float64 else np.float32
        return values.reshape(len(values), -1).astype(wide, copy=False)

    return of_batch


def event_shape(rows: Rows) -> tuple[int, ...]:
    """Shape of one event of ``rows``."""
    return tuple(as_array(rows, slice(0, 1)).shape[1:])


def as_array(rows: Rows, index: slice | np.ndarray) -> np.ndarray:
    """Some of the ``rows`` as a writable array ``(b, *event)``."""
    if isinstance(rows, Tensor):
        chosen = torch.from_numpy(index).to(rows.device) if isinstance(index, np.ndarray) else index
        return rows[chosen].detach().cpu().numpy()
    values = np.asarray(rows[index])
    return values if values.flags.writeable else values.copy()


def dim_of(rows: Rows) -> int:
    """Number of values of one event of ``rows``."""
    return math.prod(event_shape(rows))
