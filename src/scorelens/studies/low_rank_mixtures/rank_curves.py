"""Effective ranks of a network's Jacobian over noise levels, beside those of the optimal denoiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from scorelens.core.denoiser import Denoiser
from scorelens.estimators.mixtures import MixtureDenoiser
from scorelens.geometry.ranks import EffectiveRanks, effective_ranks
from scorelens.studies.low_rank_mixtures.networks import jacobians


class LevelRanks(NamedTuple):
    """``learned`` and ``exact (sigma, kind)``: [P20], means over points; ``distance (sigma)`` relative.

    ``distance`` is the root mean square of ``|J - J*|_F`` over points, over that of ``|J*|_F``.
    """

    learned: np.ndarray
    exact: np.ndarray
    distance: np.ndarray

    @staticmethod
    def kinds() -> tuple[str, ...]:
        """Effective ranks, in the order in which they are held."""
        return EffectiveRanks._fields


def rank_curve(
    learned: Denoiser,
    exact: MixtureDenoiser,
    clean: np.ndarray,
    noise: np.ndarray,
    sigmas: Sequence[float],
) -> LevelRanks:
    """Of both denoisers at ``clean + sigma noise``, both ``(..., ambient)``, for each of ``sigmas``."""
    rows = []
    for sigma in sigmas:
        noisy = (clean + sigma * noise).reshape(-1, clean.shape[-1])
        found = jacobians(learned, noisy, sigma)
        best = exact.jacobian(torch.as_tensor(noisy), sigma)
        distance = (found - best).square().sum().sqrt() / best.square().sum().sqrt()
        rows.append((mean_ranks(found), mean_ranks(best), float(distance)))
    return LevelRanks(*(np.array(part) for part in zip(*rows, strict=True)))


def mean_ranks(matrices: torch.Tensor) -> np.ndarray:
    """Effective ranks [P20] of ``matrices (m, d, d)``, mean over them, ``(4,)``: see `LevelRanks.kinds`."""
    singular = torch.linalg.svdvals(matrices).numpy()
    return np.array([values.mean() for values in effective_ranks(singular)])
