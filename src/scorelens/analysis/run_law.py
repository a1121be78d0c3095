"""The gain law that a configuration stands for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from scorelens.dynamics import (
    LikelihoodWeight,
    LossWeight,
    NoiseWeight,
    PixelWeight,
    Population,
    PreconditionedOneLayer,
    ScoreWeight,
    TargetWeight,
    UnitWeight,
    VelocityWeight,
    VWeight,
)
from scorelens.instruments.settings import sigma_data
from scorelens.networks import AssumedCovariance

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.results.config import RunConfig


def law_of(spectrum: Spectrum, config: RunConfig, covariance: AssumedCovariance) -> PreconditionedOneLayer:
    """One linear layer behind the preconditioner of ``config``, trained on its noise law and loss.

    ``covariance`` is what the preconditioner assumes (`assumed_covariance`). The output layer is taken to
    start at zero: a random one would add to each mode a gain of order ``1 / sqrt(d)`` only ([E10]).
    """
    noise, loss = config.noise_law(), _loss(config, covariance)
    assumed = along_modes(covariance, spectrum.n_modes)
    if config.preconditioning.name == "edm":
        return PreconditionedOneLayer.edm(sigma_data(spectrum, config), noise, loss=loss)
    if config.preconditioning.name == "spectral":
        return PreconditionedOneLayer.spectral(assumed, noise, loss=loss)
    return PreconditionedOneLayer.spectral_skip(assumed, noise, population=_population(covariance), loss=loss)


def assumed_covariance(
    spectrum: Spectrum, config: RunConfig, samples: Iterable[np.ndarray] | None = None
) -> AssumedCovariance:
    """The covariance that the preconditioner of ``config`` assumes; EDM assumes one variance everywhere.

    ``samples`` are the blocks ``(b, *event)`` that the configured shrinkage reads; without them, none.
    """
    chosen = config.preconditioning
    if chosen.name == "edm":
        variance = sigma_data(spectrum, config) ** 2
        return AssumedCovariance(
            spectrum.mean, spectrum.eigenvectors, np.full(spectrum.n_modes, variance), variance
        )
    return AssumedCovariance.from_spectrum(
        spectrum,
        floor=chosen.floor or config.sampler.sigma_min**2,
        shrinkage="none" if samples is None else chosen.shrinkage,
        samples=samples,
        rank=chosen.rank,
    )


def along_modes(covariance: AssumedCovariance, n_modes: int) -> np.ndarray:
    """Variance assumed along each of the data's modes, ``(n_modes,)``; modes beyond its rank share one."""
    assumed = np.full(n_modes, covariance.rest)
    assumed[: len(covariance.variances)] = covariance.variances
    return assumed


_PLAIN_WEIGHTS: dict[str, type[LossWeight]] = {
    "target": TargetWeight,
    "x0": UnitWeight,
    "noise": NoiseWeight,
    "v": VWeight,
    "velocity": VelocityWeight,
    "score": ScoreWeight,
}


def _loss(config: RunConfig, covariance: AssumedCovariance) -> LossWeight:
    """All objectives have the denoising loss's gradient in the mean: only the weight tells them apart."""
    name = config.effective_loss
    if name == "pixel":
        return PixelWeight(config.preconditioning.sigma_data or math.sqrt(covariance.mean_variance))
    return LikelihoodWeight(config.noise_law()) if name == "likelihood" else _PLAIN_WEIGHTS[name]()


def _population(covariance: AssumedCovariance) -> Population:
    kept = len(covariance.variances)
    count = np.append(np.ones(kept), covariance.dim - kept)
    return Population(np.append(covariance.variances, covariance.rest), count)
