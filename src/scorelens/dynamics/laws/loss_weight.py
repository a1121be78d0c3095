"""How a denoising loss weighs noise levels and modes, as a gain law sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.core.noise_level import NoiseLevelLaw

_NEVER = 1e-290


class LossWeight(ABC):
    """Weight ``w`` of the squared error ``w |D(x) - x_0|^2``, times the square of the output scaling.

    Only this product enters the dynamics of a preconditioned network ([E3]).
    """

    name: ClassVar[str]
    equation: ClassVar[str]
    steepest: ClassVar[float] = 4.0
    """Bound of ``|d log / d log(sigma)|`` of the relaxation rate of any mode, but for the density."""

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


class LevelWeight(LossWeight):
    """A weight of the squared error of the denoiser that depends on the noise level only."""

    @abstractmethod
    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        """``w`` at noise variances > 0, same shape."""

    @final
    def effective(self, noise_variance: np.ndarray, output_variance: np.ndarray) -> np.ndarray:
        return self.weight(np.asarray(noise_variance)) * output_variance


@final
@dataclass(frozen=True)
class UnitWeight(LevelWeight):
    """The plain squared error of the denoiser, ``w = 1``."""

    name: ClassVar[str] = "unit"
    equation: ClassVar[str] = "[E3]"

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        return np.ones_like(noise_variance, dtype=float)


@final
@dataclass(frozen=True)
class PixelWeight(LevelWeight):
    """EDM's weight on the squared pixel error, ``w = (sigma^2 + s^2) / (sigma^2 s^2)`` with ``s =
    sigma_data``."""

    sigma_data: float = 0.5
    name: ClassVar[str] = "pixel"
    equation: ClassVar[str] = "[E24]"

    def __post_init__(self) -> None:
        checks.positive("sigma_data", self.sigma_data)

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        return 1.0 / self.sigma_data**2 + 1.0 / noise_variance


@final
@dataclass(frozen=True)
class NoiseWeight(LevelWeight):
    """Squared error of the predicted noise, ``w = 1 / sigma^2``."""

    name: ClassVar[str] = "noise"
    equation: ClassVar[str] = "ho2020, Eq. 14"

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        return 1.0 / noise_variance


@final
@dataclass(frozen=True)
class VWeight(LevelWeight):
    """Squared error of v in the variance-preserving frame, ``w = 1 + 1 / sigma^2``."""

    name: ClassVar[str] = "v"
    equation: ClassVar[str] = "salimans2022, Sec. 4"

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        return 1.0 + 1.0 / noise_variance


@final
@dataclass(frozen=True)
class VelocityWeight(LevelWeight):
    """Squared error of the velocity of straight lines, ``w = (1 + 1 / sigma)^2``: that of flow matching.

    >>> float(VelocityWeight().weight(np.array(0.25)))
    9.0
    """

    name: ClassVar[str] = "velocity"
    equation: ClassVar[str] = "lipman2023, Eq. 23"

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        return (1.0 + 1.0 / np.sqrt(noise_variance)) ** 2


@final
@dataclass(frozen=True)
class ScoreWeight(LevelWeight):
    """Squared error of the score, ``w = 1 / sigma^4``."""

    name: ClassVar[str] = "score"
    equation: ClassVar[str] = "score estimation [S3]"
    steepest: ClassVar[float] = 6.0

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        return np.asarray(noise_variance, dtype=float) ** -2.0


@final
@dataclass(frozen=True)
class LikelihoodWeight(LevelWeight):
    """``w = 1 / (sigma^2 p)`` with ``p`` the density of ``log(sigma)`` under ``noise``: whatever is drawn,
    all levels of its range count as ``d sigma^2`` of the squared error of the score.

    A level that is never drawn has no weight.

    >>> from scorelens.core.noise_level import LogUniform
    >>> float(LikelihoodWeight(LogUniform(0.1, 10.0)).weight(np.array(0.25)) / np.log(100))
    4.0
    """

    noise: NoiseLevelLaw
    name: ClassVar[str] = "likelihood"
    equation: ClassVar[str] = "song2021b, Theorem 1"

    def weight(self, noise_variance: np.ndarray) -> np.ndarray:
        density = self.noise.density(0.5 * np.log(noise_variance))
        drawn = density > _NEVER
        return np.where(drawn, 1.0 / (noise_variance * np.where(drawn, density, 1.0)), 0.0)


WEIGHTS: tuple[type[LossWeight], ...] = (
    TargetWeight,
    UnitWeight,
    PixelWeight,
    NoiseWeight,
    VWeight,
    VelocityWeight,
    ScoreWeight,
    LikelihoodWeight,
)
