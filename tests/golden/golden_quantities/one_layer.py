"""One linear layer, mode by mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from golden_quantities.params import (
    Params,
    Quantities,
    flow_time,
    gen_var,
    mode_weight,
    sampling_range,
    tau_star,
)
from scorelens import dynamics


def _law(p: Params) -> dynamics.OneLayer:
    return dynamics.OneLayer(p["Q"])


def _kl(sign: float) -> Callable[[Params], np.ndarray]:
    def divergence(p: Params) -> np.ndarray:
        ratio = dynamics.log_ratio_to_data(_law(p), p["lam"], flow_time(p), *sampling_range(p))
        return dynamics.kl_from_log_ratio(sign * ratio)

    return divergence


ONE_LAYER: Quantities = {
    "mode_weight": lambda p: mode_weight(_law(p), p),
    "gen_var": lambda p: gen_var(_law(p), p),
    "log_gen_var": lambda p: _law(p).log_generated_variance(p["lam"], flow_time(p), *sampling_range(p)),
    "pf_gain": lambda p: _law(p).flow_gain(p["lam"], flow_time(p), *sampling_range(p)),
    "gen_mean": lambda p: _law(p).generated_mean(p["lam"], flow_time(p), *sampling_range(p), p["b0"]),
    "kl_gen_data": _kl(1.0),
    "kl_data_gen": _kl(-1.0),
    "kl_gen_converged": lambda p: dynamics.kl_from_log_ratio(
        dynamics.log_ratio_to_limit(_law(p), p["lam"], flow_time(p), *sampling_range(p))
    ),
    "log_abs_dev": lambda p: _law(p).log_deviation(p["lam"], flow_time(p), *sampling_range(p))[1],
    "tau_star": lambda p: tau_star(_law(p), p),
}


def _after_steps(start: float, optimum: np.ndarray | float, curvature: float, p: Params) -> np.ndarray:
    kept, learned = dynamics.remaining_factors(curvature, p["eta"], p["steps"])
    return start * kept + optimum * learned


def _weight_after_steps(p: Params) -> np.ndarray:
    noise = p["sigma"] ** 2
    best = dynamics.denoising_task("edm", sigma=p["sigma"]).mode_optimum(p["lam"])
    return _after_steps(p["Q"], best, p["lam"] + noise, p)


MODELS: dict[str, Quantities] = {
    "one_layer": ONE_LAYER,
    "one_layer_residual": {
        "mode_weight": lambda p: mode_weight(dynamics.ResidualOneLayer(p["c_skip"], p["c_out"], p["Wp0"]), p)
    },
    "one_layer_gd": {
        "mode_weight": _weight_after_steps,
        "bias": lambda p: _after_steps(p["b0"], 0.0, 1.0, p),
    },
}
