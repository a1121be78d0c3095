"""Generated variance per mode over training, by law, initial gain and range of noise levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from scorelens.analysis.theory_laws import theory_law
from scorelens.dynamics import ExactSampler, Sampler
from scorelens.instruments.labels import VARIANCE, mode_coordinates, variable

MODES = np.array([100.0, 10.0, 1.0, 0.1, 0.01])
FLOW_TIMES = np.logspace(-6, 4, 161)
OF_FLOW_MATCHING = np.logspace(-3, 5, 129)
WHERE = "learning dynamics (5.3), (7.5)"
WHERE_FLOW = "learning dynamics (11.1), (11.4), (11.5)"


def variance_curves(
    laws: Sequence[str] = ("one layer", "two tied layers"),
    initial_gains: Sequence[float] = (0.0, 0.1, 0.5, 1.0),
    sigma_mins: Sequence[float] = (0.2, 0.02, 0.002),
    variances: np.ndarray = MODES,
    flow_times: np.ndarray = FLOW_TIMES,
    sigma_max: float = 80.0,
) -> xr.Dataset:
    """``generated_variance(law, initial_gain, sigma_min, mode, flow_time)`` of the exact sampler.

    ``start_variance`` and ``limit_variance`` are those before and after infinite training. ``laws`` are names
    of `scorelens.analysis.theory_laws.LAWS` that learn diffusion; ``variances (mode,)`` the data's.

    >>> curves = variance_curves(["one layer"], [0.5], [0.002], np.array([1.0]), np.array([0.0, 1e-3, 1e3]))
    >>> curves["generated_variance"].values.ravel().round(6)
    array([0.16    , 0.047872, 0.999848])
    """
    samplers = [ExactSampler(sigma_min, sigma_max) for sigma_min in sigma_mins]
    found = [
        [[_one(name, gain, s, variances, flow_times) for s in samplers] for gain in initial_gains]
        for name in laws
    ]
    dims = ("law", "initial_gain", "sigma_min", "mode")
    coordinates = {"sigma_min": list(sigma_mins), **_shared(laws, initial_gains, flow_times)}
    return xr.Dataset(_variables(found, dims, WHERE), coordinates | mode_coordinates(variances))


def flow_variance_curves(
    laws: Sequence[str] = ("flow matching", "flow matching, two tied layers"),
    initial_gains: Sequence[float] = (0.0, 0.1, 0.5, 1.0),
    variances: np.ndarray = MODES,
    flow_times: np.ndarray = OF_FLOW_MATCHING,
) -> xr.Dataset:
    """``generated_variance(law, initial_gain, mode, flow_time)`` of flow matching from time 0 to 1.

    As `variance_curves`, without noise levels. Two tied layers end at one plus the data variance (11.5).

    >>> curves = flow_variance_curves(["flow matching, two tied layers"], [0.1], np.array([3.0]))
    >>> float(curves["limit_variance"].squeeze().round(6))
    4.0
    """
    found = [
        [_one(name, gain, theory_law(name).sampler, variances, flow_times) for gain in initial_gains]
        for name in laws
    ]
    coordinates = _shared(laws, initial_gains, flow_times)
    dims = ("law", "initial_gain", "mode")
    return xr.Dataset(_variables(found, dims, WHERE_FLOW), coordinates | mode_coordinates(variances))


def _one(
    name: str, gain: float, sampler: Sampler, variances: np.ndarray, flow_times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Generated variance, start and limit of one law at one initial gain by one sampler."""
    law = theory_law(name).make(gain)
    curves = np.exp(sampler.log_variance(law, variances, flow_times[:, None])).T
    ends = (np.exp(end(law, variances)) for end in (sampler.log_start, sampler.log_limit))
    return curves, *(np.broadcast_to(end, variances.shape) for end in ends)  # pyright: ignore[reportReturnType]


def _variables(found: list, dims: tuple[str, ...], where: str) -> dict[str, xr.Variable]:
    def pick(part: list | tuple, index: int) -> np.ndarray:
        return part[index] if isinstance(part, tuple) else np.stack([pick(inner, index) for inner in part])

    return {
        "generated_variance": variable(
            (*dims, "flow_time"), pick(found, 0), "Generated variance", VARIANCE, where
        ),
        "start_variance": variable(dims, pick(found, 1), "Variance before training", VARIANCE, where),
        "limit_variance": variable(dims, pick(found, 2), "Variance after infinite training", VARIANCE, where),
    }


def _shared(laws: Sequence[str], initial_gains: Sequence[float], flow_times: np.ndarray) -> dict:
    return {"law": list(laws), "initial_gain": list(initial_gains), "flow_time": flow_times}
