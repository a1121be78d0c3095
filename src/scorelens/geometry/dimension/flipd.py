"""FLIPD: local dimension from the trace of the Jacobian and one residual (Kamkari et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.jacobian import JacobianAt
from scorelens.core.trace import METHODS, trace
from scorelens.geometry.dimension.base import AtLevel, DimensionEstimator

#: Products with the Jacobian at each point unless told otherwise.
N_APPLIED: Final = 64


@final
@dataclass(frozen=True)
class Flipd(DimensionEstimator):
    """``d + d log p_sigma(x) / d log sigma``, by the Fokker-Planck equation from the score at ``x`` alone.

    With ``s = (D - x) / sigma^2``, ``d + sigma^2 (tr grad s + |s|^2) = tr J_D + |D(x) - x|^2 / sigma^2``: two
    terms >= 0 for an optimal denoiser, so nothing cancels at small noise. For a process with ``alpha`` and
    ``std`` the published ``d + std^2 (tr grad s_t + |s_t|^2)`` at ``alpha x`` is the same number (`at_time`).

    The trace is exact up to ``n_applied`` dimensions and estimated by that many products with the Jacobian
    beyond (``trace``: a method of `core.trace`), with its standard error.

    >>> import torch
    >>> line = lambda x, sigma: x * torch.tensor([1.0, 0.0, 0.0]) / (1 + sigma[:, None] ** 2)
    >>> Flipd().at(line, torch.tensor([[0.5, 0.0, 0.0]]), 0.01).value.round(3)
    array([1.])
    """

    n_applied: int = N_APPLIED
    trace: str = "auto"
    seed: int = 0
    name: ClassVar[str] = "flipd"
    reference: ClassVar[str] = "kamkari2024, Sec. 3"
    equation: ClassVar[str] = "tr J_D(x) + |D(x) - x|^2 / sigma^2"
    assumes: ClassVar[str] = "noise below the curvature of the data, above the resolution of the denoiser"

    def __post_init__(self) -> None:
        checks.choice("trace", self.trace, METHODS)
        checks.whole("n_applied", self.n_applied, 2)

    def measured(self, denoiser: Denoiser, x: Tensor, sigma: float) -> AtLevel:
        return flipd(JacobianAt(denoiser, x, sigma), self.n_applied, method=self.trace, seed=self.seed)


def flipd(
    jacobian: JacobianAt, n_applied: int = N_APPLIED, *, method: str = "auto", seed: int = 0
) -> AtLevel:
    """The same at the points of ``jacobian``, each at its noise level; ``method`` is one of `core.trace`.

    >>> import torch
    >>> at = JacobianAt(lambda x, sigma: x * torch.tensor([1.0, 0.0, 0.0]), torch.ones(1, 3) * 0, 0.1)
    >>> flipd(at).value
    array([1.])
    """
    apart = (jacobian.value - jacobian.x).double().square().sum(1).cpu()
    residual = apart / jacobian.sigma.double().cpu() ** 2
    found = trace(jacobian.apply, jacobian.n_points, jacobian.dim, n_applied, method=method, seed=seed)
    return AtLevel((found.value.cpu() + residual).numpy(), found.standard_error.cpu().numpy())
