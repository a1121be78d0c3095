"""Phase portraits of weight and bias along one mode with a mean: field, nullclines, paths, rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp

from scorelens.dynamics import ModePoint, SingleMode, phase_portrait
from scorelens.instruments.labels import LENGTH, PURE, VARIANCE, sigma_coordinate, variable

WHERE = "learning dynamics, section 3.3"
WEIGHTS = np.linspace(-0.5, 1.5, 13)
BIASES = np.linspace(-1.0, 3.0, 15)
FLOW_TIMES = np.concatenate([[0.0], np.logspace(-2.5, 2, 120)])
STARTS = np.array([[0.0, 0.0], [1.4, 2.8], [-0.4, 2.8], [1.4, -0.9], [-0.4, -0.9], [0.5, 2.8]])


def portraits(
    overlaps: Sequence[float] = (1.0, 2.0, 0.5, 0.0),
    sigmas: Sequence[float] = (3.0, 0.3, 1.0),
    variance: float = 1.0,
    starts: np.ndarray = STARTS,
) -> xr.Dataset:
    """Phase portraits over ``(overlap, sigma)``, for a mode of ``variance`` on which the data have a mean.

    ``field_weight`` and ``field_bias (overlap, sigma, bias, weight)`` are the rates on a grid,
    ``path_weight`` and ``path_bias (overlap, sigma, start, flow_time)`` the closed form from each of ``starts
    (start, 2)``; ``weight_nullcline (.., bias)``, ``bias_nullcline (.., weight)``, the fixed point
    ``optimal_weight``, ``optimal_bias``, and the ``slow_rate`` and ``fast_rate`` of the approach with its
    ``slow_bound`` (learning dynamics, section 3.2 and 3.3). ``path_error`` is the largest difference between
    the paths and the field integrated numerically.

    >>> found = portraits([2.0], [1.0])
    >>> float(found["optimal_bias"].squeeze()), found["slow_rate"].values.ravel().round(6)
    (1.0, array([0.298438]))
    """
    columns = [[_one(SingleMode(variance, m), sigma, starts) for sigma in sigmas] for m in overlaps]
    variables = {
        name: variable(
            ("overlap", "sigma", *dims),
            [[one[name] for one in row] for row in columns],
            long_name,
            units,
            WHERE,
        )
        for name, (dims, long_name, units) in VARIABLES.items()
    }
    coordinates = {
        "overlap": list(overlaps),
        "weight": WEIGHTS,
        "bias": BIASES,
        "flow_time": FLOW_TIMES,
        "start": np.arange(len(starts)),
        "eigenvalue": variable((), variance, "Variance of the data along the mode", VARIANCE),
    }
    return xr.Dataset(variables, coordinates | sigma_coordinate(np.asarray(sigmas)))


VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "field_weight": (("bias", "weight"), "Rate of the weight per flow time", VARIANCE),
    "field_bias": (("bias", "weight"), "Rate of the bias per flow time", LENGTH),
    "path_weight": (("start", "flow_time"), "Weight along the path", PURE),
    "path_bias": (("start", "flow_time"), "Bias along the path", LENGTH),
    "weight_nullcline": (("bias",), "Weight that stands still at this bias", PURE),
    "bias_nullcline": (("weight",), "Bias that stands still at this weight", LENGTH),
    "optimal_weight": ((), "Weight of the fixed point", PURE),
    "optimal_bias": ((), "Bias of the fixed point", LENGTH),
    "slow_rate": ((), "Slow rate of the approach per flow time", PURE),
    "fast_rate": ((), "Fast rate of the approach per flow time", PURE),
    "slow_bound": ((), "Upper bound of the slow rate", PURE),
    "path_error": ((), "Largest difference to the integrated field", PURE),
}


def _one(mode: SingleMode, sigma: float, starts: np.ndarray) -> dict[str, np.ndarray]:
    found = phase_portrait(mode, sigma, WEIGHTS, BIASES, starts, FLOW_TIMES)
    slow, fast = mode.rates(sigma)
    shape = (len(BIASES), len(WEIGHTS))
    return {
        "field_weight": np.broadcast_to(found.field.weight, shape),
        "field_bias": np.broadcast_to(found.field.bias, shape),
        "path_weight": found.paths.weight.T,
        "path_bias": found.paths.bias.T,
        "weight_nullcline": found.weight_nullcline,
        "bias_nullcline": found.bias_nullcline,
        "optimal_weight": found.fixed_point.weight,
        "optimal_bias": found.fixed_point.bias,
        "slow_rate": slow,
        "fast_rate": fast,
        "slow_bound": 1.0 / (1.0 + np.square(mode.overlap) / (mode.eigenvalue + sigma**2)),
        "path_error": _path_error(mode, sigma, starts, found.paths),
    }


def _path_error(mode: SingleMode, sigma: float, starts: np.ndarray, paths: ModePoint) -> np.ndarray:
    half = len(starts)

    def field(_: float, state: np.ndarray) -> np.ndarray:
        return np.concatenate(mode.rate(state[:half], state[half:], sigma))

    span = (FLOW_TIMES[0], FLOW_TIMES[-1])
    found = solve_ivp(field, span, starts.T.ravel(), "LSODA", FLOW_TIMES, rtol=1e-11, atol=1e-13)
    return np.abs(found.y - np.concatenate([paths.weight.T, paths.bias.T])).max()
