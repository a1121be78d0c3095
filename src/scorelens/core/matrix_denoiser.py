"""The affine denoiser: one matrix and one bias per noise level. The Denoisers of laws of whole matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import per_sample

AtLevel = Callable[[float], np.ndarray]


@final
class MatrixDenoiser(torch.nn.Module):
    """``D(x) = W(sigma) x + b(sigma)`` on data flattened row-major.

    ``weight`` maps a noise level to ``W (d, d)`` and ``bias`` to ``b (d,)``, both in float64, with ``d =
    prod(event_shape)``; each distinct level of a call is asked for once. Without ``bias`` it is zero. The
    result has the dtype of ``x`` and is differentiable in ``x`` (not in ``sigma``). Raises ``ValueError`` for
    another shape of ``x``, of the weight or of the bias, and for ``sigma`` that is not positive.

    >>> swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> denoiser = MatrixDenoiser(lambda sigma: swap / sigma, lambda sigma: np.ones(2), (2,))
    >>> denoiser(torch.tensor([[2.0, 6.0]]), 2.0)
    tensor([[4., 2.]])
    """

    def __init__(self, weight: AtLevel, bias: AtLevel | None, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self._weight, self._bias = weight, bias

    @property
    def dim(self) -> int:
        """Number ``d`` of coordinates of one datum."""
        return int(np.prod(self.event_shape))

    def weight(self, sigma: float) -> np.ndarray:
        """``W`` at one noise level, ``(d, d)``."""
        checks.positive("sigma", sigma, "a denoiser is defined at positive noise only")
        return self._shaped("weight", self._weight(float(sigma)), (self.dim, self.dim))

    def bias(self, sigma: float) -> np.ndarray:
        """``b`` at one noise level, ``(d,)``."""
        checks.positive("sigma", sigma, "a denoiser is defined at positive noise only")
        made = np.zeros(self.dim) if self._bias is None else self._bias(float(sigma))
        return self._shaped("bias", made, (self.dim,))

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Denoised ``x``, same shape ``(batch, *event_shape)``."""
        checks.events("x", x.shape, self.event_shape)
        per_sample(sigma, x)  # refuse a wrong shape
        levels = torch.as_tensor(sigma, dtype=torch.float64).detach().cpu().expand(len(x))
        flat = x.flatten(1)
        distinct, group = levels.unique(return_inverse=True)
        if len(distinct) == 1:
            return self._at(flat, float(distinct[0])).reshape(x.shape)
        made = torch.empty_like(flat)
        for index, level in enumerate(distinct.tolist()):
            rows = (group == index).to(x.device)
            made[rows] = self._at(flat[rows], level)
        return made.reshape(x.shape)

    def _at(self, flat: Tensor, sigma: float) -> Tensor:
        weight = torch.as_tensor(self.weight(sigma), dtype=flat.dtype, device=flat.device)
        return flat @ weight.T + torch.as_tensor(self.bias(sigma), dtype=flat.dtype, device=flat.device)

    @staticmethod
    def _shaped(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        array = np.asarray(value, dtype=float)
        if array.shape != shape:
            raise ValueError(f"{name} must return shape {shape}, got {array.shape}")
        return array
