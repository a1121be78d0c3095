"""A smooth function of one variable, sampled where a polynomial through the samples is nearly the best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def interpolated(
    function: Callable[[float], np.ndarray], start: float, stop: float, tolerance: float = 1e-13
) -> Callable[[float], np.ndarray]:
    """A stand-in for a smooth array-valued ``function`` that is costly to evaluate, between two numbers.

    Chebyshev points are doubled (each call is used again) until the polynomial through the old ones meets
    the new ones within ``tolerance`` of the largest entry. Raises ``ValueError`` after 257.

    >>> cube = interpolated(lambda x: np.array([x**3]), 0.0, 2.0)
    >>> cube(1.5).round(12)
    array([3.375])
    """
    known: dict[float, np.ndarray] = {}
    for n_steps in (2, 4, 8, 16, 32, 64, 128, 256):
        fractions = np.arange(n_steps + 1) / n_steps
        fresh = [fraction for fraction in fractions if fraction not in known]
        sampled = {fraction: function(_point(fraction, start, stop)) for fraction in fresh}
        settled = bool(known) and _agrees(known, sampled, start, stop, tolerance)
        known |= sampled
        if settled:
            return _through(known, start, stop)
    raise ValueError(
        f"the function between {start:g} and {stop:g} has not settled at 257 points; take a shorter range"
    )


def _point(fraction: float, start: float, stop: float) -> float:
    return (start + stop) / 2 - (stop - start) / 2 * float(np.cos(np.pi * fraction))


def _agrees(
    known: dict[float, np.ndarray],
    sampled: dict[float, np.ndarray],
    start: float,
    stop: float,
    tolerance: float,
) -> bool:
    guess = _through(known, start, stop)
    size = max(np.abs(value).max() for value in sampled.values())
    return all(
        np.abs(guess(_point(fraction, start, stop)) - value).max() <= tolerance * size
        for fraction, value in sampled.items()
    )


def _through(known: dict[float, np.ndarray], start: float, stop: float) -> Callable[[float], np.ndarray]:
    """The polynomial through Chebyshev points of the second kind, by its barycentric formula."""
    fractions = sorted(known)
    points = np.array([_point(fraction, start, stop) for fraction in fractions])
    values = np.stack([known[fraction] for fraction in fractions])
    weights = (-1.0) ** np.arange(len(points))
    weights[[0, -1]] /= 2

    def polynomial(x: float) -> np.ndarray:
        away = x - points
        if (away == 0).any():
            return values[np.argmin(np.abs(away))]
        shares = weights / away
        return np.tensordot(shares / shares.sum(), values, axes=1)

    return polynomial
