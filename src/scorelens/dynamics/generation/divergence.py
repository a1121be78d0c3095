"""Kullback-Leibler divergence per mode between what is generated and what should be."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw
from scorelens.dynamics.values import Values

_SERIES_BELOW = 0.5
_SERIES_TERMS = 18


def kl_from_log_ratio(log_ratio: Values) -> np.ndarray:
    """``KL(N(0, a) || N(0, b))`` of scalar Gaussians with ``log_ratio = log(a / b)``, in nats; shape kept.

    ``(exp(d) - 1 - d) / 2``, without cancellation near 0 and infinite for an infinite ratio (learning
    dynamics, section 6.3).

    >>> kl_from_log_ratio(np.array([0.0, 1e-9, 1.0]))
    array([0.00000000e+00, 2.50000000e-19, 3.59140914e-01])
    """
    ratio = np.asarray(log_ratio, dtype=float)
    near = np.abs(ratio) < _SERIES_BELOW
    small = np.where(near, ratio, 0.0)
    series = np.ones_like(small)
    for n in range(_SERIES_TERMS, 2, -1):
        series = 1.0 + small / n * series
    far = np.where(near | np.isinf(ratio), 1.0, ratio)
    with np.errstate(over="ignore"):
        direct = np.where(np.isinf(ratio), np.inf, 0.5 * (np.expm1(far) - far))
    return np.where(near, 0.25 * small**2 * series, direct)


def kl_per_mode(variance: Values, reference_variance: Values, mean_difference: Values = 0.0) -> np.ndarray:
    """``KL(N(m, variance) || N(m', reference_variance))`` per mode, in nats ((6.4)); swap them for the other
    way.

    ``mean_difference`` is ``m - m'`` along the mode. Arguments broadcast; a variance 0 on either side gives
    infinity. Raises ``ValueError`` for a negative variance.

    >>> float(kl_per_mode(2.0, 1.0).round(6))
    0.153426
    """
    first = gain_law.non_negative("variance", variance)
    second = gain_law.non_negative("reference_variance", reference_variance)
    checks.finite("mean_difference", mean_difference)
    defined = (first > 0.0) & (second > 0.0)
    known = np.where(defined, second, 1.0)
    relative = np.where(defined, (first - second) / known, 0.0)
    # log1p keeps the digits of two variances that nearly agree.
    ratio = np.where(
        np.abs(relative) < 0.5, np.log1p(np.clip(relative, -0.5, 0.5)), _log_ratio(first, second)
    )
    shift = 0.5 * np.square(mean_difference) / known
    return np.where(defined, kl_from_log_ratio(np.where(defined, ratio, 0.0)) + shift, np.inf)


def log_ratio_to_data(
    law: GainLaw,
    eigenvalue: Values,
    flow_time: Values,
    sigma_min: float,
    sigma_max: float,
) -> np.ndarray:
    """``log(generated variance / data variance)``, with its digits late in training.

    ``inf`` for an eigenvalue 0.

    `kl_from_log_ratio` of it is KL(generated || data), of its negative KL(data || generated).
    """
    limit = law.log_limit_ratio(eigenvalue, sigma_min, sigma_max)
    return limit + log_ratio_to_limit(law, eigenvalue, flow_time, sigma_min, sigma_max)


def log_ratio_to_limit(
    law: GainLaw,
    eigenvalue: Values,
    flow_time: Values,
    sigma_min: float,
    sigma_max: float,
) -> np.ndarray:
    """``log(generated variance / variance of the converged sampler)``, with all its digits at late times.

    `kl_from_log_ratio` of it is the divergence to the converged sampler at the same noise levels.
    """
    sign, log_size = law.log_deviation(eigenvalue, flow_time, sigma_min, sigma_max)
    return sign * np.exp(log_size)


def _log_ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    defined = (first > 0.0) & (second > 0.0)
    return np.log(np.where(defined, first, 1.0)) - np.log(np.where(defined, second, 1.0))
