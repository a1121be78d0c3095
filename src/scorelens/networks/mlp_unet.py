"""MLP-UNet: an encoder and decoder of residual blocks on flattened events."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorelens.core import checks
from scorelens.networks.embedding import FourierEmbedding


@final
class ResidualBlock(nn.Module):
    """``shortcut(x) + second(silu(norm(first(silu(norm(x)))) * (1 + scale) + shift))``.

    ``scale`` and ``shift`` are linear in the noise embedding. ``x``: ``(batch, n_in)``, ``embedding``:
    ``(batch, n_embedding)``, result ``(batch, n_out)``.
    """

    def __init__(self, n_in: int, n_out: int, n_embedding: int, zero_second_layer: bool) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(n_in)
        self.first = nn.Linear(n_in, n_out)
        self.scale_and_shift = nn.Linear(n_embedding, 2 * n_out)
        self.norm_hidden = nn.LayerNorm(n_out)
        self.second = nn.Linear(n_out, n_out)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Linear(n_in, n_out)
        if zero_second_layer:
            _zero(self.second)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.norm_hidden(self.first(functional.silu(self.norm_in(x))))
        scale, shift = self.scale_and_shift(embedding).chunk(2, dim=-1)
        hidden = functional.silu(torch.addcmul(shift, hidden, scale + 1))
        return self.shortcut(x) + self.second(hidden)


@final
class MLPUNet(nn.Module):
    """Bare network ``F(y, sigma)`` for events of any shape, which it flattens (after Wang & Pehlevan 2025).

    ``depth`` residual blocks encode, ``depth`` blocks decode, each decoder block sees the output of its
    encoder block beside its input; all have ``width`` features. There is no normalisation between input and
    output of the residual stream, so amplitudes pass. ``zero_second_layers`` starts every block at its
    shortcut, ``zero_output`` starts ``F = 0``: the denoiser is its preconditioner's skip.

    Raises ``ValueError`` for sizes below one or an odd ``embedding``.

    >>> network = MLPUNet((1, 4, 4), width=8, depth=2, embedding=4)
    >>> network(torch.ones(2, 1, 4, 4), torch.ones(2)).shape
    torch.Size([2, 1, 4, 4])
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        *,
        width: int = 256,
        depth: int = 3,
        embedding: int = 64,
        zero_second_layers: bool = True,
        zero_output: bool = True,
    ) -> None:
        super().__init__()
        checks.at_least("width", width, 1)
        checks.at_least("depth", depth, 1)
        dim = math.prod(event_shape)
        self.event_shape = tuple(event_shape)
        self.settings = {
            "event_shape": self.event_shape,
            "width": width,
            "depth": depth,
            "embedding": embedding,
            "zero_second_layers": zero_second_layers,
            "zero_output": zero_output,
        }
        self.embedding = nn.Sequential(
            FourierEmbedding(embedding), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.entry = nn.Linear(dim, width)
        self.encoder = nn.ModuleList(
            ResidualBlock(width, width, embedding, zero_second_layers) for _ in range(depth)
        )
        self.decoder = nn.ModuleList(
            ResidualBlock(2 * width, width, embedding, zero_second_layers) for _ in range(depth)
        )
        self.exit = nn.Linear(width, dim)
        if zero_output:
            _zero(self.exit)

    def forward(self, y: Tensor, sigma: Tensor) -> Tensor:
        """``y``: ``(batch, *event)``, ``sigma``: ``(batch,)`` or ``(1,)``; the result is shaped as ``y``."""
        embedding = self.embedding(sigma)
        hidden = self.entry(y.flatten(1))
        skips = []
        for block in self.encoder:
            hidden = block(hidden, embedding)
            skips.append(hidden)
        for block in self.decoder:
            hidden = block(torch.cat([hidden, skips.pop()], dim=-1), embedding)
        return self.exit(hidden).view_as(y)


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
