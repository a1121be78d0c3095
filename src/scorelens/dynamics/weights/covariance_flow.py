"""Generated covariance of a linear denoiser whose weights do not commute across noise levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from scorelens.dynamics import gain_law


def generated_covariance(
    weight: Callable[[float], np.ndarray],
    sigma_min: float,
    sigma_max: float,
    *,
    tolerance: float = 1e-11,
) -> np.ndarray:
    """Covariance ``(d, d)`` that the probability-flow ODE generates from ``D(x) = weight(sigma) x`` ((4.4)).

    Solves for the map from initial to final noise in ``log(sigma)``, so that the result is symmetric and
    positive semi-definite whatever the error. ``tolerance`` is the relative one of the integrator.

    >>> generated_covariance(lambda sigma: np.eye(2) / (1.0 + sigma**2), 0.01, 20.0).round(6)
    array([[0.997606, 0.      ],
           [0.      , 0.997606]])
    """
    gain_law.check_sigma_range(sigma_min, sigma_max)
    size = np.shape(weight(float(sigma_max)))[0]
    identity = np.eye(size)

    def drift(log_sigma: float, flat: np.ndarray) -> np.ndarray:
        map_ = flat.reshape(size, size)
        return ((identity - weight(float(np.exp(log_sigma)))) @ map_).ravel()

    span = np.log(sigma_max), np.log(sigma_min)
    solution = solve_ivp(
        drift, span, (sigma_max * identity).ravel(), "DOP853", rtol=tolerance, atol=tolerance * sigma_min
    )
    if not solution.success:
        raise ValueError(f"the probability-flow ODE could not be integrated: {solution.message}")
    final = solution.y[:, -1].reshape(size, size)
    return final @ final.T
