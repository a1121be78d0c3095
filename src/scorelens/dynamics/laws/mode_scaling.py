"""Skip, output and input scalings of a preconditioner along the modes, as functions of the noise variance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.core import checks
from scorelens.core.preconditioning import Scalings, matched_scalings, spectral_skip_scalings
from scorelens.dynamics.numerics.quadrature import steep_rule
from scorelens.dynamics.values import Values


class ModeScaling(ABC):
    """Scalings of ``D(x) = skip x + output F(input x)`` along each mode.

    The skip is always ``g / (g + sigma^2)``, the exact denoiser of the variance ``g`` that is assumed along a
    mode.
    """

    @property
    @abstractmethod
    def assumed_variance(self) -> np.ndarray:
        """Variance ``g > 0`` that the skip assumes along each mode: scalar or ``(mode,)``."""

    @abstractmethod
    def at(self, noise_variance: np.ndarray) -> Scalings:
        """The three scalings, broadcast between ``assumed_variance`` and ``noise_variance``."""

    @abstractmethod
    def integrated_leverage(self, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Integral of ``output * input`` over ``log(sigma)``, one per mode."""


@final
class MatchedScaling(ModeScaling):
    """Unit variance of input and target for data of the assumed variance: EDM's scalars, or spectral ([E1],
    [E21]).

    >>> MatchedScaling(0.25).at(np.array(0.25)).skip
    np.float64(0.5)
    """

    def __init__(self, assumed_variance: Values) -> None:
        self._assumed_variance = _assumed(assumed_variance)

    @property
    def assumed_variance(self) -> np.ndarray:
        return self._assumed_variance

    def at(self, noise_variance: np.ndarray) -> Scalings:
        return matched_scalings(self._assumed_variance, np.sqrt(noise_variance))

    def integrated_leverage(self, sigma_min: float, sigma_max: float) -> np.ndarray:
        root = np.sqrt(self._assumed_variance)
        span = root * (sigma_max - sigma_min)
        return np.arctan2(span, self._assumed_variance + sigma_min * sigma_max)  # [E6]


@final
@dataclass(frozen=True, eq=False)
class Population:
    """Assumed variances over *all* directions of the data: ``variance (j,)``, each held by ``count (j,)`` of
    them."""

    variance: np.ndarray
    count: np.ndarray

    def mean_posterior_variance(self, noise_variance: np.ndarray) -> np.ndarray:
        """Mean over directions of ``sigma^2 g / (g + sigma^2)``, shape of ``noise_variance``."""
        noise = np.asarray(noise_variance)[..., None]
        return np.average(noise * self.variance / (self.variance + noise), axis=-1, weights=self.count)

    @property
    def mean_variance(self) -> float:
        """Mean over directions of ``g``."""
        return float(np.average(self.variance, weights=self.count))


@final
class SpectralSkipScaling(ModeScaling):
    """Spectral skip with scalar output and input scalings ([E32]).

    ``population`` names the assumed variances over all directions of the data; without it the modes are all.
    """

    def __init__(self, assumed_variance: Values, population: Population | None = None) -> None:
        self._assumed_variance = _assumed(assumed_variance)
        flat = np.atleast_1d(self._assumed_variance).ravel()
        self._population = population or Population(flat, np.ones_like(flat))
        checks.positive("population.variance", self._population.variance)
        checks.non_negative("population.count", self._population.count)

    @property
    def assumed_variance(self) -> np.ndarray:
        return self._assumed_variance

    def at(self, noise_variance: np.ndarray) -> Scalings:
        posterior = self._population.mean_posterior_variance(noise_variance)
        return spectral_skip_scalings(
            self._assumed_variance, np.sqrt(noise_variance), posterior, self._population.mean_variance
        )

    def integrated_leverage(self, sigma_min: float, sigma_max: float) -> np.ndarray:
        rule = steep_rule(np.log(sigma_min), np.log(sigma_max), lambda u: np.full_like(u, 2.0))
        scalings = SpectralSkipScaling(1.0, self._population).at(rule.noise_variance)
        return np.asarray((rule.weight * scalings.output * scalings.input).sum())


def _assumed(variance: Values) -> np.ndarray:
    checks.positive(
        "assumed_variance", variance, "a direction with none can never be learned; set a floor ([E26])"
    )
    return np.asarray(variance, dtype=float)
