"""Weights per mode over training by law, initial gain, noise level and depth: closed forms, labelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from scorelens.analysis.theory_laws import DIFFUSION, theory_law
from scorelens.dynamics import DeepLinear, GainLaw, InfiniteDepth, gain_emergence_time
from scorelens.dynamics.gain_law import optimal_gain
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, sigma_coordinate, variable

MODES = np.array([10.0, 3.0, 1.0, 0.3, 0.1])
FLOW_TIMES = np.logspace(-3, 3, 121)
LONG_FLOW_TIMES = np.logspace(-3, 6, 181)
TIME = "1 / " + VARIANCE


def gain_curves(
    laws: Sequence[str] = DIFFUSION,
    initial_gains: Sequence[float] = (0.0, 0.01, 0.1, 1.0),
    sigmas: Sequence[float] = (3.0, 1.0, 0.3, 0.1),
    variances: np.ndarray = MODES,
    flow_times: np.ndarray = FLOW_TIMES,
) -> xr.Dataset:
    """``gain(law, initial_gain, sigma, mode, flow_time)``, its ``optimum(sigma, mode)`` and when it emerges.

    ``laws`` are names of `scorelens.analysis.theory_laws.LAWS`; ``variances (mode,)`` the data's.
    ``emergence_time(law, initial_gain, sigma, mode)`` is the first crossing of the harmonic mean of start and
    optimum, ``emergence_gain`` that mean (learning dynamics (2.2), (7.3), (9.2), section 12.1).

    >>> curves = gain_curves(["two tied layers"], [0.1], [0.3], np.array([1.0]), np.array([0.0, 1e3]))
    >>> curves["gain"].values.ravel().round(6), float(curves["optimum"].squeeze().round(6))
    (array([0.1     , 0.917431]), 0.917431)
    """
    shape = (len(laws), len(initial_gains), len(sigmas), len(variances))
    gain, times = np.empty((*shape, len(flow_times))), np.empty(shape)
    for i, name in enumerate(laws):
        for j, start in enumerate(initial_gains):
            law = theory_law(name).make(start)
            for k, sigma in enumerate(sigmas):
                gain[i, j, k] = law.gain(variances[:, None], sigma**2, flow_times)
                times[i, j, k] = gain_emergence_time(law, variances, sigma**2).flow_time
    optimum = optimal_gain(variances, np.asarray(sigmas)[:, None] ** 2)
    starts = np.asarray(initial_gains)[:, None, None]
    total = starts + optimum
    dims = ("law", "initial_gain", "sigma", "mode")
    where = "learning dynamics (2.2), (7.3), (9.2)"
    variables = {
        "gain": variable((*dims, "flow_time"), gain, "Weight of the mode", PURE, where),
        "optimum": variable(("sigma", "mode"), optimum, "Weight of the best linear denoiser", PURE, "(2.2)"),
        "emergence_time": variable(
            dims, times, "Flow time of emergence", TIME, "learning dynamics, section 12.1"
        ),
        "emergence_gain": variable(
            dims[1:], 2.0 * starts * optimum / total, "Harmonic mean of start and optimum", PURE
        ),
    }
    coordinates = {"law": list(laws), "initial_gain": list(initial_gains), "flow_time": flow_times}
    return xr.Dataset(
        variables, coordinates | sigma_coordinate(np.asarray(sigmas)) | mode_coordinates(variances)
    )


def depth_curves(
    depths: Sequence[float] = (1, 2, 3, 4, 8, np.inf),
    initial_gains: Sequence[float] = (0.01, 0.001, 0.1),
    sigma: float = 0.3,
    variances: np.ndarray = MODES,
    flow_times: np.ndarray = LONG_FLOW_TIMES,
) -> xr.Dataset:
    """``gain(initial_gain, depth, mode, flow_time)`` of products of linear layers at one noise level.

    ``flow_time`` is ``kappa * training time`` with the pace of (9.1), ``2 learning_rate depth`` for
    independent layers: the one clock on which an infinite depth learns at all. ``half_time(initial_gain,
    depth, mode)`` is when the gain is midway between start and optimum; ``escape_time`` the estimate of
    learning dynamics, section 9.2, for small starts and depths from 3 on (NaN for others).

    >>> curves = depth_curves([1, np.inf], [0.1], 0.3, np.array([1.0]), np.array([0.0, 1e6]))
    >>> curves["gain"].values[0, :, 0].round(6)
    array([[0.1     , 0.917431],
           [0.1     , 0.917431]])
    """
    shape = (len(initial_gains), len(depths), len(variances))
    gain, times, escape = np.empty((*shape, len(flow_times))), np.empty(shape), np.full(shape, np.nan)
    for i, start in enumerate(initial_gains):
        for j, depth in enumerate(depths):
            law, pace = _of_depth(depth, start)
            gain[i, j] = law.gain(variances[:, None], sigma**2, flow_times / pace)
            found = gain_emergence_time(law, variances, sigma**2, criterion="arithmetic")
            times[i, j] = pace * found.flow_time
            if depth >= 3:
                escape[i, j] = start ** (2.0 / depth - 1.0) / (variances * (1.0 - 2.0 / depth))
    dims, where = ("initial_gain", "depth", "mode"), "learning dynamics (9.1), (9.2), (9.5)"
    optimum = optimal_gain(variances, sigma**2)
    variables = {
        "gain": variable((*dims, "flow_time"), gain, "Weight of the mode", PURE, where),
        "optimum": variable(("mode",), optimum, "Weight of the best linear denoiser", PURE, "(2.2)"),
        "half_time": variable(dims, times, "Flow time at the arithmetic mean", TIME, where),
        "half_gain": variable(
            ("initial_gain", "mode"),
            0.5 * (np.asarray(initial_gains)[:, None] + optimum),
            "Arithmetic mean",
            PURE,
        ),
        "escape_time": variable(
            dims, escape, "Estimate for small starts", TIME, "learning dynamics, section 9.2"
        ),
    }
    coordinates = {
        "initial_gain": list(initial_gains),
        "depth": np.asarray(depths, dtype=float),
        "flow_time": flow_times,
        "noise_level": variable((), sigma, "Noise level", "data units"),
    }
    return xr.Dataset(variables, coordinates | mode_coordinates(variances))


def _of_depth(depth: float, start: float) -> tuple[GainLaw, float]:
    """The law of independent layers, and its pace per unit of its own flow time."""
    if np.isinf(depth):
        return InfiniteDepth(start), 1.0
    law = DeepLinear(int(depth), start)
    return law, law.pace
