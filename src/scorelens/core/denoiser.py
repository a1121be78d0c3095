"""The one narrow waist: what every sampler and every instrument takes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Denoiser(Protocol):
    """``denoiser(x, sigma) -> x0_hat``, an estimate of ``E[x_0 | x_0 + sigma n = x]``.

    ``x`` has shape ``(batch, *event)``, ``sigma`` shape ``(batch,)`` or is a scalar > 0; the result has the
    shape of ``x``. Always in the variance-exploding convention (data units; sigma is a standard deviation).
    """

    def __call__(self, x: Tensor, sigma: Tensor | float, /) -> Tensor: ...


def per_sample(sigma: Tensor | float, x: Tensor) -> Tensor:
    """``sigma`` as a tensor of shape ``(batch,)`` with the dtype and device of ``x``.

    >>> per_sample(0.5, torch.zeros(2, 3))
    tensor([0.5000, 0.5000])
    """
    level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if level.ndim > 1 or (level.ndim == 1 and level.shape[0] != x.shape[0]):
        raise ValueError(f"sigma must be a scalar or have shape ({x.shape[0]},), got {tuple(level.shape)}")
    return level.expand(x.shape[0])
