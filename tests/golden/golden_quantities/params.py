"""What golden parameters mean to the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scorelens.core.noise_level import LogNormal, LogUniform, NoiseLevelLaw
from scorelens.dynamics import ExactSampler, GainLaw, emergence_time, gain_emergence_time

Params = dict[str, Any]
Quantities = dict[str, Callable[[Params], Any]]


def sampling_range(p: Params) -> tuple[float, float]:
    return p["sigma0"], p["sigmaT"]


def flow_time(p: Params) -> float:
    return 2.0 * p["eta"] * p["tau"]


def noise_level_law(p: Params) -> NoiseLevelLaw:
    density = p.get("density", {"kind": "lognormal", "P_mean": -1.2, "P_std": 1.2})
    if density["kind"] == "uniform":
        return LogUniform(density["a"], density["b"])
    return LogNormal(density["P_mean"], density["P_std"])


def tau_star(law: GainLaw, p: Params) -> np.ndarray:
    """Emergence time of a weight, or of the generated variance."""
    criterion = p["mean"]
    if p.get("observable", "variance") == "weight":
        found = gain_emergence_time(law, p["lam"], p["sigma"] ** 2, criterion=criterion)
    else:
        sampler, target = ExactSampler(*sampling_range(p)), p.get("target", "data")
        found = emergence_time(law, p["lam"], criterion=criterion, target=target, sampler=sampler)
    return found.flow_time / (2.0 * p["eta"])


def mode_weight(law: GainLaw, p: Params) -> np.ndarray:
    return law.gain(p["lam"], p["sigma"] ** 2, flow_time(p))


def gen_var(law: GainLaw, p: Params) -> np.ndarray:
    return law.generated_variance(p["lam"], flow_time(p), *sampling_range(p))
