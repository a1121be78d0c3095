"""Two layers and more, mode by mode, and overlaps of two."""

from __future__ import annotations

import numpy as np

from golden_quantities.params import Params, Quantities, flow_time, gen_var, mode_weight, tau_star
from scorelens import dynamics
from scorelens.dynamics.gain_law import above_optimum


def _tied(p: Params) -> dynamics.SymmetricTwoLayer:
    return dynamics.SymmetricTwoLayer(p["Q"])


def _mode_error(p: Params) -> float:
    curve = dynamics.learning_curve(
        _tied(p), np.array([p["lam"]]), np.array([p["sigma"]]), np.array([flow_time(p)])
    )
    return float(curve.excess[0, 0])


def _gram(p: Params) -> np.ndarray:
    law = dynamics.TwoLayerOverlaps.from_overlaps(np.array(p["lams"]), np.array(p["G0"]))
    return law.weight_at(p["sigma"], flow_time(p))


def _untied(p: Params) -> dynamics.AsymmetricTwoLayer:
    return dynamics.AsymmetricTwoLayer(p["f0"], p["g0"])


def _deep(p: Params, tied: bool) -> dynamics.DeepLinear:
    return dynamics.DeepLinear(p["L"], p["c0"], tied=tied)


def _hit_time(p: Params, tied: bool) -> np.ndarray:
    law, noise, hit = _deep(p, tied), p["sigma"] ** 2, p["c1"]
    left = np.where(law.stuck(p["lam"], noise), -hit, -above_optimum(hit, p["lam"], noise))
    return law.travel_time(p["c0"], hit - p["c0"], left, p["lam"], noise) / (2.0 * p["eta"])


def _deep_quantities(tied: bool) -> Quantities:
    return {
        "mode_weight": lambda p: mode_weight(_deep(p, tied), p),
        "hit_time": lambda p: _hit_time(p, tied),
        "gen_var": lambda p: gen_var(_deep(p, tied), p),
    }


def _residual(p: Params) -> dynamics.DeepResidual:
    return dynamics.DeepResidual(p["L"], p["a0"], tied=p["parametrisation"] == "tied")


MODELS: dict[str, Quantities] = {
    "two_layer_sym": {
        "mode_weight": lambda p: mode_weight(_tied(p), p),
        "gen_var": lambda p: gen_var(_tied(p), p),
        "mode_error": _mode_error,
        "tau_star": lambda p: tau_star(_tied(p), p),
        "gram_at": _gram,
    },
    "two_layer_asym": {
        "product_at": lambda p: mode_weight(_untied(p), p),
        "fg_at": lambda p: np.array(_untied(p).layers(p["lam"], p["sigma"] ** 2, flow_time(p))),
        "gen_var": lambda p: gen_var(_untied(p), p),
    },
    "deep_tied": _deep_quantities(tied=True),
    "deep_balanced": _deep_quantities(tied=False),
    "deep_residual": {"mode_weight": lambda p: mode_weight(_residual(p), p)},
    "deep_infinite": {
        "mode_weight": lambda p: dynamics.InfiniteDepth(p["c0"]).gain(
            p["lam"], p["sigma"] ** 2, p["kappa_tau"]
        )
    },
    "deep_layers": {
        "layers_at": lambda p: dynamics.layer_values(
            np.array(p["a0s"]), p["lam"], p["sigma"] ** 2, flow_time(p)
        )
    },
}
