"""A mixture of low-rank Gaussians (MoLRG): EM over affine or linear subspaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import Estimator, samples
from scorelens.estimators.mixtures.mixture_denoiser import MixtureDenoiser
from scorelens.estimators.mixtures.subspace_start import MOST, spectral_partition

_WARMEST, _COOLEST = 0.1, 1e-4
"""First and last noise level of the annealing, relative to the scale of the data."""


@final
@dataclass(frozen=True)
class LowRankMixture(Estimator):
    """Events on subspaces of dimensions ``ranks`` around means, Gaussian in each: found by annealed EM.

    The E-step is the exact posterior of the events at a noise level that falls from the data's own scale to
    nearly zero; the M-step takes leading eigenpairs per component. ``affine=False`` fixes all means to zero.
    The first start is a spectral clustering, the other ``restarts - 1`` are random (``seed``); the best by
    likelihood at the last level is kept.
    Given parameters instead of data: `MixtureDenoiser.of_subspaces`. A subspace is determined only by at
    least ``rank`` events on it (``rank + 1`` if affine), and told from others only by more than that.

    Raises ``ValueError`` for ranks below 1 or above ``d``, and for fewer events than all ranks together.

    >>> data = np.array([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -2.0], [0.0, 5.0]])
    >>> fitted = LowRankMixture(ranks=(1, 1), affine=False).fit(data)
    >>> fitted.bases.abs().sum(0).round(decimals=6).ravel()
    tensor([1., 1.], dtype=torch.float64)
    """

    ranks: tuple[int, ...] = (1, 1)
    affine: bool = True
    restarts: int = 4
    n_levels: int = 20
    seed: int = 0
    name: ClassVar[str] = "molrg"
    reference: ClassVar[str] = "wang2024molrg; tipping1999mixtures"
    equation: ClassVar[str] = "x_0 ~ sum_k pi_k N(m_k, U_k diag(lambda_k) U_k^T)"
    fitted: ClassVar[type[MixtureDenoiser]] = MixtureDenoiser

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", tuple(int(rank) for rank in self.ranks))
        checks.at_least("the number of ranks", len(self.ranks), 1, "give one rank per component")
        checks.at_least("the smallest rank", min(self.ranks), 1)
        checks.at_least("restarts", self.restarts, 1)
        checks.at_least("n_levels", self.n_levels, 2)

    def fit(self, x: np.ndarray | Tensor) -> MixtureDenoiser:
        data, shape = samples(x, least=max(2, sum(self.ranks)))
        data = data.double().cpu()
        if max(self.ranks) > data.shape[1]:
            raise ValueError(f"ranks must be at most the dimension {data.shape[1]}, got {self.ranks}")
        scale = float(
            data.var(0, correction=0).sum().sqrt() if self.affine else data.square().sum(1).mean().sqrt()
        )
        checks.positive("the data's scale", scale, "all events are the same; a subspace needs spread")
        generator = torch.Generator().manual_seed(self.seed)
        starts = [self._spectral(data), *(self._random(data, generator) for _ in range(self.restarts - 1))]
        found = [self._annealed(data, start, scale) for start in starts]
        # At the coolest level only the distance to the nearest subspace counts.
        best = max(found, key=lambda fit: float(fit.log_prob(data, _COOLEST * scale).mean()))
        return MixtureDenoiser(shape, **dict(best.named_buffers()))

    def _annealed(self, data: Tensor, share: Tensor, scale: float) -> MixtureDenoiser:
        fit = self._maximized(data, share)
        for level in np.geomspace(_WARMEST, _COOLEST, self.n_levels):
            for _ in range(2):
                fit = self._maximized(data, fit.responsibilities(data, level * scale))
        return fit

    def _spectral(self, data: Tensor) -> Tensor:
        """Shares ``(n, k)`` of a spectral clustering; beyond its size limit, of some of the events only."""
        share = torch.full((len(data), len(self.ranks)), 1.0 / len(self.ranks), dtype=torch.float64)
        chosen = np.random.default_rng(self.seed).permutation(len(data))[:MOST]
        component = spectral_partition(data.numpy()[chosen], self.ranks, self.affine, self.seed)
        # The others keep a share that is small beside that of the clustered ones.
        share *= 1e-3
        share[chosen] = torch.nn.functional.one_hot(torch.tensor(component), len(self.ranks)).double()
        return share

    def _random(self, data: Tensor, generator: torch.Generator) -> Tensor:
        """Shares ``(n, k)``: for each component a random event and those closest in direction to it."""
        share = torch.full((len(data), len(self.ranks)), 1e-3, dtype=torch.float64)
        seeds = torch.randperm(len(data), generator=generator)[: len(self.ranks)]
        for component, (seed, rank) in enumerate(zip(seeds.tolist(), self.ranks, strict=True)):
            share[self._nearness(data, seed).topk(min(rank + 1, len(data))).indices, component] = 1.0
        return share / share.sum(1, keepdim=True)

    def _nearness(self, data: Tensor, seed: int) -> Tensor:
        if self.affine:
            return -(data - data[seed]).norm(dim=1)
        return (data @ data[seed]).abs() / data.norm(dim=1).clamp(min=1e-300)

    def _maximized(self, data: Tensor, share: Tensor) -> MixtureDenoiser:
        """M-step: weights, means and leading eigenpairs for shares ``(n, k)``."""
        parts = [self._component(data, share[:, k], rank) for k, rank in enumerate(self.ranks)]
        means, bases, variances = zip(*parts, strict=True)
        weights = share.mean(0).clamp(min=1e-12)
        return MixtureDenoiser.of_subspaces(weights, bases, variances, torch.stack(means))

    def _component(self, data: Tensor, share: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        total = share.sum().clamp(min=1e-12)
        mean = share @ data / total if self.affine else torch.zeros_like(data[0])
        spread = (share / total).sqrt()[:, None] * (data - mean)
        if len(data) < data.shape[1]:
            _, size, directions = torch.linalg.svd(spread, full_matrices=False)
            return mean, directions[:rank].T, size[:rank] ** 2
        variances, basis = torch.linalg.eigh(spread.T @ spread)
        return mean, basis[:, -rank:].flip(1), variances[-rank:].flip(0).clamp(min=0.0)
