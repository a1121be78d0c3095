"""Early-stopped iterations: Landweber's and the nu-method, in products with the kernel only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.kernel.estimator import KernelScoreEstimator, Solution
from scorelens.estimators.kernel.kernels import Kernel
from scorelens.estimators.kernel.operator import SampleOperator


@final
@dataclass(frozen=True, kw_only=True)
class LandweberScore(KernelScoreEstimator):
    """``n_steps`` of gradient descent of step 1: ``s <- s - (L s + zeta)``; ``1 / n_steps`` acts as a ridge.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> bool(((LandweberScore().fit_score(x)(x) + x) ** 2).mean() < 0.1)
    True
    """

    n_steps: int = 50
    name: ClassVar[str] = "landweber"
    reference: ClassVar[str] = "zhou2020; engl1996, Landweber iteration"
    equation: ClassVar[str] = "1 - a g(a) = (1 - a)^n_steps"

    def _refuse_settings(self) -> None:
        checks.at_least("n_steps", self.n_steps, 1)

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        return iterate(gamma, points, [(0.0, 1.0)] * self.n_steps)


@final
@dataclass(frozen=True, kw_only=True)
class NuMethodScore(KernelScoreEstimator):
    """Brakhage's nu-method: ``n`` steps do what ``n^2`` of Landweber's do; ``nu`` is its qualification.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> bool(((NuMethodScore().fit_score(x)(x) + x) ** 2).mean() < 0.1)
    True
    """

    n_steps: int = 10
    nu: float = 1.0
    name: ClassVar[str] = "nu-method"
    reference: ClassVar[str] = "zhou2020; engl1996, nu-methods"
    equation: ClassVar[str] = "1 - a g(a) = a Jacobi polynomial of degree n_steps"

    def _refuse_settings(self) -> None:
        checks.at_least("n_steps", self.n_steps, 1)
        checks.positive("nu", self.nu)

    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        return iterate(gamma, points, [_jacobi(k, self.nu) for k in range(1, self.n_steps + 1)])


def iterate(gamma: Kernel, points: Tensor, schedule: list[tuple[float, float]]) -> Solution:
    """Polynomial iteration for ``L f = zeta`` from 0, with a (momentum, step) per step of the ``schedule``.

    An iterate is ``f = w zeta + (1/N) Gamma(., X) c``, followed through ``(w, c)``; its values at the samples
    are ``w zeta(X) + L c``.
    """
    apply, drift = SampleOperator(gamma, points), gamma.drift(points, points)
    weight, last_weight = 0.0, 0.0
    mixed, last_mixed = torch.zeros_like(drift), torch.zeros_like(drift)
    for momentum, step in schedule:
        values = weight * drift + apply(mixed)
        # f <- f + momentum (f - f_last) + step (zeta - L f)
        weight, last_weight = weight + momentum * (weight - last_weight) + step, weight
        mixed, last_mixed = mixed + momentum * (mixed - last_mixed) - step * values, mixed
    return Solution(weight, points, mixed / len(points))


def _jacobi(k: int, nu: float) -> tuple[float, float]:
    # engl1996, nu-methods, with momentum 0 at the first step
    shared = (k + 2 * nu - 1) * (2 * k + 4 * nu - 1)
    step = 4 * (2 * k + 2 * nu - 1) * (k + nu - 1) / shared
    if k == 1:
        return 0.0, step
    return (k - 1) * (2 * k - 3) * (2 * k + 2 * nu - 1) / (shared * (2 * k + 2 * nu - 3)), step
