"""Tikhonov regularisation: the kernel exponential family estimator and its diagonal twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.kernel.conjugate_gradients import conjugate_gradients
from scorelens.estimators.kernel.estimator import KernelScoreEstimator, Solution
from scorelens.estimators.kernel.kernels import Kernel
from scorelens.estimators.kernel.operator import SampleOperator

_DIRECT = 3000


@final
@dataclass(frozen=True, kw_only=True)
class TikhonovScore(KernelScoreEstimator):
    """``s = -(L + ridge)^-1 zeta``; with a curl-free kernel, the kernel exponential family (KEF).

    Up to 3,000 unknowns by Cholesky, above that by conjugate gradients without forming the matrix of a
    curl-free kernel: ``N^2 d`` operations per step instead of ``(N d)^3``. ``tolerance`` is the relative
    residual at which they stop.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> score = TikhonovScore(kernel="curl-free-gaussian", ridge=0.01).fit_score(x)
    >>> bool(((score(x) + x) ** 2).mean() < 0.1), score.log_density(x).shape
    (True, (500,))
    """

    ridge: float = 1e-3
    tolerance: float = 1e-8
    name: ClassVar[str] = "tikhonov"
    reference: ClassVar[str] = "sriperumbudur2017; zhou2020"
    equation: ClassVar[str] = "g(a) = 1 / (a + ridge)"

    def _refuse_settings(self) -> None:
        checks.positive("ridge", self.ridge)
        checks.positive("tolerance", self.tolerance)

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        drift = gamma.drift(points, points)
        order = gamma.order(*points.shape)
        at_samples = (self._direct if order <= _DIRECT else self._iterated)(gamma, points, drift)
        # (L + ridge)^-1 zeta = (zeta - L (L + ridge)^-1 zeta) / ridge
        return Solution(1 / self.ridge, points, -at_samples / (self.ridge * len(points)))

    def _direct(self, gamma: Kernel, points: Tensor, drift: Tensor) -> Tensor:
        matrix = gamma.matrix(points, points) / len(points)
        matrix.diagonal().add_(self.ridge)
        factor = torch.linalg.cholesky(matrix)
        return torch.cholesky_solve(gamma.pack(drift), factor).reshape(drift.shape)

    def _iterated(self, gamma: Kernel, points: Tensor, drift: Tensor) -> Tensor:
        apply = SampleOperator(gamma, points)
        return conjugate_gradients(
            lambda vectors: apply(vectors) + self.ridge * vectors,
            drift,
            coupled=gamma.order(1, points.shape[1]) > 1,
            tolerance=self.tolerance,
        )
