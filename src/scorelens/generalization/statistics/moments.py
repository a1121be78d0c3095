"""Moments of one sample's share in the normal equations: what diverges at small time ([G14], [G18])."""

from __future__ import annotations

import math

import numpy as np

from scorelens.core import checks
from scorelens.generalization.laws import ComponentNodes
from scorelens.generalization.statistics.regression import Draw, ScoreRegression, Term

_EXACT = 4
"""Factors for which the rules of the other averages are exact."""


def target_products(fit: ScoreRegression, j: int, l: int) -> np.ndarray:  # noqa: E741
    """``E[J_ij J_kl]`` over ``(i, k)``, ``(F, F)``, with ``J_ij = -w a phi_i target_j`` ([G14]).

    From the law of the target given ``x``, which equals the printed form with two derivatives by Stein's
    identity, and holds for features that jump too.
    """
    _axes(fit, j, l)

    def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
        mean, covariance = part.target()
        factor = (draw.weight * draw.scale) ** 2 * part.weight
        products = covariance[:, j, l] + mean[:, j] * mean[:, l]
        size = np.abs(mean[:, j] * mean[:, l]) @ (factor * (phi**2).sum(axis=1))
        return (factor * products * phi.T) @ phi, np.atleast_1d(size)

    shape = (fit.n_features,) * 2
    raw = np.eye(fit.n_features)
    return fit.training_mean("E[J J]", term, shape, _EXACT, 2, 4.0, basis=raw)


def feature_products(fit: ScoreRegression) -> np.ndarray:
    """``E[w^2 a^4 phi_i phi_j phi_k phi_l]``, ``(F, F, F, F)``: the fluctuation of ``K`` ([G14])."""

    def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
        pairs = (phi[:, :, None] * phi[:, None]).reshape(len(phi), -1)
        factor = draw.weight**2 * draw.scale**4 * part.weight
        return (factor * pairs.T) @ pairs, np.zeros(1)

    shape = (fit.n_features,) * 4
    return fit.training_mean("E[K K]", term, shape, _EXACT, 2, 4.0, basis=np.eye(fit.n_features))


def target_moment(fit: ScoreRegression, order: int, feature: int = 0, component: int = 0) -> float:
    """``E[J_ij^order]`` of one feature ``i`` and component ``j`` ([G18])."""
    checks.whole("order", order, 1)
    _axes(fit, component)

    def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
        mean, covariance = part.target()
        moment = gaussian_moment(mean[:, component], covariance[:, component, component], order)
        powers = (-draw.weight * draw.scale * phi[:, feature]) ** order * part.weight
        return np.atleast_1d(powers @ moment), np.atleast_1d(np.abs(powers) @ np.abs(moment))

    noise_power = 2.0 * order - order % 2  # an odd moment needs one derivative
    basis = np.eye(fit.n_features)
    found = fit.training_mean("E[J^n]", term, (), 2 * order, order, noise_power, basis=basis)
    return float(found)


def gaussian_moment(mean: np.ndarray, variance: np.ndarray | float, order: int) -> np.ndarray:
    """``E[z^order]`` of ``z ~ N(mean, variance)``.

    >>> gaussian_moment(np.array([1.0]), 2.0, 4)
    array([25.])
    """
    total = np.zeros_like(mean)
    for r in range(order // 2 + 1):
        pairings = math.factorial(2 * r) // (2**r * math.factorial(r))
        total = total + math.comb(order, 2 * r) * pairings * variance**r * mean ** (order - 2 * r)
    return total


def _axes(fit: ScoreRegression, *axes: int) -> None:
    for axis in axes:
        if not 0 <= axis < fit.law.dim:
            raise ValueError(f"components are numbered 0 to {fit.law.dim - 1}, got {axis}")
