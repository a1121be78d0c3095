"""Formulas of the early text 001 as printed, where they are wrong: for comparison only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.quadrature import integral_from_zero
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics import Level, OneTime, SharedWeights


def variance_eq_3(schedule: Schedule, t: ArrayLike) -> np.ndarray:
    """``int g_u^2 alpha_u^2 du``; true is ``int g_u^2 (alpha_t / alpha_u)^2 du`` ([G1]).

    >>> from scorelens.generalization.schedules import SubVariancePreservingSchedule
    >>> schedule = SubVariancePreservingSchedule([1.0])
    >>> variance_eq_3(schedule, 20.0).round(4), schedule.variance(20.0).round(4)
    (np.float64(0.6667), np.float64(1.0))
    """
    times = np.asarray(t, dtype=float)
    checks.non_negative("t", times)
    return integral_from_zero(lambda u: schedule.diffusion_squared(u) * schedule.alpha(u) ** 2, times)


def kernel_eq_20(leverage: ArrayLike, accumulated_variance: float, samples_time: float) -> np.ndarray:
    """``L / (4 c Z)``; ``c = N dt``. True is ``Z L / (4 c)``, of the time-binned reading alone ([G20])."""
    return np.asarray(leverage, dtype=float) / (4 * samples_time * accumulated_variance)


def smeared_covariance_eq_22(covariance: ArrayLike, kappa: float) -> np.ndarray:
    """``Sigma + kappa (1 + D) I``; true is ``1 + F`` with ``F`` features beside the constant ([G27])."""
    sigma = np.asarray(covariance, dtype=float)
    return sigma + kappa * (1 + len(sigma)) * np.eye(len(sigma))


def characteristic_function_eq_24(
    u: ArrayLike, mean: ArrayLike, covariance: ArrayLike, kappa: float
) -> np.ndarray:
    """Without the factor ``exp(-kappa |u|^2 / 2)`` of [G28]; its covariance is not that of Eq. 22."""
    u, mean, sigma = (np.asarray(part, dtype=float) for part in (u, mean, covariance))
    spread = 1 + kappa * (u**2).sum(axis=1)
    exponent = 1j * (u @ mean) - np.einsum("pi,ij,pj->p", u, sigma, u) / (2 * spread)
    return np.exp(exponent) * spread ** (-len(mean) / 2)


def bin_leverage_eq_25(probability: ArrayLike) -> np.ndarray:
    """``(1 - p) / p``, which is ``L - 1``: the quadratic form without the constant ([G25])."""
    p = np.asarray(probability, dtype=float)
    return (1 - p) / p


def target_products_eq_47(fit: SharedWeights, j: int, l: int) -> np.ndarray:  # noqa: E741
    """``delta_jl E[phi phi^T] / (Z g_0^2 dt)`` at the cut-off ``dt``; true is [G14].

    A factor ``dt`` is lost, with which it is the integrand at ``t = dt``; the true one grows like
    ``log(1 / dt)``, and has entries with ``j != l``.
    """
    z, g2 = _first_time(fit)
    clean = OneTime(fit.features, fit.law, 1.0, 0.0).second_moment
    return (j == l) * clean / (z * g2 * fit.times.t_min)


def score_covariance_eq_49(fit: SharedWeights, samples_time: float, x: ArrayLike, t: float) -> np.ndarray:
    """Covariance of the score at ``x (p, d)`` and one time, ``(p, p)`` per component, at ``N dt = c``.

    ``phi^T K^-1 E[phi phi^T] K^-1 phi' / (c Z g_0^2)`` with the prefactor ``1 / sigma_t^2`` that the text
    leaves out. It does not depend on ``dt``; the true one goes to zero like ``dt log(1 / dt)`` ([G16]).
    """
    z, g2 = _first_time(fit)
    clean = OneTime(fit.features, fit.law, 1.0, 0.0).second_moment
    level = float(fit.schedule.alpha(t)), float(fit.schedule.std(t))
    phi = fit.features.value(np.asarray(x, dtype=float), Level(*level, t))
    rows = np.linalg.solve(fit.second_moment, phi.T).T / level[1]
    return rows @ clean @ rows.T / (samples_time * z * g2)


def _first_time(fit: SharedWeights) -> tuple[float, float]:
    """``Z`` and ``g_0^2``; ``ValueError`` without a cut-off."""
    checks.positive("t_min", fit.times.t_min, "the printed form is infinite without a cut-off")
    z = float(fit.schedule.accumulated_variance(fit.times.t_max))
    return z, float(fit.schedule.diffusion_squared(0.0))
