"""The normal bundle: scores around a point span the directions that lead off the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import batch_rows, device_of, finite, generator, undisturbed
from scorelens.geometry.dimension.base import AtLevel, DimensionEstimator

LEAST_DRAWS: Final = 200
"""Noisy points around each point, however few dimensions there are."""


@final
@dataclass(frozen=True)
class NormalBundle(DimensionEstimator):
    """The ambient dimension less the number of large singular values of scores around a point.

    Points ``x + sigma n_i``, ``i = 1..k``, are drawn back onto the data: for small noise their scores fill
    the normal space evenly and hardly touch the tangent space. The number of large values is where the
    singular values ``s_1 >= ... >= s_d`` fall most, ``argmax s_i - s_(i+1)`` with ``s_(d+1) = 0``. ``k`` is
    ``draws_per_dim`` times the ambient dimension (the paper takes 4), but at least 200: among few draws the
    values of normal directions scatter and have gaps of their own. The points are halved, and half the
    difference of the two answers is the standard error (0 if they agree).

    >>> line = lambda x, sigma: x * torch.tensor([1.0, 0.0, 0.0])
    >>> NormalBundle().at(line, torch.zeros(1, 3), 0.1).value
    array([1.])
    """

    draws_per_dim: int = 4
    seed: int = 0
    name: ClassVar[str] = "normal-bundle"
    reference: ClassVar[str] = "stanczuk2024, Algorithm 1"
    equation: ClassVar[str] = "d - argmax_i (s_i - s_(i+1)) of the scores at x + sigma n_i"
    assumes: ClassVar[str] = "noise far below curvature and the spacing between parts of the data"

    def __post_init__(self) -> None:
        checks.whole("draws_per_dim", self.draws_per_dim, 2, "fewer leave singular values without a gap")

    def measured(self, denoiser: Denoiser, x: Tensor, sigma: float) -> AtLevel:
        count = max(self.draws_per_dim * x[0].numel(), LEAST_DRAWS)
        found = np.empty((len(x), 3))
        with undisturbed(denoiser):
            for point, clean in enumerate(x):
                draws = generator(self.seed, "normal bundle", point)
                scores = _scores(denoiser, clean, sigma, count, draws)
                found[point] = [_dimension(part) for part in (scores, scores[::2], scores[1::2])]
        return AtLevel(found[:, 0], np.abs(found[:, 1] - found[:, 2]) / 2)


def singular_values(denoiser: Denoiser, x: Tensor, sigma: float, n_draws: int, seed: int = 0) -> np.ndarray:
    """Singular values ``(min(n_draws, d),)``, descending, of scores around one point ``x (1, *event)``.

    Of ``n_draws`` scores times ``sigma / sqrt(n_draws)``: normal directions have about 1.

    >>> line = lambda x, sigma: x * torch.tensor([1.0, 0.0, 0.0])
    >>> singular_values(line, torch.zeros(1, 3), 0.1, 1000).round(1)
    array([1., 1., 0.])
    """
    if len(x) != 1:
        raise ValueError(f"x must hold one point, shape (1, *event), got {tuple(x.shape)}")
    with undisturbed(denoiser):
        scores = _scores(denoiser, x[0], sigma, n_draws, generator(seed, "normal bundle", 0))
    return np.linalg.svd(scores, compute_uv=False) / np.sqrt(n_draws)


def _scores(
    denoiser: Denoiser, clean: Tensor, sigma: float, count: int, draws: torch.Generator
) -> np.ndarray:
    """``sigma`` times the score at ``count`` points around ``clean (*event)``: float64 ``(count, d)``."""
    device, rows, made = device_of(denoiser), batch_rows(tuple(clean.shape)), []
    for start in range(0, count, rows):
        shape = (min(rows, count - start), *clean.shape)
        noise = torch.randn(shape, generator=draws, dtype=torch.float64)
        noisy = (clean.to("cpu", torch.float64) + sigma * noise).to(device, clean.dtype)
        pulled = finite(denoiser(noisy, _levels(sigma, noisy)), "the denoiser's output") - noisy
        made.append((pulled.double() / sigma).flatten(1).cpu().numpy())
    return np.concatenate(made)


def _levels(sigma: float, x: Tensor) -> Tensor:
    return torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)


def _dimension(scores: np.ndarray) -> float:
    gram = scores.T @ scores
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
    return float(len(gram) - 1 - np.argmax(-np.diff(values, append=0.0)))
