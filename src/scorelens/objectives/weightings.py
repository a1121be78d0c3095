"""How squared denoising errors are weighed: one number per sample.

A weight of one parametrisation's error is a weight of the clean data's error: at a given ``x_t`` each
prediction is an affine map of every other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.noise_level import NoiseLevelLaw
from scorelens.core.parametrization import Parametrization
from scorelens.core.processes import NoiseProcess


class Weighting(ABC):
    """From a residual ``D(x) - x0`` of shape ``(batch, *event)`` to a loss per sample, averaged over d.

    >>> [member.name for member in ALL if not issubclass(member, LevelWeighting)]
    ['target']
    """

    name: ClassVar[str]
    equation: ClassVar[str]

    @abstractmethod
    def __call__(self, residual: Tensor, sigma: Tensor) -> Tensor:
        """Weighted mean squared coordinate, shape ``(batch,)``; ``sigma`` has shape ``(batch,)``."""


class LevelWeighting(Weighting):
    """A weighting that depends on the noise level only, so that every objective can carry it.

    >>> Noise()(2.0 * torch.ones(1, 3), torch.tensor([0.5]))  # 4 times the mean square
    tensor([16.])
    """

    @abstractmethod
    def weight(self, sigma: Tensor) -> Tensor:
        """Weight of the mean squared error of the clean data, ``(batch,)``, for ``sigma (batch,)`` > 0."""

    @final
    def __call__(self, residual: Tensor, sigma: Tensor) -> Tensor:
        return self.weight(sigma) * residual.flatten(1).square().mean(1)


@final
@dataclass(frozen=True)
class Pixel(LevelWeighting):
    """``(sigma^2 + s^2) / (sigma s)^2`` per coordinate, s = ``sigma_data`` (Karras et al. 2022).

    >>> Pixel(1.0)(torch.ones(1, 3), torch.tensor([1.0]))
    tensor([2.])
    """

    sigma_data: float
    name: ClassVar[str] = "pixel"
    equation: ClassVar[str] = "E1"

    def __post_init__(self) -> None:
        checks.positive("sigma_data", self.sigma_data)

    def weight(self, sigma: Tensor) -> Tensor:
        return sigma.pow(-2) + self.sigma_data**-2  # [E1]: (sigma^2 + s^2) / (sigma s)^2


@final
@dataclass(frozen=True)
class Target(Weighting):
    """``|C_out^-1 residual|^2``: every direction of the network's output weighs alike.

    ``whiten(residual, sigma)`` applies ``C_out^-1``; a preconditioner has it.

    >>> Target(lambda residual, sigma: residual / sigma[:, None])(torch.ones(1, 3), torch.tensor([0.5]))
    tensor([4.])
    """

    whiten: Callable[[Tensor, Tensor], Tensor]
    name: ClassVar[str] = "target"
    equation: ClassVar[str] = "E24"

    def __call__(self, residual: Tensor, sigma: Tensor) -> Tensor:
        return self.whiten(residual, sigma).flatten(1).square().mean(1)  # [E23], [E24]


@final
@dataclass(frozen=True)
class CleanData(LevelWeighting):
    """Squared error of the clean data itself: weight 1.

    >>> CleanData().weight(torch.tensor([0.5]))
    tensor([1.])
    """

    name: ClassVar[str] = "x0"
    equation: ClassVar[str] = "geometry, section 0"

    def weight(self, sigma: Tensor) -> Tensor:
        return torch.ones_like(sigma)


@final
@dataclass(frozen=True)
class Noise(LevelWeighting):
    """Squared error of the predicted noise: ``1 / sigma^2``, which is ``lambda = sigma^2`` on the score.

    >>> Noise().weight(torch.tensor([0.5]))
    tensor([4.])
    """

    name: ClassVar[str] = "noise"
    equation: ClassVar[str] = "ho2020, Eq. 14; song2019b, Eq. 6"

    def weight(self, sigma: Tensor) -> Tensor:
        return sigma.pow(-2)


@final
@dataclass(frozen=True)
class V(LevelWeighting):
    """Squared error of v in the variance-preserving frame: ``1 + 1 / sigma^2``, EDM's at ``sigma_data = 1``.

    >>> V().weight(torch.tensor([0.5]))
    tensor([5.])
    """

    name: ClassVar[str] = "v"
    equation: ClassVar[str] = "salimans2022, Sec. 4"

    def weight(self, sigma: Tensor) -> Tensor:
        return 1.0 + sigma.pow(-2)


@final
@dataclass(frozen=True)
class Velocity(LevelWeighting):
    """Squared error of the velocity of straight lines: ``(1 + 1 / sigma)^2``, that is ``1 / t^2``.

    >>> Velocity().weight(torch.tensor([0.5]))
    tensor([9.])
    """

    name: ClassVar[str] = "velocity"
    equation: ClassVar[str] = "lipman2023, Eq. 23"

    def weight(self, sigma: Tensor) -> Tensor:
        return (1.0 + 1.0 / sigma).square()


@final
@dataclass(frozen=True)
class Score(LevelWeighting):
    """Squared error of the score of the noised data: ``1 / sigma^4``.

    >>> Score().weight(torch.tensor([0.5]))
    tensor([16.])
    """

    name: ClassVar[str] = "score"
    equation: ClassVar[str] = "score estimation [S3]"

    def weight(self, sigma: Tensor) -> Tensor:
        return sigma.pow(-4)


@final
@dataclass(frozen=True)
class Likelihood(LevelWeighting):
    """``1 / (sigma^2 p(log sigma))``: the mean over ``noise_law``, whose density is p, bounds the likelihood.

    Written for scores, ``g(t)^2`` per time for every process: d times the mean loss is the integral of
    ``1/2 E |error of the score|^2 d sigma^2`` over the law's range, in nats.

    >>> from scorelens.core.noise_level import LogUniform
    >>> Likelihood(LogUniform(0.1, 10.0)).weight(torch.tensor([0.5])) / np.log(100)
    tensor([4.])
    """

    noise_law: NoiseLevelLaw
    name: ClassVar[str] = "likelihood"
    equation: ClassVar[str] = "song2021b, Theorem 1"

    def weight(self, sigma: Tensor) -> Tensor:
        # A draw at the end of the law's range is rounded, perhaps beyond it.
        level = np.log(sigma.detach().cpu().double().numpy()).clip(*self.noise_law.support)
        density = self.noise_law.density(level)
        return sigma.pow(-2) / torch.as_tensor(density).to(sigma)


@final
@dataclass(frozen=True)
class Predicted(LevelWeighting):
    """Squared error of what a network predicts about ``x_t`` of a process, in any parametrisation.

    >>> from scorelens.core import parametrization
    >>> from scorelens.core.processes import FlowMatching
    >>> Predicted(parametrization.Velocity(), FlowMatching()).weight(torch.tensor([0.5]))
    tensor([9.])
    """

    parametrization: Parametrization
    process: NoiseProcess
    name: ClassVar[str] = "predicted"
    equation: ClassVar[str] = "geometry, section 0"

    def weight(self, sigma: Tensor) -> Tensor:
        at = self.process.coefficients(self.process.time(sigma.double()))
        zero = torch.zeros(len(sigma), 1, dtype=torch.float64, device=sigma.device)
        return self.parametrization.from_x0(zero + 1.0, zero, at).square()[:, 0].to(sigma)


@final
@dataclass(frozen=True)
class Custom(LevelWeighting):
    """A weight of the user's own, ``of_sigma((batch,)) -> (batch,)``, of the clean data's mean squared error.

    >>> Custom(lambda sigma: 1 / (1 + sigma))(torch.ones(1, 3), torch.tensor([1.0]))
    tensor([0.5000])
    """

    of_sigma: Callable[[Tensor], Tensor]
    name: ClassVar[str] = "custom"
    equation: ClassVar[str] = "karras2022, Eq. 8"

    def weight(self, sigma: Tensor) -> Tensor:
        return self.of_sigma(sigma)


ALL: tuple[type[Weighting], ...] = (
    Pixel,
    Target,
    CleanData,
    Noise,
    V,
    Velocity,
    Score,
    Likelihood,
    Predicted,
    Custom,
)
