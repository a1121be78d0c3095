"""Twins of one linear layer, bare and beside a skip connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.networks.twins.dense import DenseDenoiserTwin, DenseTwin
from scorelens.networks.twins.start import along, draw


def square(name: str, start: Any) -> np.ndarray:
    """``start`` in float64; ``ValueError`` unless it is ``(d, d)`` or ``(s, d, d)``."""
    matrix = np.asarray(start, dtype=float)
    if matrix.ndim not in (2, 3) or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"{name} must have shape (d, d) or (s, d, d), got {matrix.shape}")
    return matrix


class FreeMatrixTwin(DenseTwin):
    """One layer, every entry of its matrix free: what is trained is ``W x + b``."""

    def __init__(
        self, sigmas: Any, weight: Any, bias: Any = None, *, dtype: torch.dtype = torch.float64
    ) -> None:
        start = square("weight", weight)
        super().__init__(sigmas, start.shape[-1], [start], bias, dtype)

    @classmethod
    def aligned(
        cls, sigmas: Any, eigenvectors: Any, initial_gain: Any = 0.0, *, dtype: torch.dtype = torch.float64
    ) -> Self:
        """``initial_gain`` along each of ``eigenvectors (d, d)``, a scalar or ``(d,)``."""
        return cls(sigmas, along(eigenvectors, initial_gain), dtype=dtype)

    @classmethod
    def random(
        cls,
        sigmas: Any,
        dim: int,
        generator: torch.Generator,
        *,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Weights and biases normal with standard deviation ``scale``, the same at every level."""
        weight, bias = draw((dim, dim), scale, generator), draw((dim,), scale, generator)
        return cls(sigmas, weight, bias, dtype=dtype)

    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        return layers[0]


@final
class OneLayerTwin(FreeMatrixTwin, DenseDenoiserTwin):
    """``D(x) = W x + b``, every entry free: twin of `OneLayer` from an aligned start on centred data, and of
    `DenseOneLayer` from any start on data of any mean.

    ``weight`` is ``(d, d)`` or ``(s, d, d)``, ``bias`` ``(d,)`` or ``(s, d)``.

    >>> twin = OneLayerTwin.aligned([1.0, 0.1], np.eye(2), initial_gain=0.3)
    >>> twin(torch.ones(1, 2), 0.1)
    tensor([[0.3000, 0.3000]], grad_fn=<ViewBackward0>)
    """

    law: ClassVar[str] = "one-layer"
    reference: ClassVar[str] = "wang2025, Prop. 4.2, Prop. D.2"


@final
class ResidualOneLayerTwin(DenseDenoiserTwin):
    """``D(x) = (skip I + output W') x + b``: twin of `ResidualOneLayer`.

    ``weight`` is the start of ``W'``, ``(d, d)`` or ``(s, d, d)``; ``skip`` and ``output`` are fixed numbers.

    >>> twin = ResidualOneLayerTwin.aligned([1.0], np.eye(2), skip=0.5, output=2.0, initial_weight=0.1)
    >>> twin.matrix()[0].diag().tolist()
    [0.7, 0.7]
    """

    law: ClassVar[str] = "residual"
    reference: ClassVar[str] = "wang2025, App. D.1.2; learning dynamics (2.3)"

    def __init__(
        self,
        sigmas: Any,
        weight: Any,
        bias: Any = None,
        *,
        skip: float = 1.0,
        output: float = 1.0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        start = square("weight", weight)
        super().__init__(sigmas, start.shape[-1], [start], bias, dtype)
        checks.finite("skip", skip)
        checks.finite("output", output)
        self.skip, self.output = float(skip), float(output)

    @classmethod
    def aligned(
        cls,
        sigmas: Any,
        eigenvectors: Any,
        *,
        skip: float = 1.0,
        output: float = 1.0,
        initial_weight: Any = 0.0,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """``W'`` starts with ``initial_weight`` along each of ``eigenvectors (d, d)``, scalar or ``(d,)``."""
        start = along(eigenvectors, initial_weight)
        return cls(sigmas, start, skip=skip, output=output, dtype=dtype)

    @classmethod
    def random(
        cls,
        sigmas: Any,
        dim: int,
        generator: torch.Generator,
        *,
        skip: float = 1.0,
        output: float = 1.0,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """``W'`` and biases normal with standard deviation ``scale``, the same at every level."""
        weight, bias = draw((dim, dim), scale, generator), draw((dim,), scale, generator)
        return cls(sigmas, weight, bias, skip=skip, output=output, dtype=dtype)

    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        identity = torch.eye(self.dim, dtype=layers[0].dtype, device=layers[0].device)
        return self.skip * identity + self.output * layers[0]
