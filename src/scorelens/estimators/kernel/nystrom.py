"""Nystrom subsampling: the same regression in the span of a few landmarks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.filters import Filter, MinimumNorm, Ridge
from scorelens.estimators.kernel.estimator import (
    KernelScoreEstimator,
    Solution,
    check_order,
    evaluate,
)
from scorelens.estimators.kernel.kernels import BLOCK_ENTRIES, Kernel
from scorelens.estimators.kernel.score import Spectrum


@final
@dataclass(frozen=True, kw_only=True)
class NystromScore(KernelScoreEstimator):
    """``-g(P L P) P zeta``, with ``P`` the projection on functions ``Gamma(., z_m) c``: features x filter.

    ``n_landmarks`` of the samples are drawn without replacement by ``seed`` as ``z``; all samples still enter
    the regression. Cost ``N m^2 + m^3`` and an evaluation of ``m`` terms, with ``m`` landmarks (times ``d``
    for curl-free kernels). With all samples as landmarks the values at the samples are those of
    `FilteredScore`; with `Ridge` the function is that of `SteinScore`.

    Raises ``ValueError`` in `fit_score` for more landmarks than samples.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2000, 2))
    >>> bool(((NystromScore(n_landmarks=50).fit_score(x)(x) + x) ** 2).mean() < 0.1)
    True
    """

    filter: Filter = field(default_factory=lambda: Ridge(1e-3))
    n_landmarks: int = 200
    seed: int = 0
    name: ClassVar[str] = "nystrom"
    reference: ClassVar[str] = "sutherland2018; zhou2020"
    equation: ClassVar[str] = "s = -g(P L P) P zeta"

    def _refuse_settings(self) -> None:
        checks.at_least("n_landmarks", self.n_landmarks, 1)

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        landmarks = self._landmarks(points)
        check_order(gamma.order(*landmarks.shape))
        frame = _orthonormal_frame(gamma.matrix(landmarks, landmarks))
        moments = frame.T @ _second_moment(gamma, landmarks, points) @ frame
        values, vectors = torch.linalg.eigh(moments)
        drift = vectors.T @ (frame.T @ gamma.pack(gamma.drift(landmarks, points)))
        values = values.clamp_min(0)
        gains = evaluate(self.filter, values)
        coefficients = (frame @ (vectors @ (gains[:, None] * drift))).reshape(landmarks.shape)
        return Solution(0.0, landmarks, coefficients, Spectrum.of(values, gains))

    def _landmarks(self, points: Tensor) -> Tensor:
        checks.at_least("the number of samples", len(points), self.n_landmarks, "take fewer landmarks")
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randperm(len(points), generator=generator)[: self.n_landmarks]
        return points[chosen.to(points.device)]


def _orthonormal_frame(matrix: Tensor) -> Tensor:
    """Columns whose functions are orthonormal in the kernel space, ``U / sqrt(eigenvalue)``."""
    values, vectors = torch.linalg.eigh(matrix)
    inverse = evaluate(MinimumNorm.at_precision_of(values.clamp_min(0).cpu().numpy()), values.clamp_min(0))
    resolved = inverse > 0
    return vectors[:, resolved] * inverse[resolved].sqrt()


def _second_moment(gamma: Kernel, landmarks: Tensor, points: Tensor) -> Tensor:
    """``K_ZX K_XZ / N``, accumulated over blocks of samples."""
    rows = gamma.order(*landmarks.shape)
    total = points.new_zeros(rows, rows)
    per_sample = rows * max(1, gamma.order(1, points.shape[1]))
    for block in points.split(max(1, BLOCK_ENTRIES // per_sample)):
        part = gamma.matrix(landmarks, block)
        total += part @ part.T
    return total / len(points)
