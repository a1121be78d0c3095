"""Twins of many linear layers: independent or tied, bare or each beside a skip connection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.networks.twins.dense import DenseDenoiserTwin
from scorelens.networks.twins.one_layer import square
from scorelens.networks.twins.start import along, draw, orthonormal, per_mode


def _stack(layers: Sequence[Any], depth: int, tied: bool) -> list[np.ndarray]:
    """The layers that are parameters; ``ValueError`` unless they are one (tied) or ``depth`` of one size."""
    checks.at_least("depth", depth, 1)
    expected = 1 if tied else depth
    if len(layers) != expected:
        kind = "one tied layer" if tied else f"{depth} layers"
        raise ValueError(f"layers must hold {kind}, got {len(layers)}")
    starts = [square("a layer", layer) for layer in layers]
    if len({start.shape[-1] for start in starts}) > 1:
        raise ValueError(f"layers must have one size, got {[start.shape for start in starts]}")
    return starts


def _product(layers: Sequence[Tensor], depth: int) -> Tensor:
    """First layer times second times ...; one layer stands for ``depth`` tied ones."""
    return torch.linalg.matrix_power(layers[0], depth) if len(layers) == 1 else reduce(torch.matmul, layers)


class _DeepTwin(DenseDenoiserTwin):
    """``depth`` square layers, or one that is ``tied`` and used ``depth`` times."""

    def __init__(
        self,
        sigmas: Any,
        layers: Sequence[Any],
        bias: Any = None,
        *,
        depth: int,
        tied: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        starts = _stack(layers, depth, tied)
        super().__init__(sigmas, starts[0].shape[-1], starts, bias, dtype)
        self.depth, self.tied = depth, tied

    @classmethod
    def random(
        cls,
        sigmas: Any,
        dim: int,
        generator: torch.Generator,
        *,
        depth: int = 3,
        tied: bool = False,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Entries of all of ``layers`` normal with standard deviation ``scale``, the same at every level."""
        layers = [draw((dim, dim), scale, generator) for _ in range(1 if tied else depth)]
        return cls(sigmas, layers, depth=depth, tied=tied, dtype=dtype)


@final
class DeepLinearTwin(_DeepTwin):
    """``D(x) = A_1 A_2 ... A_depth x + b``, or ``A^depth x + b`` with one ``tied`` layer: twin of
    `DeepLinear`.

    ``layers`` are their starts, ``depth`` of them or one if tied, each ``(d, d)`` or ``(s, d, d)``.

    >>> twin = DeepLinearTwin.aligned([1.0], np.eye(2), depth=3, initial_gain=0.125)
    >>> len(twin.layers), twin.layers[0].diagonal(dim1=-2, dim2=-1).tolist()
    (3, [[0.5, 0.5]])
    """

    law: ClassVar[str] = "deep"
    reference: ClassVar[str] = "wang2025, App. F.3; learning dynamics (9.1)"

    @classmethod
    def aligned(
        cls,
        sigmas: Any,
        eigenvectors: Any,
        *,
        depth: int = 3,
        initial_gain: Any = 0.1,
        tied: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Equal layers whose product is ``initial_gain`` along each eigenvector, a scalar or ``(d,)``.

        Of a negative gain the first of independent layers has the sign. Raises ``ValueError`` for a negative
        one of an even number of tied layers.
        """
        checks.at_least("depth", depth, 1)
        gains = per_mode("initial_gain", initial_gain, len(orthonormal(eigenvectors)))
        if tied and depth % 2 == 0:
            remedy = "an even number of tied layers has no negative gain; use tied=False"
            checks.non_negative("initial_gain", gains.numpy(), remedy)
        size = gains.abs() ** (1.0 / depth)
        values = [size * gains.sign(), *([] if tied else [size] * (depth - 1))]
        layers = [along(eigenvectors, value) for value in values]
        return cls(sigmas, layers, depth=depth, tied=tied, dtype=dtype)

    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        return _product(layers, self.depth)


@final
class DeepResidualTwin(_DeepTwin):
    """``D(x) = (I + A_1) (I + A_2) ... (I + A_depth) x + b``, or ``(I + A)^depth x + b`` with one ``tied``
    layer: twin of `DeepResidual`.

    ``layers`` are the starts of the ``A``, ``depth`` of them or one if tied, each ``(d, d)`` or
    ``(s, d, d)``.

    >>> DeepResidualTwin.aligned([1.0], np.eye(1), depth=2, initial_layer=-0.5).matrix().item()
    0.25
    """

    law: ClassVar[str] = "deep-residual"
    reference: ClassVar[str] = "wang2025, App. F.3.1; learning dynamics, section 9.1"

    @classmethod
    def aligned(
        cls,
        sigmas: Any,
        eigenvectors: Any,
        *,
        depth: int = 3,
        initial_layer: Any = 0.0,
        tied: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Every ``A`` starts with ``initial_layer`` along each eigenvector, a scalar or ``(d,)``."""
        checks.at_least("depth", depth, 1)
        layers = [along(eigenvectors, initial_layer)] * (1 if tied else depth)
        return cls(sigmas, layers, depth=depth, tied=tied, dtype=dtype)

    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        identity = torch.eye(self.dim, dtype=layers[0].dtype, device=layers[0].device)
        return _product([identity + layer for layer in layers], self.depth)
