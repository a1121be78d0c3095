"""Grids of noise levels for samplers."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks


def karras(n_sigmas: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> np.ndarray:
    """Noise levels, shape ``(n_sigmas,)`` in float64, descending from ``sigma_max`` to ``sigma_min``.

    Equal steps in ``sigma ** (1 / rho)`` (Karras et al. 2022, Eq. 5), without the final zero:
    a sampler that ends at ``sigma_min`` generates the data at that noise level.

    Raises ``ValueError`` for fewer than two levels, or levels not in ``0 < sigma_min < sigma_max``.

    >>> karras(3, 0.002, 80.0).round(3)
    array([8.000e+01, 2.515e+00, 2.000e-03])
    """
    checks.at_least("n_sigmas", n_sigmas, 2)
    checks.positive("sigma_min", sigma_min, "the score is singular at zero noise")
    checks.positive("sigma_max", sigma_max)
    checks.positive("rho", rho)
    if not sigma_max > sigma_min:
        raise ValueError(f"sigma_max must exceed sigma_min, got {sigma_max:g} <= {sigma_min:g}")
    ramp = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n_sigmas)
    grid = ramp**rho
    grid[0], grid[-1] = sigma_max, sigma_min
    return grid
