"""The one sampling loop: a Denoiser, standard normal noise, a grid of noise levels and a step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.sampling.steps import Step, heun


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: Tensor,
    sigmas: np.ndarray,
    step: Step = heun,
    *,
    denoise_last: bool = False,
) -> Tensor:
    """Samples of what ``denoiser`` generates, same shape as ``noise``, without gradients.

    ``noise`` is standard normal, shape ``(n, *event)``; ``sigmas`` has shape ``(s,)``, positive, descending.
    The sampler starts at ``sigmas[0] * noise`` and ends at ``sigmas[-1]``: samples hold noise of that level.
    With ``denoise_last`` it ends with the denoiser's own answer, an Euler step to zero noise.

    Raises ``ValueError`` for any other grid.

    >>> from scorelens.core.sigma_grid import karras
    >>> sample(lambda x, sigma: 0 * x, torch.ones(1, 2), karras(5, 0.5, 80.0))
    tensor([[0.5000, 0.5000]])
    """
    levels = _grid(sigmas)
    x = levels[0] * noise
    for sigma, sigma_next in pairwise(levels):
        x = step(denoiser, x, sigma, sigma_next)
    return denoiser(x, levels[-1]) if denoise_last else x


def _grid(sigmas: np.ndarray) -> list[float]:
    levels = np.asarray(sigmas, dtype=float)
    if levels.ndim != 1 or len(levels) < 2:
        raise ValueError(f"sigmas must have shape (s,) with s >= 2, got shape {levels.shape}")
    checks.positive("sigmas", levels, "to end without noise use denoise_last=True")
    if not (np.diff(levels) < 0).all():
        raise ValueError(f"sigmas must descend, got {levels[0]:g} ... {levels[-1]:g}; see core.sigma_grid")
    return levels.tolist()
