"""A bare network and a preconditioner: together a denoiser."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from scorelens.core.denoiser import per_sample
from scorelens.networks.preconditioners import Preconditioner


@final
class PreconditionedDenoiser(nn.Module):
    """``denoiser(x, sigma)`` by any network ``F(y, sigma)`` and any preconditioner.

    >>> from scorelens.networks import EDM, MLPUNet
    >>> denoiser = PreconditionedDenoiser(MLPUNet((2,), width=4), EDM(torch.zeros(2), torch.tensor(1.0)))
    >>> denoiser(torch.ones(3, 2), 1.0)[0].tolist()
    [0.5, 0.5]

    Raises ``ValueError`` for a sigma <= 0 outside of training.
    """

    def __init__(self, network: nn.Module, preconditioner: Preconditioner) -> None:
        super().__init__()
        self.network = network
        self.preconditioner = preconditioner

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """``x``: ``(batch, *event)``; ``sigma``: ``(batch,)`` or a scalar, in data units, > 0."""
        level = per_sample(sigma, x)
        # In training sigma is exp(.) and a check would stall the accelerator.
        if not self.training and not bool(torch.all(level > 0)):
            raise ValueError(f"sigma must be > 0, got {float(level.min()):g}; for clean data use sigma_min")
        if level.stride() == (0,):  # one level for the whole batch: embed it once
            level = level[:1]
        return self.preconditioner.denoise(self.network, x, level)
