"""Steps of the sampler: how to go from one noise level to the next on the probability-flow ODE."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from scorelens.core.denoiser import Denoiser


def slope(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    """``dx/dsigma = (x - D(x, sigma)) / sigma`` of the probability-flow ODE (karras2022, Eqs. 1, 3)."""
    return (x - denoiser(x, sigma)) / sigma


class Step(ABC):
    """One step of a sampler, a function of a Denoiser and two noise levels."""

    name: ClassVar[str]
    reference: ClassVar[str]
    order: ClassVar[int]
    """The error at the end of a grid falls as its spacing to this power."""
    evaluations: ClassVar[int]
    """Calls of the denoiser per step."""

    @abstractmethod
    def __call__(self, denoiser: Denoiser, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """``x`` of shape ``(batch, *event)`` at ``sigma``, moved to ``sigma_next``; same shape."""


@final
@dataclass(frozen=True)
class Euler(Step):
    """Euler's step; DDIM in the variance-exploding convention."""

    name: ClassVar[str] = "euler"
    reference: ClassVar[str] = "song2021ddim, Eq. 13; karras2022, Alg. 1 without lines 6-8"
    order: ClassVar[int] = 1
    evaluations: ClassVar[int] = 1

    def __call__(self, denoiser: Denoiser, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x + (sigma_next - sigma) * slope(denoiser, x, sigma)


@final
@dataclass(frozen=True)
class Heun(Step):
    """Heun's step: an Euler step, corrected by the mean of the slopes at both ends."""

    name: ClassVar[str] = "heun"
    reference: ClassVar[str] = "karras2022, Alg. 1"
    order: ClassVar[int] = 2
    evaluations: ClassVar[int] = 2

    def __call__(self, denoiser: Denoiser, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        step = sigma_next - sigma
        first = slope(denoiser, x, sigma)
        second = slope(denoiser, x + step * first, sigma_next)
        return x + 0.5 * step * (first + second)


ALL: tuple[type[Step], ...] = (Euler, Heun)

euler = Euler()
heun = Heun()
