"""What a run's configuration means for its instruments: noise levels, laws and scales."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from scorelens.core.noise_level import LogNormal, LogUniform, NoiseLevelLaw
from scorelens.core.sigma_grid import karras

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.results.config import RunConfig


def sampler_sigmas(config: RunConfig) -> np.ndarray:
    """Noise levels of the sampler, shape ``(n_sigmas,)``, descending.

    >>> from scorelens.results.config import RunConfig
    >>> len(sampler_sigmas(RunConfig()))
    40
    """
    return karras(**config.sampler.model_dump())


def measured_sigmas(config: RunConfig) -> np.ndarray:
    """Noise levels at which a run measures, ascending and log-spaced over the sampler's range.

    >>> from scorelens.results.config import RunConfig
    >>> measured_sigmas(RunConfig())[[0, -1]].round(3)
    array([2.e-03, 8.e+01])
    """
    sampler, n_sigmas = config.sampler, config.measurement.n_transfer_sigmas
    return np.geomspace(sampler.sigma_min, sampler.sigma_max, n_sigmas)


def noise_law(config: RunConfig) -> NoiseLevelLaw:
    """Law of the training noise level; ``loguniform`` spans the sampler's range.

    >>> from scorelens.results.config import RunConfig
    >>> noise_law(RunConfig())
    LogNormal(p_mean=-1.2, p_std=1.2)
    """
    if config.noise.name == "loguniform":
        return LogUniform(config.sampler.sigma_min, config.sampler.sigma_max)
    return LogNormal(config.noise.p_mean, config.noise.p_std)


def sigma_data(spectrum: Spectrum, config: RunConfig) -> float:
    """EDM's ``sigma_data``: as configured, or the root mean variance of the data's coordinates."""
    return config.preconditioning.sigma_data or math.sqrt(spectrum.total_variance / spectrum.dim)
