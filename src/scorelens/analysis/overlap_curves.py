"""Two modes of a tied two-layer network that starts unaligned: what each learns, how their overlap moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.integrate import cumulative_simpson

from scorelens.dynamics.gain_law import optimal_gain
from scorelens.dynamics.weights.two_layer_overlaps import TwoLayerOverlaps, overlap_growth_rate
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, sigma_coordinate, variable

MODES = np.array([2.0, 0.5])
FLOW_TIMES = np.concatenate([np.linspace(0.0, 3.0, 61), np.linspace(3.2, 8.0, 25)])
WHERE = "learning dynamics (7.2)"
PHASES = ("neither learned", "larger learned", "both learned")


def overlap_curves(
    cosines: Sequence[float] = (0.001, 0.5, 0.95),
    sigmas: Sequence[float] = (1.0, 0.1, 0.5),
    variances: np.ndarray = MODES,
    initial_gain: float = 0.01,
    flow_times: np.ndarray = FLOW_TIMES,
) -> xr.Dataset:
    """Two modes that start with ``initial_gain`` each and overlap by ``cosine``, on ascending ``flow_times``.

    ``learned(cosine, sigma, mode, flow_time)`` is the gain of each mode over its optimum,
    ``overlap(cosine, sigma, flow_time)`` the size of the off-diagonal one, ``small_overlap`` what the growth
    rate (7.6) makes of its start; ``half_time(cosine, sigma, mode)`` when half is learned,
    ``peak_time(cosine, sigma)`` when the overlap is largest. ``phase_rate(sigma, phase)`` is the growth rate
    (7.6) in each of its three phases. Raises ``ValueError`` unless there are two descending variances.

    >>> curves = overlap_curves([0.1], [0.5], flow_times=np.linspace(0.0, 4.0, 41))
    >>> bool(curves["peak_time"].squeeze() < curves["half_time"].squeeze()[1])
    True
    """
    modes = np.asarray(variances, dtype=float)
    if modes.shape != (2,) or not modes[0] > modes[1]:
        raise ValueError(f"variances must be those of two modes, descending, got {modes}")
    starts = [initial_gain * np.array([[1.0, c], [c, 1.0]]) for c in cosines]
    found = np.array([[_grams(modes, start, sigma, flow_times) for sigma in sigmas] for start in starts])
    optimum = optimal_gain(modes, np.asarray(sigmas)[:, None] ** 2)
    gains, overlap = np.moveaxis(np.diagonal(found, axis1=-2, axis2=-1), -1, -2), np.abs(found[..., 0, 1])
    learned = gains / optimum[..., None]
    noise = np.asarray(sigmas)[:, None] ** 2
    growth = overlap_growth_rate(modes[0], modes[1], noise, gains[..., 0, :], gains[..., 1, :])
    small = overlap[..., :1] * np.exp(cumulative_simpson(growth, x=flow_times, initial=0.0))
    by, time = ("cosine", "sigma"), "1 / " + VARIANCE
    variables = {
        "learned": variable((*by, "mode", "flow_time"), learned, "Gain over its optimum", PURE, WHERE),
        "overlap": variable((*by, "flow_time"), overlap, "Size of the overlap of the two modes", PURE, WHERE),
        "small_overlap": variable(
            (*by, "flow_time"), small, "Overlap by the rate for small ones", PURE, "learning dynamics (7.6)"
        ),
        "half_time": variable((*by, "mode"), _half_times(learned, flow_times), "Half learned", time, WHERE),
        "peak_time": variable(by, flow_times[overlap.argmax(axis=-1)], "Largest overlap", time, WHERE),
        "phase_rate": variable(
            ("sigma", "phase"), _phases(modes, sigmas, optimum), "Growth rate of a small overlap", VARIANCE,
            "learning dynamics (7.6)",
        ),
    }  # fmt: skip
    coordinates = {"cosine": list(cosines), "flow_time": flow_times, "phase": list(PHASES)}
    return xr.Dataset(variables, coordinates | sigma_coordinate(np.asarray(sigmas)) | mode_coordinates(modes))


def _grams(modes: np.ndarray, start: np.ndarray, sigma: float, times: np.ndarray) -> np.ndarray:
    """Overlaps ``(time, 2, 2)``, the larger mode first, from one time to the next."""
    law = TwoLayerOverlaps.from_overlaps(modes, start)
    state, grams = law.start(sigma), []
    for step in np.diff(times, prepend=0.0):
        state = law.evolve(state, sigma, float(step)) if step > 0 else state
        grams.append(state)
    return np.array(grams)


def _half_times(learned: np.ndarray, times: np.ndarray) -> np.ndarray:
    """First of ``times`` at which half is learned; infinite where that is later."""
    reached = learned >= 0.5
    return np.where(reached.any(axis=-1), times[reached.argmax(axis=-1)], np.inf)


def _phases(modes: np.ndarray, sigmas: Sequence[float], optimum: np.ndarray) -> np.ndarray:
    noise, none = np.asarray(sigmas) ** 2, np.zeros(len(sigmas))
    larger, smaller = optimum.T
    gains = ((none, none), (larger, none), (larger, smaller))
    return np.stack([overlap_growth_rate(modes[0], modes[1], noise, a, b) for a, b in gains], axis=-1)
