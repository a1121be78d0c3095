"""Flow matching, with noise at time 0 and data at time 1."""

from __future__ import annotations

import numpy as np

from golden_quantities.params import Params, Quantities, flow_time
from scorelens import dynamics


def _generated(law: dynamics.FlowMatchingLaw, p: Params) -> np.ndarray:
    return np.exp(law.log_flow_variance(p["lam"], flow_time(p), p.get("t0", 0.0), p.get("t1", 1.0)))


def _quantities(make: type[dynamics.FlowMatchingLaw]) -> Quantities:
    return {
        "mode_weight": lambda p: make(p["Q"]).velocity_gain(p["lam"], p["t"], flow_time(p)),
        "gen_var": lambda p: _generated(make(p["Q"]), p),
        "gen_mean": lambda p: make(p["Q"]).generated_flow_mean(p["lam"], flow_time(p), p["b0"]),
        "tau_star": lambda p: _tau_star(make(p["Q"]), p),
    }


def _tau_star(law: dynamics.FlowMatchingLaw, p: Params) -> np.ndarray:
    options = {"criterion": p["mean"], "target": p.get("target", "data"), "sampler": dynamics.FlowSampler()}
    return dynamics.emergence_time(law, p["lam"], **options).flow_time / (2.0 * p["eta"])


MODELS: dict[str, Quantities] = {
    "fm_one_layer": _quantities(dynamics.FlowOneLayer)
    | {"path_var": lambda p: dynamics.FlowOneLayer().path_variance(p["lam"], p["t"])},
    "fm_two_layer": _quantities(dynamics.FlowTwoLayer),
}
