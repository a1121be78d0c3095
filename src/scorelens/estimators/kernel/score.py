"""A fitted kernel score: what every solver of the family returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scorelens.estimators.kernel.kernels import CurlFree, kernel


class Spectrum(NamedTuple):
    """Eigenvalues ``(m,)``, descending, of the operator that was inverted, and how many the filter used."""

    values: Tensor
    rank: int

    @classmethod
    def of(cls, values: Tensor, gains: Tensor) -> Spectrum:
        """From ascending ``values`` and what the filter makes of each."""
        resolved = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
        return cls(values.flip(0), int((resolved & (gains != 0)).sum()))


@final
@dataclass(frozen=True, eq=False)
class KernelScore:
    """``s(x) = -(w zeta(x) + sum_m Gamma(x, z_m) c_m)``, an estimate of the score of the samples' law.

    - ``kernel_name``: one of `scorelens.estimators.kernel.KERNELS`.
    - ``bandwidth``: in data units; ``shift (d,)``: the origin of the scaled points.
    - ``samples (n, d)``, ``centers (m, d)``, ``coefficients (m, d)``: in units of the bandwidth.
    - ``drift_weight``: ``w``, the filter at eigenvalue 0; where it is 0 the samples are not needed.
    - ``spectrum``: of the operator that was inverted; ``None`` where the method did not decompose it.

    Calling it with a NumPy array or a tensor ``(b, d)`` gives the same kind, float64; tensors are
    differentiable. Far from all samples a kernel score falls to 0: it is an estimate where there are data.

    >>> import numpy as np
    >>> from scorelens.estimators.kernel import TikhonovScore
    >>> score = TikhonovScore().fit_score(np.random.default_rng(0).standard_normal((200, 2)))
    >>> score(np.zeros((3, 2))).shape, score.bandwidth > 0
    ((3, 2), True)
    """

    kernel_name: str
    bandwidth: Any
    shift: Tensor
    samples: Tensor
    centers: Tensor
    coefficients: Tensor
    drift_weight: Any
    spectrum: Spectrum | None = None

    def __call__(self, x: Any) -> Any:
        """Score at ``x (b, d)``, in inverse data units. Raises ``ValueError`` for another shape."""
        points = self._scaled(x)
        gamma = kernel(self.kernel_name)
        score = -gamma.product(points, self.centers, self.coefficients) / self.bandwidth
        if float(self.drift_weight) != 0:
            drift = gamma.drift(points, self.samples)
            score = score - self.drift_weight * drift / self.bandwidth
        return score if isinstance(x, Tensor) else score.numpy()

    def log_density(self, x: Any) -> Any:
        """Log density up to a constant, ``(b,)``, whose gradient is the score.

        Raises ``ValueError`` unless the kernel is curl-free: other estimates are no gradients.
        """
        gamma = kernel(self.kernel_name)
        if not isinstance(gamma, CurlFree):
            raise ValueError(
                f"the kernel {self.kernel_name!r} has no density; take 'curl-free-{self.kernel_name}'"
            )
        points = self._scaled(x)
        energy = -gamma.energy(points, self.centers, self.coefficients)
        if float(self.drift_weight) != 0:
            energy = energy - self.drift_weight * gamma.drift_energy(points, self.samples)
        return energy if isinstance(x, Tensor) else energy.numpy()

    def _scaled(self, x: Any) -> Tensor:
        points = x if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x))
        if points.ndim != 2 or points.shape[1] != len(self.shift):
            raise ValueError(f"x must have shape (b, {len(self.shift)}), got {tuple(points.shape)}")
        return (points.to(self.shift.dtype) - self.shift) / self.bandwidth
