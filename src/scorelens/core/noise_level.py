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

_ROUNDING = 1e-13


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

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Least and largest value of ``log(sigma)`` that is drawn."""


class UnboundedLaw(NoiseLevelLaw, ABC):
    """Draws every positive noise level; its density has no jumps."""

    @property
    def jumps(self) -> tuple[float, ...]:
        return ()

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)


@dataclass(frozen=True)
class BoundedLaw(NoiseLevelLaw, ABC):
    """Draws ``sigma`` between ``low`` and ``high`` only, where its density jumps."""

    low: float = 0.002
    high: float = 80.0

    def __post_init__(self) -> None:
        checks.positive("low", self.low)
        checks.positive("high", self.high)
        if not self.high > self.low:
            raise ValueError(f"high must exceed low, got {self.high:g} <= {self.low:g}")

    @property
    def jumps(self) -> tuple[float, ...]:
        return self.support

    @property
    def support(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high))


@final
@dataclass(frozen=True)
class LogNormal(UnboundedLaw):
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


@final
@dataclass(frozen=True)
class FlowTime(UnboundedLaw):
    """Time uniform on (0, 1) for straight lines ``x_t = (1 - t) x_0 + t n``: ``sigma = t / (1 - t)``.

    ``log(sigma)`` is logistic: what flow matching draws unless it is told otherwise.

    >>> float(FlowTime().density(np.array(0.0)))
    0.25
    """

    name: ClassVar[str] = "flow-time"
    reference: ClassVar[str] = "lipman2023, Eq. 23; liu2023, Eq. 1"

    def density(self, log_sigma: np.ndarray) -> np.ndarray:
        u = np.asarray(log_sigma, dtype=float)
        return np.exp(-np.logaddexp(0.0, u) - np.logaddexp(0.0, -u))  # t (1 - t)

    def log_sigma(self, normal: torch.Tensor) -> torch.Tensor:
        import torch

        # logit of the normal's distribution function; finite where 1 - t rounds to 0
        return torch.special.log_ndtr(normal) - torch.special.log_ndtr(-normal)


@final
@dataclass(frozen=True)
class LogUniform(BoundedLaw):
    """``log(sigma)`` uniform between the logarithms of ``low`` and ``high``."""

    name: ClassVar[str] = "loguniform"
    reference: ClassVar[str] = "preconditioned law, section 1"

    def density(self, log_sigma: np.ndarray) -> np.ndarray:
        return np.where(_inside(log_sigma, self.jumps), 1.0 / (self.jumps[1] - self.jumps[0]), 0.0)

    def log_sigma(self, normal: torch.Tensor) -> torch.Tensor:
        uniform = 0.5 * (1.0 + (normal / math.sqrt(2.0)).erf())
        return self.jumps[0] + (self.jumps[1] - self.jumps[0]) * uniform


@final
@dataclass(frozen=True)
class Variance(BoundedLaw):
    """``sigma^2`` uniform between the squares of ``low`` and ``high``: ``lambda = sigma^2`` as a density.

    The density of ``log(sigma)`` is proportional to ``sigma^2``: the squared error of the score, drawn so,
    is that of the predicted noise under `LogUniform` but for a constant. Half of the draws are above
    ``0.7 high``, whatever ``low`` is.

    >>> float(Variance(1.0, 2.0).density(np.log(np.array(2.0))).round(6))
    2.666667
    """

    name: ClassVar[str] = "variance"
    reference: ClassVar[str] = "song2019b, Sec. 4.2, with its weight as a density"

    def density(self, log_sigma: np.ndarray) -> np.ndarray:
        inside = _inside(log_sigma, self.jumps)
        scaled = np.exp(2.0 * (np.where(inside, log_sigma, self.jumps[1]) - self.jumps[1]))
        return np.where(inside, 2.0 * scaled / (1.0 - (self.low / self.high) ** 2), 0.0)

    def log_sigma(self, normal: torch.Tensor) -> torch.Tensor:
        import torch

        below, above = torch.special.log_ndtr(-normal), torch.special.log_ndtr(normal)
        return 0.5 * torch.logaddexp(2.0 * self.jumps[0] + below, 2.0 * self.jumps[1] + above)


def _inside(log_sigma: np.ndarray, ends: tuple[float, ...]) -> np.ndarray:
    # The end of a range may come back from sigma^2 with a digit less.
    u = np.asarray(log_sigma, dtype=float)
    return (u >= ends[0] - _ROUNDING) & (u <= ends[1] + _ROUNDING)


ALL: tuple[type[NoiseLevelLaw], ...] = (LogNormal, LogUniform, Variance, FlowTime)
