"""The denoising loss: a noise-level law times a weighting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.core.noise_level import NoiseLevelLaw
from scorelens.objectives.weightings import Weighting


@final
@dataclass(frozen=True)
class DenoisingLoss:
    """Denoising score matching with preconditioned weights (Karras et al. 2022, Eq. 8).

    A pure function of the denoiser, the data and standard normal draws: it holds no randomness of its own.

    >>> from scorelens.core.noise_level import LogNormal
    >>> from scorelens.objectives import Pixel
    >>> loss = DenoisingLoss(LogNormal(0.0, 1.0), Pixel(1.0))
    >>> perfect = lambda x, sigma: torch.zeros_like(x)
    >>> loss(perfect, torch.zeros(2, 3), torch.zeros(2), torch.ones(2, 3))
    tensor([0., 0.])
    """

    noise_law: NoiseLevelLaw
    weighting: Weighting

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Tensor,
        level_draw: Tensor,
        noise_draw: Tensor,
        projection_draw: Tensor | None = None,
    ) -> Tensor:
        """Loss per sample, shape ``(batch,)``.

        ``x0``: clean data, ``(batch, *event)``; ``level_draw``: standard normals that choose sigma,
        ``(batch,)``; ``noise_draw``: standard normals, ``(batch, *event)``. There are no directions to draw.
        """
        sigma = self.noise_law.log_sigma(level_draw).exp()
        x = torch.addcmul(x0, sigma.view(-1, *[1] * (x0.ndim - 1)), noise_draw)
        return self.weighting(denoiser(x, sigma) - x0, sigma)
