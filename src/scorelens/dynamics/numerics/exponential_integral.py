"""Exponential integrals in the forms that neither cancel nor overflow (learning dynamics, section 13)."""

from __future__ import annotations

import numpy as np
from scipy import special

from scorelens.dynamics.values import Values

_SERIES_UP_TO = 1.5
_SERIES_TERMS = 24
_ASYMPTOTIC_FROM = 50.0
_ASYMPTOTIC_TERMS = 20
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_CLOSE = 0.25


def ein(x: Values) -> np.ndarray:
    """``Ein(x)``, the integral of ``(1 - exp(-s)) / s`` from 0 to ``x >= 0``: entire, 0 at 0, ``~ ln x`` far
    out.

    Same shape as ``x``; relative error of a few units in the last place.

    >>> ein(np.array([0.0, 1.0])).round(6)
    array([0.      , 0.7966])
    """
    x = np.asarray(x, dtype=float)
    small = x <= _SERIES_UP_TO
    far = np.where(small, 1.0, x)
    return np.where(
        small, _ein_series(np.where(small, x, 0.0)), special.exp1(far) + np.log(far) + np.euler_gamma
    )


def _ein_series(x: np.ndarray) -> np.ndarray:
    # Horner form of sum (-1)^(n+1) x^n / (n n!), whose ratio of successive terms is -x (n-1) / n^2.
    total = np.ones_like(x)
    for n in range(_SERIES_TERMS, 1, -1):
        total = 1.0 - x * (n - 1) / n**2 * total
    return x * total


def scaled_e1(x: Values) -> np.ndarray:
    """``exp(x) E1(x)`` for ``x > 0``: falls like ``1 / x`` where ``E1`` itself underflows.

    >>> float(scaled_e1(1e6).round(12))
    9.99999e-07
    """
    x = np.asarray(x, dtype=float)
    far = x > _ASYMPTOTIC_FROM
    near = np.where(far, 1.0, x)
    inverse = 1.0 / np.where(far, x, 1e3)
    total = np.ones_like(inverse)
    for n in range(_ASYMPTOTIC_TERMS, 0, -1):
        total = 1.0 - n * inverse * total
    return np.where(far, inverse * total, np.exp(near) * special.exp1(near))


def e1_difference(small: Values, large: Values, log_ratio: Values) -> np.ndarray:
    """``E1(small) - E1(large)`` for ``0 <= small <= large``, where ``log_ratio = ln(large / small)``.

    Finite where both arguments are 0 (their ratio is all that matters there).
    """
    small, large = np.broadcast_arrays(np.asarray(small, dtype=float), np.asarray(large, dtype=float))
    late = small > 1.0
    direct = special.exp1(np.where(late, small, 1.0)) - special.exp1(np.where(late, large, 1.0))
    return np.where(late, direct, log_ratio - (ein(large) - ein(small)))


def ein_rise(first: np.ndarray, last: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """``Ein(last) - Ein(first)``, where ``rise = last - first`` is given because it may cancel."""
    close = np.abs(rise) <= np.maximum(1.0, _CLOSE * np.maximum(first, last))
    step, total = np.where(close, rise, 0.0), np.zeros(np.shape(rise))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        at = np.where(close, first + 0.5 * (1.0 + node) * step, 0.0)
        known = np.where(at > 0.0, at, 1.0)
        total = total + 0.5 * weight * step * np.where(at > 0.0, -np.expm1(-at) / known, 1.0)
    return np.where(close, total, ein(last) - ein(first))


def scaled_e1_fall(first: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """``exp(first) (E1(first) - E1(first + rise))`` for ``first > 0`` and ``rise >= 0``."""
    close = rise <= np.minimum(1.0, _CLOSE * first)
    step, total = np.where(close, rise, 0.0), np.zeros(np.shape(rise))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        way = 0.5 * (1.0 + node) * step
        total = total + 0.5 * weight * step * np.exp(-way) / (first + way)
    return np.where(close, total, scaled_e1(first) - np.exp(-rise) * scaled_e1(first + rise))
