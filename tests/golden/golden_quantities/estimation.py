"""Golden quantities of score estimation: finite features, exactly averaged over the noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden_quantities.params import Params, Quantities
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly, solve_filtered, solve_penalized
from scorelens.estimators.equations.time_separable import (
    Exponentials,
    time_separable,
    uniform_weight,
    variance_weight,
)
from scorelens.estimators.features import Bins, FeatureMap, Fourier, Hermite, Monomials
from scorelens.estimators.torus import trig_log_partition

FEATURES = {
    "fourier": lambda f: Fourier(f["K"]),
    "monomial": lambda f: Monomials(f["index"]),
    "hermite": lambda f: Hermite(f["index"]),
    "bins": lambda f: Bins(f["edges"]),
}


def features(p: Params) -> FeatureMap:
    return FEATURES[p["features"]["type"]](p["features"])


def _system(equations: NormalEquations) -> dict[str, Any]:
    return {"A": equations.matrix, "b": equations.vector}


def _denoising(p: Params) -> NormalEquations:
    return NormalEquations.denoising(features(p), p["X0"], p["alpha"], p["sigma"])


def _smoothed_score(p: Params) -> np.ndarray:
    equations = _denoising(p)
    if p.get("tau"):
        theta = solve_penalized(equations, p["tau"], p["Lambda"]).theta
    else:
        theta = solve_exactly(equations).theta
    return np.einsum("nmd,m->nd", features(p).jacobian(p["at"]), theta)


def _empirical_ism(p: Params) -> dict[str, Any]:
    equations = NormalEquations.implicit(features(p), p["X"])
    found = solve_filtered(equations)
    return {"rank": found.rank, "theta": found.theta, "residual": equations.existence.residual}


def _time_separable(p: Params) -> NormalEquations:
    weight = {"uniform": uniform_weight(*p["t_range"]), "sigma2": variance_weight}[p["weight"]]
    if p["time"]["type"] != "exp":
        raise ValueError(f"unknown basis of times {p['time']['type']!r}")
    basis = Exponentials(tuple(p["time"]["rates"]))
    return time_separable(features(p), basis, p["X0"], tuple(p["t_range"]), weight)


def _clamped(p: Params) -> np.ndarray:
    free, _ = _time_separable(p).clamped(p["fixed_index"], p["fixed_value"])
    return solve_exactly(free).theta


def _vector_linear_dsm(p: Params) -> np.ndarray:
    equations = NormalEquations.denoising_weights(features(p), p["X0"], p["alpha"], p["sigma"])
    return solve_exactly(equations).theta.T


SPECTRAL: Quantities = {
    "smoothed_system": lambda p: _system(_denoising(p)),
    "smoothed_score": _smoothed_score,
    "empirical_ism": _empirical_ism,
    "trig_log_partition": lambda p: trig_log_partition(Fourier(p["features"]["K"]), p["theta"]),
    "time_separable": lambda p: _system(_time_separable(p)),
    "clamped_spectral": _clamped,
    "vector_linear_dsm": _vector_linear_dsm,
    "ssm_system": lambda p: _system(NormalEquations.sliced(features(p), p["X"], p["V"])),
}
MODELS: dict[str | None, Quantities] = {None: SPECTRAL}
