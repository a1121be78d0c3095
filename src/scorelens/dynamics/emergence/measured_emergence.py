"""When each mode emerged in a measured run: first crossing of a threshold along the checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.emergence.criterion import criterion_named
from scorelens.dynamics.emergence.times import AT_START, EMERGED, gray_zone
from scorelens.dynamics.values import Values

CENSORED = "censored"
GRAY = "gray"


@dataclass(frozen=True, eq=False)
class MeasuredEmergence:
    """Emergence steps of measured modes, each with its status; arrays have shape ``(mode,)``.

    ``status`` is ``emerged``; ``censored`` (not yet crossed: ``step`` is the last one seen, a lower bound);
    ``gray`` (starts within a factor of its target: ``step`` is where it crossed or the last one seen, but too
    little happened to be timed); or ``at start`` (on its target from the first checkpoint on: ``step`` is
    that one). ``rising`` says which way the mode has to go.
    """

    step: np.ndarray
    status: np.ndarray
    rising: np.ndarray
    threshold: np.ndarray

    @property
    def emerged(self) -> np.ndarray:
        """Mask of the modes that crossed their threshold and are not gray."""
        return self.status == EMERGED

    @property
    def censored(self) -> np.ndarray:
        """Mask of the modes that had not crossed when the run ended."""
        return self.status == CENSORED


def emergence_step(
    steps: np.ndarray,
    trajectory: np.ndarray,
    start: Values,
    target: np.ndarray,
    criterion: str = "harmonic",
    *,
    band: float = 1.25,
    gray_factor: float = 2.0,
) -> MeasuredEmergence:
    """Step at which each measured variance first crossed its threshold, interpolated in the logarithm of
    both.

    ``steps (n,)`` ascending and >= 0, ``trajectory (n, mode)`` > 0, ``start`` and ``target`` per mode
    (``start``: usually ``trajectory[0]``). ``criterion`` and ``band`` are those of `emergence_time`. A
    crossing right after step 0 is interpolated linearly in the step. Raises ``ValueError`` for steps out of
    order, shapes that do not fit and values that are not positive.

    >>> steps, values = np.array([0, 1, 4]), np.array([[1.0], [2.0], [8.0]])
    >>> found = emergence_step(steps, values, 1.0, np.array([16.0]), "geometric")
    >>> found.step, found.status
    (array([2.]), array(['emerged'], dtype='<U8'))
    """
    steps, values = _checked(steps, trajectory)
    start = np.broadcast_to(gain_law.positive("start", start), values.shape[1:])
    target = np.broadcast_to(gain_law.non_negative("target", target), values.shape[1:])
    known = np.where(target > 0.0, target, 1.0)
    distance = np.where(target > 0.0, np.log(known) - np.log(start), -np.inf)
    growth = criterion_named(criterion, band).threshold(distance)
    sign, log_threshold = np.sign(growth), np.log(start) + growth
    logs = np.log(values)
    finite = np.where(np.isfinite(log_threshold), log_threshold, 0.0)
    beyond = np.isfinite(log_threshold) & (sign * (logs - finite) >= 0.0)
    step = _interpolated_step(steps, logs, finite, beyond)
    status = np.where(beyond.any(axis=0), EMERGED, CENSORED)
    status = np.where(gray_zone(start, target, gray_factor), GRAY, status)
    at_start = (growth == 0.0) | (beyond[0] & (steps[0] == 0))
    step = np.where(at_start, steps[0], step)
    return MeasuredEmergence(
        step, np.where(at_start, AT_START, status), distance > 0.0, np.exp(log_threshold)
    )


def published_emergence_step(
    steps: np.ndarray,
    trajectory: np.ndarray,
    target: np.ndarray,
    criterion: str = "harmonic",
    *,
    smoothing: float = 2.0,
) -> MeasuredEmergence:
    """Emergence steps by the published procedure (Wang & Pehlevan 2025, figures on trained networks).

    The variance is smoothed over the *index* of the checkpoints by a Gaussian of ``smoothing`` checkpoints;
    the threshold is the mean of the target and the unsmoothed first value; the step is that of the first
    checkpoint whose smoothed value is strictly beyond the threshold, seen from the smoothed first value. No
    interpolation and no gray zone: steps are biased late by up to a checkpoint, and smoothing mixes far-apart
    steps of a sparse schedule. ``criterion`` is ``harmonic`` (published), ``geometric`` or ``arithmetic``;
    shapes as for `emergence_step`.

    >>> steps, values = np.arange(5), np.array([[1.0], [1.0], [1.0], [9.0], [9.0]])
    >>> published_emergence_step(steps, values, np.array([9.0]), smoothing=0.5).step
    array([2.])
    """
    checks.choice("criterion", criterion, ("harmonic", "geometric", "arithmetic"))
    checks.positive("smoothing", smoothing)
    steps, values = _checked(steps, trajectory)
    target = np.broadcast_to(gain_law.positive("target", target), values.shape[1:])
    distance = np.log(target) - np.log(values[0])
    threshold = values[0] * np.exp(criterion_named(criterion).threshold(distance))
    smooth = gaussian_filter1d(values, smoothing, axis=0)
    rising = smooth[0] <= threshold
    beyond = np.where(rising, smooth > threshold, smooth < threshold)
    crossed = beyond.any(axis=0)
    step = steps[np.where(crossed, beyond.argmax(axis=0), steps.size - 1)]
    return MeasuredEmergence(step, np.where(crossed, EMERGED, CENSORED), rising, threshold)


def _interpolated_step(
    steps: np.ndarray, logs: np.ndarray, log_threshold: np.ndarray, beyond: np.ndarray
) -> np.ndarray:
    crossed = beyond.any(axis=0)
    after = np.where(crossed, beyond.argmax(axis=0), steps.size - 1)
    before = np.maximum(after - 1, 0)
    columns = np.arange(logs.shape[1])
    low, high = logs[before, columns], logs[after, columns]
    moved = high != low
    share = np.where(moved, (log_threshold - low) / np.where(moved, high - low, 1.0), 1.0)
    share = np.clip(share, 0.0, 1.0)
    first, last = steps[before], steps[after]
    linear = first + share * (last - first)
    from_one = np.where(first > 0.0, first, 1.0)
    logarithmic = from_one * (np.maximum(last, from_one) / from_one) ** share
    return np.where(crossed, np.where(first > 0.0, logarithmic, linear), steps[-1])


def _checked(steps: np.ndarray, trajectory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    steps, values = gain_law.non_negative("steps", steps), gain_law.positive("trajectory", trajectory)
    if steps.ndim != 1 or steps.size == 0 or not np.all(np.diff(steps) > 0.0):
        raise ValueError(
            "steps must be a non-empty ascending sequence; sort the checkpoints and drop repeated ones"
        )
    if values.ndim != 2 or values.shape[0] != steps.size:
        raise ValueError(
            f"trajectory must have shape ({steps.size}, mode), got {values.shape}; one row per step"
        )
    return steps, values
