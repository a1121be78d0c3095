"""Flow matching: the velocity of straight lines between data and noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core.arrays import against
from scorelens.core.denoiser import Denoiser
from scorelens.core.noise_level import FlowTime, NoiseLevelLaw


@final
@dataclass(frozen=True)
class FlowMatchingLoss:
    """Mean square of ``u(x_t) - (n - x_0)`` on ``x_t = (1 - t) x_0 + t n``, where time is drawn by
    ``noise_law``.

    The velocity of a denoiser is ``u = (x_t - D(x_t / (1 - t), sigma)) / t`` with ``sigma = t / (1 - t)``.
    Times uniform on (0, 1) unless a law of sigma is given; `LogNormal` is the logit-normal law of t. It is
    the denoising loss with the weight ``1 / t^2`` (`Velocity`).

    >>> loss = FlowMatchingLoss()
    >>> perfect = lambda x, sigma: torch.zeros_like(x)
    >>> loss(perfect, torch.zeros(2, 3), torch.zeros(2), torch.ones(2, 3))
    tensor([0., 0.])
    """

    noise_law: NoiseLevelLaw = field(default_factory=FlowTime)
    name: ClassVar[str] = "flow-matching"
    reference: ClassVar[str] = "lipman2023, Eq. 23 at sigma_min = 0; liu2023, Eq. 1"
    equation: ClassVar[str] = "learning dynamics, section 11"

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Tensor,
        level_draw: Tensor,
        noise_draw: Tensor,
        projection_draw: Tensor | None = None,
    ) -> Tensor:
        """Loss per sample, shape ``(batch,)``, of draws as `DenoisingLoss` takes them."""
        log_sigma = self.noise_law.log_sigma(level_draw)
        sigma = log_sigma.exp()
        time, left = against(torch.sigmoid(log_sigma), x0), against(torch.sigmoid(-log_sigma), x0)
        x_t = left * x0 + time * noise_draw
        velocity = (x_t - denoiser(x_t / left, sigma)) / time
        return (velocity - (noise_draw - x0)).flatten(1).square().mean(1)
