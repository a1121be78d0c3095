"""What a forecast asks of a learning law, mode by mode, whatever the modes are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from scorelens.dynamics import (
    Emergence,
    ExactSampler,
    GainLaw,
    HeunSampler,
    OneLayer,
    Sampler,
    emergence_time,
    log_variance_table,
)

if TYPE_CHECKING:
    from scorelens.results.config import RunConfig


@final
@dataclass(frozen=True)
class LawFacts:
    """How a law is named and where it is written down."""

    name: str
    equation: str
    reference: str


class ModeForecast(ABC):
    """Generated variance, emergence and gains of the modes of one data set by one law.

    ``eigenvalues (mode,)``, descending, are the variances of the data along the modes. Variances are those of
    the ``sampler``: Heun's method on the configured noise levels, or the ``exact`` ODE between them.
    """

    def __init__(
        self, eigenvalues: np.ndarray, facts: LawFacts, config: RunConfig, *, exact: bool = False
    ) -> None:
        self.eigenvalues, self.facts = eigenvalues, facts
        self.exact = ExactSampler(config.sampler.sigma_min, config.sampler.sigma_max)
        self.sampler: Sampler = self.exact if exact else HeunSampler(config.sigmas())

    def log_optimum(self) -> np.ndarray:
        """Logarithm of the variance that the best linear denoiser generates on the sampler, ``(mode,)``."""
        return self.sampler.log_limit(OneLayer(), self.eigenvalues)

    @abstractmethod
    def log_start(self) -> np.ndarray:
        """Logarithm of the variance generated before training, ``(mode,)``."""

    @abstractmethod
    def log_limit(self) -> np.ndarray:
        """Logarithm of the variance generated after infinite training, ``(mode,)``."""

    @abstractmethod
    def log_variance(self, flow_time: np.ndarray) -> np.ndarray:
        """Logarithm of the generated variance at times ``(time,)``, ``(time, mode)``."""

    @abstractmethod
    def log_variance_exact(self, flow_time: np.ndarray) -> np.ndarray:
        """`log_variance` by the exact probability-flow ODE."""

    @abstractmethod
    def emergence(self, criterion: str) -> Emergence:
        """When each mode emerges."""

    @abstractmethod
    def stuck(self) -> np.ndarray:
        """Mask of the modes whose start never learns at the largest or the smallest noise level."""

    @abstractmethod
    def gain(self, sigma: np.ndarray, flow_time: np.ndarray) -> np.ndarray:
        """Multiplier of each mode, ``(time, sigma, mode)``."""


@final
class GainForecast(ModeForecast):
    """The forecast by a gain law: every mode learns by itself."""

    def __init__(self, law: GainLaw, eigenvalues: np.ndarray, config: RunConfig) -> None:
        super().__init__(eigenvalues, LawFacts(law.name, law.equation, law.reference), config)
        self.law = law

    def log_start(self) -> np.ndarray:
        return self.sampler.log_start(self.law, self.eigenvalues)

    def log_limit(self) -> np.ndarray:
        return self.sampler.log_limit(self.law, self.eigenvalues)

    def log_variance(self, flow_time: np.ndarray) -> np.ndarray:
        return log_variance_table(self.law, self.eigenvalues, flow_time, sampler=self.sampler)

    def log_variance_exact(self, flow_time: np.ndarray) -> np.ndarray:
        return log_variance_table(self.law, self.eigenvalues, flow_time, sampler=self.exact)

    def emergence(self, criterion: str) -> Emergence:
        return emergence_time(self.law, self.eigenvalues, criterion=criterion, sampler=self.sampler)

    def stuck(self) -> np.ndarray:
        return np.any([self.law.stuck(self.eigenvalues, level**2) for level in self.sampler.ends], axis=0)

    def gain(self, sigma: np.ndarray, flow_time: np.ndarray) -> np.ndarray:
        return self.law.gain(self.eigenvalues, sigma[:, None] ** 2, flow_time[:, None, None])
