"""What twins of dense layers share: the layers, a bias, and how a denoiser or a velocity is read off them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from scorelens.networks.twins.base import Affine, Twin
from scorelens.networks.twins.start import per_level


class DenseTwin(Twin):
    """Layers ``(s, rows, columns)`` that compose to one matrix per level, and a bias ``(s, d)``.

    A start of a layer is one matrix for all levels or ``(s, rows, columns)``; the bias starts at 0 unless
    given. Raises ``ValueError`` for shapes that do not fit.
    """

    def __init__(self, sigmas: Any, dim: int, layers: Sequence[Any], bias: Any, dtype: torch.dtype) -> None:
        super().__init__(sigmas, dim)
        self.layers = nn.ParameterList(
            per_level("a layer", layer, tuple(layer.shape[-2:]), self.n_levels, dtype) for layer in layers
        )
        start = torch.zeros(dim) if bias is None else bias
        self.offset = per_level("bias", start, (dim,), self.n_levels, dtype)

    @abstractmethod
    def compose(self, layers: Sequence[Tensor]) -> Tensor:
        """Matrices ``(..., d, d)`` of the trained map, from the layers ``(..., rows, columns)``."""

    def trained_map(self) -> Affine:
        return Affine(self.compose(list(self.layers)), self.offset)

    def trained_map_at(self, level: int) -> Affine:
        """`trained_map` at one level: ``(d, d)`` and ``(d,)``."""
        return Affine(self.compose([layer[level] for layer in self.layers]), self.offset[level])


class DenseDenoiserTwin(DenseTwin):
    """The layers are the denoiser itself, trained by the denoising loss."""

    loss: ClassVar[str] = "denoising"

    def matrix(self) -> Tensor:
        return self.trained_map().weight

    def bias(self) -> Tensor:
        return self.offset

    def denoise(self, x: Tensor, level: int) -> Tensor:
        weight, bias = self.trained_map_at(level)
        return x @ weight.mT.to(x.dtype) + bias.to(x.dtype)
