"""Twin of a zero-padded convolution on a line: a Toeplitz matrix."""

from __future__ import annotations

from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from scorelens.networks.twins.base import Affine, Twin
from scorelens.networks.twins.start import draw, per_level


@final
class ToeplitzConvolutionTwin(Twin):
    """``D(x)_i = sum_k w_k x_{i+k}`` with zeros beyond the ends of the line: twin of `ToeplitzConvolution`.

    ``offsets (K,)`` are whole numbers between ``1 - dim`` and ``dim - 1``, each once; ``initial_filter`` is
    ``(K,)`` in their order, or ``(s, K)``; zero unless given. Raises ``ValueError`` for any other.

    >>> ToeplitzConvolutionTwin([1.0], 3, [0, 1], [1.0, 0.5]).matrix()[0].tolist()
    [[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]]
    """

    law: ClassVar[str] = "toeplitz-convolution"
    loss: ClassVar[str] = "denoising"
    reference: ClassVar[str] = "wang2025, App. G.4.1"
    offsets: Tensor

    def __init__(
        self,
        sigmas: Any,
        dim: int,
        offsets: Any,
        initial_filter: Any = None,
        *,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(sigmas, dim)
        places = _on_line(offsets, dim)
        start = np.zeros(len(places)) if initial_filter is None else initial_filter
        self.taps = per_level("initial_filter", start, (len(places),), self.n_levels, dtype)
        self.register_buffer("offsets", torch.from_numpy(places))

    @classmethod
    def random(
        cls,
        sigmas: Any,
        dim: int,
        offsets: Any,
        generator: torch.Generator,
        *,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Taps normal with standard deviation ``scale``, the same at every level."""
        return cls(sigmas, dim, offsets, draw((len(offsets),), scale, generator), dtype=dtype)

    def trained_map(self) -> Affine:
        return Affine(self.matrix(), self.bias())

    def matrix(self) -> Tensor:
        return self._matrix(self.taps)

    def bias(self) -> Tensor:
        return self.taps.new_zeros(self.n_levels, self.dim)

    def denoise(self, x: Tensor, level: int) -> Tensor:
        return x @ self._matrix(self.taps[level]).mT.to(x.dtype)

    def _matrix(self, taps: Tensor) -> Tensor:
        # Diagonals from the lowest, offset 1 - dim, to the highest; W_ij stands on diagonal j - i.
        diagonals = taps.new_zeros(*taps.shape[:-1], 2 * self.dim - 1)
        diagonals[..., self.offsets + self.dim - 1] = taps
        pixel = torch.arange(self.dim, device=taps.device)
        return diagonals[..., pixel[None, :] - pixel[:, None] + self.dim - 1]


def _on_line(offsets: Any, dim: int) -> np.ndarray:
    places = np.asarray(offsets)
    if not np.issubdtype(places.dtype, np.integer):
        raise TypeError(f"offsets must be whole numbers, got {places.dtype}")
    if places.ndim != 1 or (np.abs(places) >= dim).any() or len(np.unique(places)) < len(places):
        raise ValueError(
            f"offsets must be (K,) distinct numbers between {1 - dim} and {dim - 1}, got {places.tolist()}"
        )
    return places.astype(int)
