"""Radial profiles: what a kernel is as a function of the squared distance, in units of the bandwidth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor


class Profile(ABC):
    """``phi(x - y) = psi(|x - y|^2)``, with ``psi(0) = 1`` and ``psi'(0) = -1/2``."""

    name: ClassVar[str]
    reference: ClassVar[str]

    @abstractmethod
    def derivatives(self, squared: Tensor, order: int) -> list[Tensor]:
        """``[psi, psi', ..., psi^(order)]`` at squared distances of any shape."""


@final
class GaussianProfile(Profile):
    """``psi(u) = exp(-u / 2)``.

    >>> [float(d) for d in GaussianProfile().derivatives(torch.tensor(0.0), 2)]
    [1.0, -0.5, 0.25]
    """

    name: ClassVar[str] = "gaussian"
    reference: ClassVar[str] = "shi2018"

    def derivatives(self, squared: Tensor, order: int) -> list[Tensor]:
        value = torch.exp(-squared / 2)
        return [value * (-0.5) ** k for k in range(order + 1)]


@final
class InverseMultiquadric(Profile):
    """``psi(u) = (1 + u)^(-1/2)``: tails that fall as a power, so that distant points still speak."""

    name: ClassVar[str] = "inverse-multiquadric"
    reference: ClassVar[str] = "zhou2020"

    def derivatives(self, squared: Tensor, order: int) -> list[Tensor]:
        values = [torch.rsqrt(1 + squared)]
        for k in range(order):
            values.append(values[-1] * (-0.5 - k) / (1 + squared))
        return values
