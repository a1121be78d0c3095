"""Starting values of twins: along given eigenvectors, or drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scorelens.core import checks

_ORTHONORMAL = 1e-6


def along(eigenvectors: Any, values: Any) -> Tensor:
    """The matrix with these ``values`` (a scalar or ``(d,)``) along ``eigenvectors (d, d)``, in float64.

    Raises ``ValueError`` unless the eigenvectors are orthonormal columns and the values finite, one per
    column.

    >>> along(np.eye(2), [0.5, 0.25])
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]], dtype=torch.float64)
    """
    frame = orthonormal(eigenvectors)
    return (frame * per_mode("the values along the eigenvectors", values, len(frame))) @ frame.mT


def orthonormal(eigenvectors: Any) -> Tensor:
    """``eigenvectors`` in float64; ``ValueError`` unless they are ``d`` orthonormal columns ``(d, d)``."""
    frame = torch.tensor(np.asarray(eigenvectors, dtype=float))
    if frame.ndim != 2 or frame.shape[0] != frame.shape[1]:
        raise ValueError(f"eigenvectors must be (d, d), one column per mode, got {tuple(frame.shape)}")
    if not bool(((frame.mT @ frame - torch.eye(len(frame))).abs() < _ORTHONORMAL).all()):
        raise ValueError("eigenvectors must be orthonormal columns; those of a Spectrum with all modes are")
    return frame


def per_mode(name: str, values: Any, n_modes: int) -> Tensor:
    """A scalar or one value per mode, as ``(n_modes,)`` in float64; ``ValueError`` for anything else."""
    array = np.asarray(values, dtype=float)
    checks.finite(name, array)
    if array.shape not in ((), (n_modes,)):
        raise ValueError(f"{name} must be a scalar or have shape ({n_modes},), got {array.shape}")
    return torch.tensor(np.broadcast_to(array, (n_modes,)).copy())


def draw(shape: tuple[int, ...], scale: float, generator: torch.Generator) -> Tensor:
    """Normal values of standard deviation ``scale``, in float64.

    >>> draw((2, 3), 0.1, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    checks.non_negative("scale", scale)
    return scale * torch.randn(shape, dtype=torch.float64, generator=generator)


def per_level(
    name: str, start: Any, shape: tuple[int, ...], n_levels: int, dtype: torch.dtype
) -> nn.Parameter:
    """Parameters ``(n_levels, *shape)`` that start at ``start``, one for all levels or one for each.

    Raises ``ValueError`` for another shape, or a value that is not finite.

    >>> per_level("bias", [1.0, 2.0], (2,), 3, torch.float32).shape
    torch.Size([3, 2])
    """
    values = np.asarray(start, dtype=float)
    checks.finite(name, values)
    if values.shape not in (shape, (n_levels, *shape)):
        raise ValueError(f"{name} must have shape {shape}, or {(n_levels, *shape)}, got {values.shape}")
    return nn.Parameter(torch.tensor(np.broadcast_to(values, (n_levels, *shape)).copy(), dtype=dtype))
