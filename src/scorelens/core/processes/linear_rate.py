"""What the variance-preserving and the sub-VP process share: the linear rate ``beta(t)`` and the drift."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar

from scorelens.core import checks
from scorelens.core.arrays import namespace
from scorelens.core.processes.base import NoiseProcess


@dataclass(frozen=True)
class LinearRate:
    """``beta(t) = beta_min + t (beta_max - beta_min)`` on ``[0, 1]`` (Song et al. 2021, Appendix C)."""

    beta_min: float
    beta_max: float

    def __post_init__(self) -> None:
        checks.positive("beta_min", self.beta_min, "at 0 the process would start without noise")
        checks.positive("beta_max", self.beta_max)
        if self.beta_max < self.beta_min:
            raise ValueError(f"beta_max must be >= beta_min, got {self.beta_max:g} < {self.beta_min:g}")

    def at(self, t: Any) -> Any:
        """``beta(t)``."""
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def integral(self, t: Any) -> Any:
        """``B(t)``, the integral of ``beta`` from 0 to ``t``."""
        return t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def time(self, integral: Any) -> Any:
        """The ``t`` at which the integral is ``integral``, in the form of the root without cancellation."""
        slope = self.beta_max - self.beta_min
        root = namespace(integral).sqrt(self.beta_min**2 + 2 * slope * integral)
        return 2 * integral / (self.beta_min + root)


@dataclass(frozen=True)
class LinearRateProcess(NoiseProcess, ABC):
    """Drift ``-beta(t) x / 2`` with a linear rate: ``alpha = exp(-B/2)`` with ``B = int beta``."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    time_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    end_is_singular: ClassVar[bool] = False

    def __post_init__(self) -> None:
        LinearRate(self.beta_min, self.beta_max)  # refuses a bad rate at once

    @property
    def _rate(self) -> LinearRate:
        return LinearRate(self.beta_min, self.beta_max)

    def _alpha(self, t: Any) -> Any:
        return namespace(t).exp(-0.5 * self._rate.integral(t))

    def _drift(self, t: Any) -> Any:
        return -0.5 * self._rate.at(t)
