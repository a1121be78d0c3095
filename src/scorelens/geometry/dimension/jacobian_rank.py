"""Effective rank of the denoiser's Jacobian: how many directions it keeps at a noise level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.dimension.base import AtLevel, DimensionEstimator
from scorelens.geometry.ranks import ETA, EffectiveRanks, effective_ranks


@final
@dataclass(frozen=True)
class JacobianRank(DimensionEstimator):
    """The effective ``rank`` ([P20]) of ``J_D`` at ``x + sigma n``, averaged over ``n_draws`` of ``n``.

    At small noise an optimal denoiser projects onto the tangent space: singular values 1 along it, 0 across.
    ``rank`` is a field of `ranks.EffectiveRanks`: ``"participation"``, ``"entropy"``, ``"trace"`` or
    ``"energy"`` (which keeps the share ``eta`` of the norm, and so counts 2% fewer directions if all are
    alike). The whole Jacobian is formed: as many products as dimensions. The standard error is over draws;
    ``at_clean`` takes the point itself, without noise, instead.

    >>> line = lambda x, sigma: x * torch.tensor([1.0, 0.0, 0.0])
    >>> JacobianRank().at(line, torch.zeros(1, 3), 0.1).value
    array([1.])
    """

    rank: str = "participation"
    n_draws: int = 4
    at_clean: bool = False
    eta: float = ETA
    seed: int = 0
    name: ClassVar[str] = "jacobian-rank"
    reference: ClassVar[str] = "geometry, [P20]; wang2024molrg"
    equation: ClassVar[str] = "(sum s)^2 / sum s^2 of the singular values s of J_D(x + sigma n)"
    assumes: ClassVar[str] = "singular values of two kinds only: near 1 along the data, near 0 across"

    def __post_init__(self) -> None:
        checks.choice("rank", self.rank, EffectiveRanks._fields)
        checks.whole("n_draws", self.n_draws, 1)

    def measured(self, denoiser: Denoiser, x: Tensor, sigma: float) -> AtLevel:
        draws = generator(self.seed, "jacobian rank")
        count, level = (1, 0.0) if self.at_clean else (self.n_draws, sigma)
        found, jacobian = np.empty((count, len(x))), None
        for draw in range(count):
            noise = torch.randn(x.shape, generator=draws, dtype=torch.float64)
            noisy = (x.detach().to("cpu", torch.float64) + level * noise).to(x)
            jacobian = (
                JacobianAt(denoiser, noisy, sigma) if jacobian is None else jacobian.moved(noisy, sigma)
            )
            singular = torch.linalg.svdvals(jacobian.full().double())
            ranks = effective_ranks(singular.cpu().numpy(), self.eta)
            found[draw] = getattr(ranks, self.rank)
        if self.at_clean:
            return AtLevel(found[0], np.zeros(len(x)))
        error = found.std(0, ddof=1) / math.sqrt(count) if count > 1 else np.full(len(x), math.nan)
        return AtLevel(found.mean(0), error)
