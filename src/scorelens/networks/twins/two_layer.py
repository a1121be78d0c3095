"""Twins of two linear layers: tied, ``P P^T``, and independent, ``P Q``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.networks.twins.dense import DenseDenoiserTwin, DenseTwin
from scorelens.networks.twins.start import draw, orthonormal, per_mode


def checked_factor(name: str, start: Any) -> np.ndarray:
    """``start`` in float64; ``ValueError`` unless it is a matrix, or one per level."""
    matrix = np.asarray(start, dtype=float)
    if matrix.ndim not in (2, 3) or 0 in matrix.shape:
        raise ValueError(f"{name} must be a matrix, or (s, rows, columns), got shape {matrix.shape}")
    return matrix


def tied_start(eigenvectors: Any, initial_gain: Any) -> Tensor:
    """``P`` with ``P P^T = U diag(initial_gain) U^T``; ``ValueError`` for a negative gain."""
    frame = orthonormal(eigenvectors)
    gains = per_mode("initial_gain", initial_gain, len(frame))
    checks.non_negative("initial_gain", gains.numpy(), "P P^T has no negative gain")
    return frame * gains.sqrt()


class TiedFactorTwin(DenseTwin):
    """Two tied layers: what is trained is ``P P^T x + b``."""

    def __init__(
        self, sigmas: Any, factor: Any, bias: Any = None, *, dtype: torch.dtype = torch.float64
    ) -> None:
        start = checked_factor("factor", factor)
        super().__init__(sigmas, start.shape[-2], [start], bias, dtype)

    @classmethod
    def aligned(
        cls, sigmas: Any, eigenvectors: Any, initial_gain: Any = 0.1, *, dtype: torch.dtype = torch.float64
    ) -> Self:
        """``initial_gain >= 0`` along each of ``eigenvectors (d, d)``, a scalar or ``(d,)``."""
        return cls(sigmas, tied_start(eigenvectors, initial_gain), dtype=dtype)

    @classmethod
    def random(
        cls,
        sigmas: Any,
        dim: int,
        generator: torch.Generator,
        *,
        rank: int | None = None,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Entries of ``P`` normal with standard deviation ``scale``, the same at every level."""
        return cls(sigmas, draw((dim, dim if rank is None else rank), scale, generator), dtype=dtype)

    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        return layers[0] @ layers[0].mT


@final
class SymmetricTwoLayerTwin(TiedFactorTwin, DenseDenoiserTwin):
    """``D(x) = P P^T x + b``: twin of `SymmetricTwoLayer` from an aligned start.

    ``P`` starts at ``factor``, ``(d, rank)`` or ``(s, d, rank)``: at most ``rank`` modes are ever learned.

    >>> SymmetricTwoLayerTwin.aligned([1.0], np.eye(2), initial_gain=0.25).layers[0].tolist()
    [[[0.5, 0.0], [0.0, 0.5]]]
    """

    law: ClassVar[str] = "two-layer"
    reference: ClassVar[str] = "wang2025, Prop. 5.1"


@final
class AsymmetricTwoLayerTwin(DenseDenoiserTwin):
    """``D(x) = P Q x + b``: twin of `AsymmetricTwoLayer` from an aligned start.

    ``P`` starts at ``first``, ``(d, rank)``, ``Q`` at ``second``, ``(rank, d)``, or one of each per level.

    >>> AsymmetricTwoLayerTwin.aligned([1.0], np.eye(1), first=0.5, second=-0.5).matrix().item()
    -0.25
    """

    law: ClassVar[str] = "two-layer-untied"
    reference: ClassVar[str] = "wang2025, App. F.2.2; learning dynamics, section 8"

    def __init__(
        self,
        sigmas: Any,
        first: Any,
        second: Any,
        bias: Any = None,
        *,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        left, right = checked_factor("first", first), checked_factor("second", second)
        if left.shape[-2:] != right.shape[:-3:-1]:
            raise ValueError(
                f"first (d, rank) and second (rank, d) must fit, got {left.shape} and {right.shape}"
            )
        super().__init__(sigmas, left.shape[-2], [left, right], bias, dtype)

    @classmethod
    def aligned(
        cls,
        sigmas: Any,
        eigenvectors: Any,
        first: Any = 0.3,
        second: Any = 0.1,
        *,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Factors ``first`` and ``second`` of the gain along each eigenvector, scalars or ``(d,)``."""
        frame = orthonormal(eigenvectors)
        left = frame * per_mode("first", first, len(frame))
        right = (frame * per_mode("second", second, len(frame))).mT
        return cls(sigmas, left, right, dtype=dtype)

    @classmethod
    def random(
        cls,
        sigmas: Any,
        dim: int,
        generator: torch.Generator,
        *,
        rank: int | None = None,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Entries of both factors normal with standard deviation ``scale``, the same at every level."""
        width = dim if rank is None else rank
        first, second = draw((dim, width), scale, generator), draw((width, dim), scale, generator)
        return cls(sigmas, first, second, dtype=dtype)

    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        return layers[0] @ layers[1]
