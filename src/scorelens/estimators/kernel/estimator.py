"""The shape of every kernel score estimator: scale the samples, solve for coefficients, return the score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.filters import Filter
from scorelens.estimators.base import samples
from scorelens.estimators.kernel.bandwidth import median_bandwidth
from scorelens.estimators.kernel.kernels import Kernel, kernel
from scorelens.estimators.kernel.score import KernelScore, Spectrum

LARGEST_MATRIX = 12_000
"""Rows of the largest kernel matrix that is formed."""


class Solution(NamedTuple):
    """``s = -(drift_weight zeta + sum_m Gamma(., centers_m) coefficients_m)``.

    ``spectrum`` is that of ``L``, where the member decomposes it.
    """

    drift_weight: float
    centers: Tensor
    coefficients: Tensor
    spectrum: Spectrum | None = None


@dataclass(frozen=True, kw_only=True)
class KernelScoreEstimator(ABC):
    """Score of the samples' own law, as a regularised regression in a vector-valued kernel space.

    With ``L f = (1/N) sum_n Gamma(., x_n) f(x_n)``, integration by parts gives ``L s = -zeta``,
    ``zeta = (1/N) sum_n div_{x_n} Gamma(., x_n)``, without knowing ``s``. A filter ``g`` inverts ``L``:
    ``s = -g(L) zeta = -(g(0) zeta + L q(L) zeta)`` with ``q(a) = (g(a) - g(0)) / a`` (Zhou, Shi
    & Zhu 2020, "Nonparametric score estimators"). Members differ in the filter and in how they apply it.

    No noise level is involved: `fit_score` estimates the score of whatever ``x`` is drawn from.
    `scorelens.estimators.kernel.KernelLevels` makes a denoiser of it, from samples noised to each level.

    - ``kernel``: a name in `scorelens.estimators.kernel.KERNELS`.
    - ``bandwidth``: in data units; the median distance between samples unless given.

    Raises ``ValueError`` for a bandwidth that is not finite and > 0, and as its member says.

    >>> from scorelens.estimators.kernel import LandweberScore, SteinScore
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> [bool(((m().fit_score(x)(x) + x) ** 2).mean() < 0.1) for m in (LandweberScore, SteinScore)]
    [True, True]
    """

    kernel: str = "gaussian"
    bandwidth: float | None = None

    name: ClassVar[str]
    reference: ClassVar[str]
    equation: ClassVar[str]

    def __post_init__(self) -> None:
        if self.bandwidth is not None:
            checks.positive("bandwidth", self.bandwidth, "leave it out for the median distance")
        self._refuse_settings()

    def fit_score(self, x: np.ndarray | Tensor) -> KernelScore:
        """The score as a function ``(b, d) -> (b, d)``, from the samples ``x``, ``(n, d)``, in data units.

        Raises ``ValueError`` for fewer than two samples, non-finite values, another shape or dtype, samples
        that are all the same, copies that leave the median distance 0, and a system too large to be formed
        where one must be.
        """
        gamma, data = kernel(self.kernel), score_samples(x)
        width = median_bandwidth(data) if self.bandwidth is None else float(self.bandwidth)
        if bool((data == data[0]).all()):
            raise ValueError(f"all {len(data)} samples are the same and have no score; give ones that differ")
        shift = data.mean(0)
        points = (data - shift) / width
        found = self._solve(gamma, points)
        parts = found.centers, found.coefficients, found.drift_weight, found.spectrum
        return KernelScore(self.kernel, width, shift, points, *parts)

    @abstractmethod
    def _solve(self, gamma: Kernel, points: Tensor) -> Solution:
        """Coefficients for ``points (n, d)`` in units of the bandwidth."""

    @abstractmethod
    def _refuse_settings(self) -> None:
        """``ValueError`` for settings of the member that are out of range."""


def score_samples(x: Any) -> Tensor:
    """``x`` as float64 ``(n, d)``, checked; at least two."""
    data, event_shape = samples(x, least=2)
    if len(event_shape) != 1:
        raise ValueError(
            f"a score needs samples of shape (n, d), got {tuple(np.shape(x))}; flatten the events"
        )
    return data.double()


def eigenpairs(gamma: Kernel, points: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of ``K / N`` (rounding below 0 removed) and its eigenvectors, ascending.

    Raises ``ValueError`` before forming a matrix of more than 12,000 rows.
    """
    check_order(gamma.order(*points.shape))
    values, vectors = torch.linalg.eigh(gamma.matrix(points, points) / len(points))
    return values.clamp_min(0), vectors


def check_order(n_rows: int) -> None:
    """Refuse a kernel matrix too large to be decomposed, with the size it would have."""
    if n_rows > LARGEST_MATRIX:
        raise ValueError(
            f"a kernel matrix of {n_rows} rows would be decomposed ({8e-9 * n_rows**2:.1f} GB), the limit is "
            f"{LARGEST_MATRIX}; use tikhonov or an iterative method, NystromScore, or fewer samples"
        )


def evaluate(filter_: Filter, values: Tensor) -> Tensor:
    """``filter_`` at eigenvalues, as a tensor of their kind."""
    return torch.as_tensor(filter_(values.cpu().numpy()), dtype=values.dtype, device=values.device)
