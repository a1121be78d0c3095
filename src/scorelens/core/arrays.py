"""NumPy arrays and torch tensors through one formula: the few helpers that need to know which is which."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def namespace(array: Any) -> Any:
    """The module (``torch`` or ``numpy``) whose functions take ``array``; torch is never imported for it.

    >>> namespace(np.ones(2)).__name__
    'numpy'
    """
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def floating(value: Any) -> Any:
    """``value`` as a float array: floating torch tensors as they are, everything else as NumPy float64.

    >>> floating(1).dtype
    dtype('float64')
    """
    if namespace(value) is np:
        return np.asarray(value, dtype=float)
    return value if value.is_floating_point() else value.to(namespace(value).get_default_dtype())


def against(level: Any, x: Any) -> Any:
    """A scalar or ``(batch,)`` ``level``, shaped to broadcast against ``x`` of shape ``(batch, *event)``.

    Raises ``ValueError`` for any other shape.

    >>> against(np.ones(4), np.zeros((4, 3, 2))).shape
    (4, 1, 1)
    """
    if np.ndim(level) == 0:
        return level
    if tuple(level.shape) != tuple(x.shape[:1]):
        raise ValueError(
            f"a level must be a scalar or have one entry per row of x, shape {tuple(x.shape[:1])}; "
            f"got {tuple(level.shape)}"
        )
    return level.reshape(-1, *([1] * (x.ndim - 1)))
