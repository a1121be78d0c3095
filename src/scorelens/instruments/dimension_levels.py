"""The local dimension of the data around events over noise levels, as three estimators read it."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.geometry.dimension import (
    DimensionCurve,
    DimensionEstimator,
    Flipd,
    JacobianRank,
    NormalBundle,
    Plateau,
)
from scorelens.instruments.labels import LENGTH, PURE, sigma_coordinate, variable

#: Noise levels, noises of each event for the rank; beyond so many numbers per event only FLIPD is affordable.
LEVELS: Final = 13
RANK_DRAWS: Final = 2
MOST_DIM: Final = 256
#: Variable -> what it is called.
CURVES: Final = {
    "flipd": "FLIPD",
    "normal_bundle": "Normal bundle",
    "jacobian_rank": "Rank of the Jacobian",
}


def dimension_over_levels(
    denoiser: Denoiser, points: Tensor, sigmas: np.ndarray, *, seed: int = 0
) -> xr.Dataset:
    """Local dimension at clean ``points (p, *event)`` and ``sigmas`` (ascending), dims ``sigma, point``.

    ``flipd``, ``normal_bundle`` and ``jacobian_rank`` (participation), each with its ``*_standard_error`` and
    what `geometry.dimension.Plateau` reads of the curve of each point: ``*_read``, ``*_read_sigma`` and
    ``*_status``. The last two are left out above `MOST_DIM` dimensions, where their cost grows as its square.

    >>> import torch
    >>> line = lambda x, sigma: x * torch.tensor([1.0, 0.0, 0.0]) / (1 + sigma[:, None] ** 2)
    >>> found = dimension_over_levels(line, torch.zeros(1, 3), np.geomspace(0.01, 0.1, 4))
    >>> found.flipd_read.item(), found.normal_bundle_read.item(), str(found.flipd_status.item())
    (1.0, 1.0, 'plateau')
    """
    estimators: dict[str, DimensionEstimator] = {"flipd": Flipd(seed=seed)}
    if points[0].numel() <= MOST_DIM:
        estimators["normal_bundle"] = NormalBundle(seed=seed)
        estimators["jacobian_rank"] = JacobianRank(n_draws=RANK_DRAWS, seed=seed)
    variables = {}
    for name, estimator in estimators.items():
        curve = estimator.curve(denoiser, points, sigmas)
        variables |= _labelled(name, curve, estimator.equation)
    attrs = {"dim": points[0].numel(), "seed": seed}
    return xr.Dataset(variables, sigma_coordinate(np.asarray(sigmas, dtype=float)), attrs)


def dimension_sigmas(asked: np.ndarray, scale: float) -> np.ndarray:
    """Noise levels of the curves: a fiftieth to five times the data's ``scale``, wider if ``asked`` are.

    Evenly spaced in the logarithm: of ``asked`` only the range counts; they need not be among them.

    >>> dimension_sigmas(np.array([0.001, 1.0]), 1.0)[[0, -1]]
    array([1.e-03, 5.e+00])
    """
    low, high = min(float(asked.min()), scale / 50), max(float(asked.max()), 5 * scale)
    return np.geomspace(low, high, LEVELS)


def _labelled(name: str, curve: DimensionCurve, equation: str) -> dict[str, xr.Variable]:
    over, at = ("sigma", "point"), ("point",)
    title = CURVES[name]
    read = [Plateau().read(curve.sigmas, values, curve.ambient) for values in curve.value.T]
    return {
        name: variable(over, curve.value, f"Local dimension, {title}", PURE, equation),
        f"{name}_standard_error": variable(over, curve.standard_error, "Standard error of it", PURE),
        f"{name}_read": variable(at, [one.value for one in read], "Dimension where the curve rests", PURE),
        f"{name}_read_sigma": variable(at, [one.sigma for one in read], "Noise level of it", LENGTH),
        f"{name}_status": variable(at, [one.status for one in read], "Whether the curve rests", PURE),
    }
