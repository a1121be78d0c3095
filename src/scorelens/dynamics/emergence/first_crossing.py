"""First crossing of a threshold by many trajectories at once, in the logarithm of flow time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.numerics.golden_section import golden_minimum

UNREACHED = np.inf
_EARLIEST, _LATEST = -60.0, 600.0
_SCAN = np.arange(-28.0, 60.5, 1.0)
_PEAK_STEPS = 30
_MOST_ITERATIONS = 200
_TOLERANCE = 1e-14

Excess = Callable[[np.ndarray], np.ndarray]


def first_crossing(trajectory: VarianceTrajectory, threshold: np.ndarray, *, monotone: bool) -> np.ndarray:
    """Smallest ``x = log(flow time)`` where the growth equals ``threshold``, per mode; ``UNREACHED`` for
    none, and for a threshold 0.

    ``threshold`` has the shape of the modes; the growth is 0 at ``x = -inf``. Trajectories that are not
    ``monotone`` are scanned for the first bracket, turning points included; then Newton's method, safeguarded
    by bisection, finds the root.
    """
    to_cross = np.isfinite(threshold) & (threshold != 0.0)
    if not np.any(to_cross):
        return np.full(np.shape(threshold), UNREACHED)
    sign, finite = np.sign(threshold), np.where(to_cross, threshold, 0.0)

    def excess(x: np.ndarray) -> np.ndarray:
        return np.where(to_cross, sign * (trajectory.growth(np.exp(x)) - finite), -1.0)

    def excess_and_rise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        time = np.exp(x)
        growth, slope = trajectory.growth_and_slope(time)
        return sign * (growth - finite), sign * time * slope

    low, high = np.full(threshold.shape, _EARLIEST), np.full(threshold.shape, _LATEST)
    if not monotone:
        low, high = _first_bracket(excess, low)
    found = excess(high) >= 0.0
    root = _safe_newton(excess_and_rise, np.where(found, low, 0.0), np.where(found, high, 0.0))
    return np.where(found, root, UNREACHED)


def _first_bracket(excess: Excess, like: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First interval at whose end the trajectory is beyond its threshold, or the last one if there is
    none."""
    at = np.concatenate([[_EARLIEST], _SCAN, [_LATEST]])
    values = np.stack([excess(np.full(like.shape, x)) for x in at])
    beyond = values >= 0.0
    first = np.where(beyond.any(axis=0), beyond.argmax(axis=0), len(at) - 1)
    low, high = at[first - 1], at[first]
    top = _highest_turn(values, first)
    if not np.any(top > 0):
        return low, high
    # Between two samples the trajectory may have gone beyond and come back.
    before, after = at[np.maximum(top - 1, 0)], at[np.minimum(top + 1, len(at) - 1)]
    peak = golden_minimum(lambda x: -excess(x), before, after, _PEAK_STEPS)
    turned = (top > 0) & (excess(peak) >= 0.0)
    return np.where(turned, before, low), np.where(turned, peak, high)


def _highest_turn(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Index of the highest local maximum before ``first`` that may hide a crossing, per mode; 0 for none.

    A smooth peak stands above its highest sample by less than that sample above its neighbours.
    """
    here, around = values[1:-1], np.minimum(values[:-2], values[2:])
    is_turn = (here >= values[:-2]) & (here > values[2:]) & (2.0 * here > around)
    before = np.arange(1, len(values) - 1).reshape(-1, *(1,) * first.ndim) < first
    inner = np.full(values.shape, -np.inf)
    inner[1:-1] = np.where(is_turn & before, here, -np.inf)
    return np.where(np.isfinite(inner.max(axis=0)), inner.argmax(axis=0), 0)


def _safe_newton(
    excess_and_rise: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    x, last = 0.5 * (low + high), high - low
    for _ in range(_MOST_ITERATIONS):
        value, rise = excess_and_rise(x)
        low, high = np.where(value < 0.0, x, low), np.where(value < 0.0, high, x)
        # No bracket is as wide as a step of 1e4, and the quotient of a flat trajectory would overflow.
        usable = (rise > 0.0) & (np.abs(value) <= 1e4 * rise)
        newton = x - np.where(usable, value, 0.0) / np.where(usable, rise, 1.0)
        inside = usable & (newton > low) & (newton < high) & (np.abs(newton - x) < 0.5 * last)
        # A step that rounding throws out of its bracket has arrived.
        arrived = usable & (np.abs(newton - x) <= _TOLERANCE * np.maximum(1.0, np.abs(x)))
        moved = np.where(inside, newton, np.where(arrived, x, 0.5 * (low + high)))
        last = np.abs(moved - x)
        x = moved
        if np.all(last <= _TOLERANCE * np.maximum(1.0, np.abs(x))):
            break
    return x
