"""Log-partition function of a trigonometric log density on the torus."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import i0e, logsumexp

from scorelens.core import checks
from scorelens.estimators.features.base import refuse_too_large
from scorelens.estimators.features.fourier import Fourier

_TOLERANCE = 1e-13
_BLOCK = 2**16


def trig_log_partition(features: Fourier, theta: ArrayLike) -> float:
    """``log`` of the mean of ``exp(theta . phi)`` over one period cell ([S12], [S14]).

    Frequencies that are independent over the integers have independent phases, so the answer is a sum of
    ``log I_0(r)`` with ``r`` the amplitude of each: it does not depend on how high the frequencies are.
    Others are integrated by the periodic trapezoid rule, refined until it settles. ``ValueError`` if the
    frequencies of an axis have no common period or the grid would not fit.

    >>> low, high = (trig_log_partition(Fourier([[k]]), [0.8, -0.6]) for k in (1, 20))
    >>> round(low, 10), low == high
    (0.2359143585, True)
    """
    theta = np.asarray(theta, dtype=float)
    if theta.shape != (features.n_features,):
        raise ValueError(f"theta must hold {features.n_features} entries, got shape {theta.shape}")
    checks.finite("theta", theta)
    cosine, sine = np.split(theta, 2)
    amplitude, phase = np.hypot(cosine, sine), np.arctan2(sine, cosine)
    active = amplitude > 0
    whole = np.array([_whole_multiples(column) for column in features.frequencies.T]).T[active]
    amplitude, phase = amplitude[active], phase[active]
    if len(whole) == 0:
        return 0.0
    if np.linalg.matrix_rank(whole) == len(whole):
        return float(_log_bessel(amplitude).sum())
    return _trapezoid(whole, amplitude, phase)


def _log_bessel(r: np.ndarray) -> np.ndarray:
    """``log I_0(r)``, to full relative accuracy for small and large ``r``."""
    small = np.minimum(r, 1.0) ** 2 / 4
    terms = np.ones_like(small)
    series = np.zeros_like(small)
    for k in range(1, 15):
        terms = terms * small / k**2
        series = series + terms
    return np.where(r < 1, np.log1p(series), np.log(i0e(r)) + r)


def _whole_multiples(column: np.ndarray) -> list[int]:
    """The frequencies of one axis as whole multiples of a common one."""
    ratios = [Fraction(float(value)).limit_denominator(10**4) for value in column]
    if not np.allclose([float(r) for r in ratios], column, rtol=1e-12, atol=0.0):
        raise ValueError("frequencies of one axis have no common period; take multiples of one number")
    denominator = lcm(*(r.denominator for r in ratios))
    whole = [int(r * denominator) for r in ratios]
    shared = gcd(*whole) or 1
    return [value // shared for value in whole]


def _trapezoid(whole: np.ndarray, amplitude: np.ndarray, phase: np.ndarray) -> float:
    """The mean over the cell by grids of twice the points until nothing moves."""
    sizes = 8 * np.abs(whole).max(axis=0) + 1
    found, power = _on_grid(whole, amplitude, phase, sizes), 0
    while True:
        last, power = found, power + 1
        found = _on_grid(whole, amplitude, phase, (sizes - 1) * 2**power + 1)
        if abs(found - last) <= _TOLERANCE * max(1.0, abs(found)):
            return found


def _on_grid(whole: np.ndarray, amplitude: np.ndarray, phase: np.ndarray, sizes: np.ndarray) -> float:
    shape = tuple(int(n) for n in sizes)
    refuse_too_large("the grid of one period cell", (*shape, len(whole)))
    count = int(np.prod(shape))
    sums = []
    for start in range(0, count, _BLOCK):
        cells = np.unravel_index(np.arange(start, min(start + _BLOCK, count)), shape)
        sums.append(logsumexp(_waves(cells, shape, whole, phase) @ amplitude))
    return float(logsumexp(sums) - np.log(count))


def _waves(
    cells: tuple[np.ndarray, ...], shape: tuple[int, ...], whole: np.ndarray, phase: np.ndarray
) -> np.ndarray:
    """Every wave at these cells of the grid; ``(n, waves)``."""
    angles = np.stack([2 * np.pi * cell / n for cell, n in zip(cells, shape, strict=True)], axis=-1)
    return np.cos(angles @ whole.T - phase)
