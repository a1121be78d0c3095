"""Any filter, through the eigenvectors of the kernel matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core.filters import Filter, Ridge
from scorelens.estimators.kernel.estimator import (
    KernelScoreEstimator,
    Solution,
    eigenpairs,
    evaluate,
)
from scorelens.estimators.kernel.kernels import Kernel
from scorelens.estimators.kernel.score import Spectrum


@final
@dataclass(frozen=True, kw_only=True)
class FilteredScore(KernelScoreEstimator):
    """``-g(L) zeta`` for any `scorelens.core.filters.Filter` ``g``; eigenvalues of ``L`` lie in ``[0, 1]``.

    The dense form: cubic in ``N`` (diagonal kernels) or ``N d`` (curl-free ones).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> bool(((FilteredScore(filter=Ridge(0.01)).fit_score(x)(x) + x) ** 2).mean() < 0.1)
    True
    """

    filter: Filter = field(default_factory=lambda: Ridge(1e-3))
    name: ClassVar[str] = "filtered"
    reference: ClassVar[str] = "zhou2020"
    equation: ClassVar[str] = "s = -(g(0) zeta + L q(L) zeta), q(a) = (g(a) - g(0)) / a"

    def _refuse_settings(self) -> None:
        """Nothing: the filter has refused its own."""

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        values, vectors = eigenpairs(gamma, points)
        return filtered(self.filter, gamma, points, values, vectors)


def filtered(filter_: Filter, gamma: Kernel, points: Tensor, values: Tensor, vectors: Tensor) -> Solution:
    """The estimate ``-filter_(L) zeta`` from the eigenpairs of ``K / N``."""
    drift = gamma.pack(gamma.drift(points, points))
    quotient = _quotient(filter_, values)
    packed = vectors @ (quotient[:, None] * (vectors.T @ drift)) / len(points)
    used = Spectrum.of(values, evaluate(filter_, values))
    return Solution(float(filter_(0.0)), points, packed.reshape(points.shape), used)


def _quotient(filter_: Filter, values: Tensor) -> Tensor:
    """``(g(a) - g(0)) / a``; flat at ``a`` far below the regularization, where the form would cancel."""
    at_zero = torch.as_tensor(filter_(0.0), dtype=values.dtype, device=values.device)
    if isinstance(filter_, Ridge):
        return -evaluate(filter_, values) * at_zero
    resolved = values.clamp_min(1e-8 * filter_.regularization)
    return (evaluate(filter_, resolved) - at_zero) / resolved
