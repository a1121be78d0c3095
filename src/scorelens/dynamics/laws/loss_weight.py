"""How a denoising loss weighs noise levels and modes, as a gain law sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks


class LossWeight(ABC):
    """Weight ``w`` of the squared error ``w |D(x) - x_0|^2``, times the square of the output scaling.

    Only this product enters the dynamics of a preconditioned network ([E3]).
    """

    name: ClassVar[str]
    equation: ClassVar[str]

    @abstractmethod
    def effective(self, noise_variance: np.ndarray, output_variance: np.ndarray) -> np.ndarray:
        """``w * output_variance``, where ``output_variance`` is the squared output scaling along the mode."""


@final
@dataclass(frozen=True)
class TargetWeight(LossWeight):
    """Squared error of the network's own target: ``w`` is one over the squared output scaling.

    With EDM's scalar scalings this is EDM's loss weight ([E1]); with spectral ones every mode counts alike
    ([E24]).

    >>> float(TargetWeight().effective(np.array(0.09), np.array(0.3)))
    1.0
    """

    name: ClassVar[str] = "target"
    equation: ClassVar[str] = "[E1], [E24]"

    def effective(self, noise_variance: np.ndarray, output_variance: np.ndarray) -> np.ndarray:
        return np.ones(np.broadcast_shapes(np.shape(noise_variance), np.shape(output_variance)))


@final
@dataclass(frozen=True)
class UnitWeight(LossWeight):
    """The plain squared error of the denoiser, ``w = 1``."""

    name: ClassVar[str] = "unit"
    equation: ClassVar[str] = "[E3]"

    def effective(self, noise_variance: np.ndarray, output_variance: np.ndarray) -> np.ndarray:
        return np.broadcast_arrays(noise_variance, output_variance)[1]


@final
@dataclass(frozen=True)
class PixelWeight(LossWeight):
    """EDM's weight on the squared pixel error, ``w = (sigma^2 + s^2) / (sigma^2 s^2)`` with ``s =
    sigma_data``."""

    sigma_data: float = 0.5
    name: ClassVar[str] = "pixel"
    equation: ClassVar[str] = "[E24]"

    def __post_init__(self) -> None:
        checks.positive("sigma_data", self.sigma_data)

    def effective(self, noise_variance: np.ndarray, output_variance: np.ndarray) -> np.ndarray:
        return (1.0 / self.sigma_data**2 + 1.0 / noise_variance) * output_variance


WEIGHTS: tuple[type[LossWeight], ...] = (TargetWeight, UnitWeight, PixelWeight)
