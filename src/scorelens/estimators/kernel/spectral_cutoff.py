"""The spectral Stein gradient estimator: keep the leading eigenfunctions of the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core.filters import SpectralCutoff
from scorelens.estimators.kernel.estimator import KernelScoreEstimator, Solution, eigenpairs
from scorelens.estimators.kernel.filtered import filtered
from scorelens.estimators.kernel.kernels import Kernel


@final
@dataclass(frozen=True, kw_only=True)
class SpectralCutoffScore(KernelScoreEstimator):
    """SSGE: the score expanded in the leading eigenfunctions of the kernel (Shi, Sun & Zhu 2018).

    ``kept``, in ``(0, 1]``: as many eigenfunctions as carry this part of the sum of eigenvalues (one that
    is equal to the last one kept is kept too).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> bool(((SpectralCutoffScore().fit_score(x)(x) + x) ** 2).mean() < 0.1)
    True
    """

    kept: float = 0.99
    name: ClassVar[str] = "spectral-cutoff"
    reference: ClassVar[str] = "shi2018; zhou2020"
    equation: ClassVar[str] = "g(a) = 1 / a for a >= cutoff, else 0"

    def _refuse_settings(self) -> None:
        if not 0 < self.kept <= 1:
            raise ValueError(f"kept must be in (0, 1], got {self.kept}; 0.95 to 0.99 is usual")

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        values, vectors = eigenpairs(gamma, points)
        return filtered(SpectralCutoff(self._cutoff(values)), gamma, points, values, vectors)

    def _cutoff(self, values: Tensor) -> float:
        descending = values.flip(0)
        carried = torch.cumsum(descending, 0) / descending.sum()
        last = int((carried < self.kept).sum().clamp_max(len(values) - 1))
        rounding = len(values) * torch.finfo(values.dtype).eps * float(descending[0])
        return max(float(descending[last]), rounding)
