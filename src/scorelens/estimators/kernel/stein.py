"""The Stein gradient estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from scorelens.core import checks
from scorelens.core.filters import MinimumNorm, Ridge
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
class SteinScore(KernelScoreEstimator):
    """Stein's identity solved at the samples with a ridge: ``s(X) = -(K / N + ridge)^-1 zeta(X)``.

    At the samples this is Tikhonov's estimate. Elsewhere it is the function of least norm with these values,
    ``-Gamma(., X) K^+ s(X)``: the filter ``1 / (a + ridge)`` for ``a > 0``, and 0 at 0 (Zhou et al.
    2020), so that the samples' ``zeta`` does not appear. ``ridge`` is ``eta / N`` of Li & Turner (2018).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> bool(((SteinScore(ridge=0.01).fit_score(x)(x) + x) ** 2).mean() < 0.1)
    True
    """

    ridge: float = 1e-3
    name: ClassVar[str] = "stein"
    reference: ClassVar[str] = "li2018; zhou2020"
    equation: ClassVar[str] = "g(a) = 1 / (a + ridge) for a > 0, else 0"

    def _refuse_settings(self) -> None:
        checks.positive("ridge", self.ridge)

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        values, vectors = eigenpairs(gamma, points)
        drift = vectors.T @ gamma.pack(gamma.drift(points, points))
        pseudo_inverse = evaluate(MinimumNorm.at_precision_of(values.cpu().numpy()), values)
        gain = evaluate(Ridge(self.ridge), values) * pseudo_inverse
        coefficients = vectors @ (gain[:, None] * drift) / len(points)
        return Solution(0.0, points, coefficients.reshape(points.shape), Spectrum.of(values, gain))
