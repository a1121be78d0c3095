"""Exact losses of affine maps: of data whose mean and covariance are known, nothing is sampled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks

_ROUNDING = 1e-9


class ExactLoss(ABC):
    """Expected squared error of affine maps ``W x + b``, one per noise level, over data of a ``covariance``
    ``(d, d)`` and ``mean (d,)`` (zero unless given) and over the noise.

    Called with ``weight (s, d, d)``, ``bias (s, d)`` and ``sigmas (s,)``, it gives the losses ``(s,)``: sums
    over coordinates, without a factor one half, differentiable. The data need not be Gaussian: only their
    second moments matter. Raises ``ValueError`` unless the covariance is symmetric and the shapes fit.

    >>> zero = torch.zeros(1, 2, 2, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    >>> [member(2 * np.eye(2))(*zero, torch.tensor([0.5])).tolist() for member in EXACT_LOSSES]
    [[4.0], [6.0]]
    """

    name: ClassVar[str]
    equation: ClassVar[str]

    def __init__(self, covariance: Any, mean: Any = None) -> None:
        self.covariance = _symmetric(np.asarray(covariance, dtype=float))
        dim = len(self.covariance)
        centre = np.zeros(dim) if mean is None else np.asarray(mean, dtype=float)
        checks.finite("mean", centre)
        if centre.shape != (dim,):
            raise ValueError(f"mean must have shape ({dim},), got {centre.shape}")
        self.mean = torch.tensor(centre)

    @abstractmethod
    def __call__(self, weight: Tensor, bias: Tensor, sigmas: Tensor) -> Tensor:
        """Losses at the noise levels, shape ``(s,)``."""

    def _data_error(self, residual: Tensor, bias: Tensor) -> Tensor:
        """Mean of ``|residual x_0 + bias|^2`` over the data: ``(s,)``."""
        if residual.shape[-2:] != self.covariance.shape:
            raise ValueError(
                f"maps must have shape (s, d, d) with d = {len(self.covariance)}, as the covariance, "
                f"got {tuple(residual.shape)}"
            )
        covariance, mean = self.covariance.to(residual), self.mean.to(residual)
        spread = ((residual @ covariance) * residual).sum((-2, -1))
        return spread + (residual @ mean + bias).square().sum(-1)


@final
class ExactDenoisingLoss(ExactLoss):
    """``E |W (x_0 + sigma n) + b - x_0|^2``.

    >>> loss = ExactDenoisingLoss(np.diag([2.0, 1.0]))
    >>> loss(0.5 * torch.eye(2)[None], torch.zeros(1, 2), torch.ones(1))
    tensor([1.2500])
    """

    name: ClassVar[str] = "denoising"
    equation: ClassVar[str] = "learning dynamics (1.5)"

    def __call__(self, weight: Tensor, bias: Tensor, sigmas: Tensor) -> Tensor:
        noise = sigmas.to(weight).square() * weight.square().sum((-2, -1))
        return self._data_error(weight - _identity(weight), bias) + noise  # (1.5)


@final
class ExactFlowMatchingLoss(ExactLoss):
    """``E |W x_t + b - (x_0 - n)|^2`` on the path ``x_t = t x_0 + (1 - t) n`` from noise ``n`` to data
    ``x_0``, at ``t = 1 / (1 + sigma)``: the map is the velocity.

    >>> loss = ExactFlowMatchingLoss(np.eye(2))
    >>> loss(torch.zeros(1, 2, 2), torch.zeros(1, 2), torch.ones(1))
    tensor([4.])
    """

    name: ClassVar[str] = "flow-matching"
    equation: ClassVar[str] = "learning dynamics, section 11"

    def __call__(self, weight: Tensor, bias: Tensor, sigmas: Tensor) -> Tensor:
        time = (1.0 / (1.0 + sigmas)).to(weight)[:, None, None]
        of_noise = (1.0 - time) * weight + _identity(weight)
        return self._data_error(time * weight - _identity(weight), bias) + of_noise.square().sum((-2, -1))


EXACT_LOSSES: tuple[type[ExactLoss], ...] = (ExactDenoisingLoss, ExactFlowMatchingLoss)
"""Every exact loss, by the ``name`` that a trainable twin asks for."""


def exact_loss(name: str, covariance: Any, mean: Any = None) -> ExactLoss:
    """The exact loss of this name; ``ValueError`` for an unknown one.

    >>> exact_loss("denoising", np.eye(2)).equation
    'learning dynamics (1.5)'
    """
    members = {member.name: member for member in EXACT_LOSSES}
    return members[checks.choice("exact loss", name, members)](covariance, mean)


def _identity(weight: Tensor) -> Tensor:
    return torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device)


def _symmetric(covariance: np.ndarray) -> Tensor:
    checks.finite("covariance", covariance)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"covariance must have shape (d, d), got {covariance.shape}")
    if np.abs(covariance - covariance.T).max() > _ROUNDING * np.abs(covariance).max():
        raise ValueError("covariance must be symmetric; give (covariance + covariance.T) / 2")
    least = float(np.linalg.eigvalsh(covariance)[0])
    if least < -_ROUNDING * np.abs(covariance).max():
        raise ValueError(f"covariance must be positive semi-definite, got the eigenvalue {least:g}")
    return torch.tensor(covariance)
