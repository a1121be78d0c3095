"""Noise embedding: what a network is told about sigma."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from scorelens.core import checks


@final
class FourierEmbedding(nn.Module):
    """Cosines and sines of ``ln(sigma) / 4`` (Karras et al. 2022, Table 1: c_noise) at fixed frequencies.

    ``forward(sigma)`` maps shape ``(batch,)``, entries > 0, to ``(batch, n_features)``. Half as many
    frequencies are spaced evenly in the logarithm from 1/8 to ``highest``; the embedding resolves
    ``ln(sigma)`` to about ``2 / (pi * highest)``.

    Raises ``ValueError`` for an odd or too small ``n_features``.

    >>> FourierEmbedding(4)(torch.tensor([1.0]))
    tensor([[1., 1., 0., 0.]])
    """

    frequencies: Tensor

    def __init__(self, n_features: int, highest: float = 4.0) -> None:
        super().__init__()
        checks.at_least("n_features", n_features, 2)
        if n_features % 2:
            raise ValueError(f"n_features must be even (cosines and sines), got {n_features}")
        ladder = torch.logspace(math.log10(0.125), math.log10(highest), n_features // 2)
        self.register_buffer("frequencies", ladder)

    def forward(self, sigma: Tensor) -> Tensor:
        phase = (math.pi / 2) * sigma.log().unsqueeze(-1) * self.frequencies
        return torch.cat([phase.cos(), phase.sin()], dim=-1)
