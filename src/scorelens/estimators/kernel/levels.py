"""A denoiser from any kernel score estimator: one estimate per noise level, on samples noised to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import Estimator, FittedDenoiser, samples
from scorelens.estimators.kernel.estimator import KernelScoreEstimator
from scorelens.estimators.kernel.score import KernelScore
from scorelens.estimators.kernel.tikhonov import TikhonovScore
from scorelens.estimators.levels import LevelDenoiser, ascending, data_moments


@final
class KernelLevelsDenoiser(LevelDenoiser):
    """Kernel scores at ``L`` noise levels, interpolated and continued as every `LevelDenoiser`.

    Its own buffers: ``bandwidths (L,)``, ``drift_weights (L,)``, ``shifts (L, d)``, ``centers`` and
    ``coefficients (L, m, d)`` (of `KernelScore`); where the method decomposed the kernel's operator, its
    eigenvalues ``normal_spectra (L, m)``, descending, and how many of them were used, ``ranks (L,)``. Fact:
    ``kernel``, the kernel's name.

    >>> x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    >>> denoiser = KernelLevels(sigmas=(0.5, 1.0)).fit(x)
    >>> len(denoiser.bandwidths), denoiser.shifts.shape
    (2, torch.Size([2, 2]))
    """

    name: ClassVar[str] = "kernel"
    bandwidths: Tensor
    drift_weights: Tensor
    shifts: Tensor
    centers: Tensor
    coefficients: Tensor
    normal_spectra: Tensor
    ranks: Tensor

    def __init__(self, event_shape: tuple[int, ...], kernel: str, **buffers: Tensor) -> None:
        super().__init__(event_shape, buffers, {"kernel": kernel})

    def level(self, index: int) -> KernelScore:
        """The score estimated at noise level ``sigmas[index]``, on flat events."""
        centers = self.centers[index]
        return KernelScore(
            self.facts["kernel"],
            self.bandwidths[index],
            self.shifts[index],
            centers,
            centers,
            self.coefficients[index],
            self.drift_weights[index],
        )

    def predicted_noise(self, points: Tensor, sigma: Tensor, weights: Tensor) -> Tensor:
        predicted = torch.zeros_like(points)
        for index, weight in enumerate(weights.T):
            rows = weight.nonzero()[:, 0]
            if len(rows):
                noise = -self.sigmas[index] * self.level(index)(points[rows])
                predicted = predicted.index_add(0, rows, weight[rows, None] * noise)
        return predicted


@final
@dataclass(frozen=True, kw_only=True)
class KernelLevels(Estimator):
    """Denoiser from a kernel score estimator, fitted on ``x_0 + sigma n`` at every level of ``sigmas``.

    A kernel score estimator estimates the score of its samples' own law and knows no noise. Here every event
    is noised ``repeats`` times to each level (the same draws ``n`` at all levels, from ``seed``), the score
    of the noised law is estimated, and ``D = x + sigma^2 s``. For the score of clean samples call
    ``score.fit_score(x)`` itself.

    ``sigmas``: noise levels in data units, any order. Raises ``ValueError`` for a level <= 0 or given twice.

    >>> x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    >>> denoiser = KernelLevels(sigmas=(0.5, 1.0, 2.0)).fit(x)
    >>> bool((denoiser(torch.ones(1, 2), 1.0) - 0.5).abs().max() < 0.2)
    True
    """

    score: KernelScoreEstimator = field(default_factory=TikhonovScore)
    sigmas: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
    repeats: int = 1
    seed: int = 0
    name: ClassVar[str] = "kernel"
    reference: ClassVar[str] = "zhou2020"
    equation: ClassVar[str] = "D = x - sigma^2 g(L) zeta, zeta = (1/N) sum_n div_{x_n} Gamma(., x_n)"
    fitted: ClassVar[type[FittedDenoiser]] = KernelLevelsDenoiser

    def __post_init__(self) -> None:
        ascending(self.sigmas, "a score of clean samples is score.fit_score(x)")
        checks.at_least("repeats", self.repeats, 1)

    def fit(self, x: np.ndarray | Tensor) -> KernelLevelsDenoiser:
        flat, event_shape = samples(x, least=2)
        data, levels = flat.double(), ascending(self.sigmas)
        clean = data.repeat(self.repeats, 1)
        draws = torch.randn(
            clean.shape, dtype=clean.dtype, generator=torch.Generator().manual_seed(self.seed)
        )
        noise = draws.to(clean.device)
        scores = [self.score.fit_score(clean + sigma * noise) for sigma in levels]
        return KernelLevelsDenoiser(
            event_shape,
            self.score.kernel,
            sigmas=data.new_tensor(levels),
            bandwidths=data.new_tensor([score.bandwidth for score in scores]),
            drift_weights=data.new_tensor([score.drift_weight for score in scores]),
            shifts=torch.stack([score.shift for score in scores]),
            centers=torch.stack([score.centers for score in scores]),
            coefficients=torch.stack([score.coefficients for score in scores]),
            **data_moments(data),
            **_spectra(scores),
        )


def _spectra(scores: list[KernelScore]) -> dict[str, Tensor]:
    """Buffers of the spectra, filled up with zeros where fewer functions were independent; or none."""
    found = [score.spectrum for score in scores if score.spectrum is not None]
    if not found:
        return {}
    values, ranks = zip(*found, strict=True)
    padded = torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True)
    return {"normal_spectra": padded, "ranks": torch.tensor(ranks, device=padded.device)}
