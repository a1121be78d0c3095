"""How squared denoising errors are weighed: one number per sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from scorelens.core import checks


class Weighting(ABC):
    """From a residual ``D(x) - x0`` of shape ``(batch, *event)`` to a loss per sample, averaged over d."""

    name: ClassVar[str]
    equation: ClassVar[str]

    @abstractmethod
    def __call__(self, residual: Tensor, sigma: Tensor) -> Tensor:
        """Weighted mean squared coordinate, shape ``(batch,)``; ``sigma`` has shape ``(batch,)``."""


@final
@dataclass(frozen=True)
class Pixel(Weighting):
    """``(sigma^2 + s^2) / (sigma s)^2`` per coordinate, s = ``sigma_data`` (Karras et al. 2022).

    >>> import torch
    >>> Pixel(1.0)(torch.ones(1, 3), torch.tensor([1.0]))
    tensor([2.])
    """

    sigma_data: float
    name: ClassVar[str] = "pixel"
    equation: ClassVar[str] = "E1"

    def __post_init__(self) -> None:
        checks.positive("sigma_data", self.sigma_data)

    def __call__(self, residual: Tensor, sigma: Tensor) -> Tensor:
        weight = sigma.pow(-2) + self.sigma_data**-2  # [E1]: (sigma^2 + s^2) / (sigma s)^2
        return weight * residual.flatten(1).square().mean(1)


@final
@dataclass(frozen=True)
class Target(Weighting):
    """``|C_out^-1 residual|^2``: every direction of the network's output weighs alike.

    ``whiten(residual, sigma)`` applies ``C_out^-1``; a preconditioner has it.
    """

    whiten: Callable[[Tensor, Tensor], Tensor]
    name: ClassVar[str] = "target"
    equation: ClassVar[str] = "E24"

    def __call__(self, residual: Tensor, sigma: Tensor) -> Tensor:
        return self.whiten(residual, sigma).flatten(1).square().mean(1)  # [E23], [E24]


ALL: tuple[type[Weighting], ...] = (Pixel, Target)
