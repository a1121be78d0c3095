"""What a run's configuration means for its instruments: noise levels and scales."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.results.config import RunConfig


def measured_sigmas(config: RunConfig) -> np.ndarray:
    """Noise levels at which a run measures, ascending and log-spaced over the sampler's range.

    >>> from scorelens.results.config import RunConfig
    >>> measured_sigmas(RunConfig())[[0, -1]].round(3)
    array([2.e-03, 8.e+01])
    """
    sampler, n_sigmas = config.sampler, config.measurement.n_transfer_sigmas
    return np.geomspace(sampler.sigma_min, sampler.sigma_max, n_sigmas)


def sigma_data(spectrum: Spectrum, config: RunConfig) -> float:
    """EDM's ``sigma_data``: as configured, or the root mean variance, not below ``sigma_min``.

    >>> from scorelens.core.spectrum import Spectrum
    >>> from scorelens.results.config import RunConfig
    >>> sigma_data(Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 9, 5.0, (2,)), RunConfig()) ** 2
    2.5
    """
    if config.preconditioning.sigma_data is not None:
        return config.preconditioning.sigma_data
    return max(math.sqrt(spectrum.total_variance / spectrum.dim), config.sampler.sigma_min)
