"""Laws of the training noise level: which sigma a denoising loss draws, and how often."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from scorelens.core import checks

if TYPE_CHECKING:
    import torch


class NoiseLevelLaw(ABC):
    """Distribution of ``log(sigma)`` in training."""

    name: ClassVar[str]
    reference: ClassVar[str]

    @abstractmethod
    def density(self, log_sigma: np.ndarray) -> np.ndarray:
        """Probability density per unit of ``log(sigma)``, same shape as ``log_sigma``."""

    @abstractmethod
    def log_sigma(self, normal: torch.Tensor) -> torch.Tensor:
        """Map standard normal draws to draws of ``log(sigma)``, same shape."""

    @property
    @abstractmethod
    def jumps(self) -> tuple[float, ...]:
        """Values of ``log(sigma)`` where the density is discontinuous (quadrature must split there)."""


@final
@dataclass(frozen=True)
class LogNormal(NoiseLevelLaw):
    """``log(sigma) ~ N(p_mean, p_std^2)``, EDM's training law.

    >>> float(LogNormal(-1.2, 1.2).density(np.array(-1.2)).round(6))
    0.332452
    """

    p_mean: float = -1.2
    p_std: float = 1.2
    name: ClassVar[str] = "lognormal"
    reference: ClassVar[str] = "karras2022, Table 1"

    def __post_init__(self) -> None:
        checks.finite("p_mean", self.p_mean)
        checks.positive("p_std", self.p_std)

    def density(self, log_sigma: np.ndarray) -> np.ndarray:
        z = (np.asarray(log_sigma, dtype=float) - self.p_mean) / self.p_std
        return np.exp(-0.5 * z**2) / (self.p_std * math.sqrt(2 * math.pi))

    def log_sigma(self, normal: torch.Tensor) -> torch.Tensor:
        return self.p_mean + self.p_std * normal

    @property
    def jumps(self) -> tuple[float, ...]:
        return ()


@final
@dataclass(frozen=True)
class LogUniform(NoiseLevelLaw):
    """``log(sigma)`` uniform between the logarithms of ``low`` and ``high``."""

    low: float = 0.002
    high: float = 80.0
    name: ClassVar[str] = "loguniform"
    reference: ClassVar[str] = "preconditioned law, section 1"

    def __post_init__(self) -> None:
        checks.positive("low", self.low)
        checks.positive("high", self.high)
        if not self.high > self.low:
            raise ValueError(f"high must exceed low, got {self.high:g} <= {self.low:g}")

    def density(self, log_sigma: np.ndarray) -> np.ndarray:
        u = np.asarray(log_sigma, dtype=float)
        inside = (u >= self.jumps[0]) & (u <= self.jumps[1])
        return np.where(inside, 1.0 / (self.jumps[1] - self.jumps[0]), 0.0)

    def log_sigma(self, normal: torch.Tensor) -> torch.Tensor:
        uniform = 0.5 * (1.0 + (normal / math.sqrt(2.0)).erf())
        return self.jumps[0] + (self.jumps[1] - self.jumps[0]) * uniform

    @property
    def jumps(self) -> tuple[float, ...]:
        return (math.log(self.low), math.log(self.high))


ALL: tuple[type[NoiseLevelLaw], ...] = (LogNormal, LogUniform)
