"""Evaluate every case of a golden file through the public API: ``python tests/golden/run.py FILE``.

Names each failing case, and each whose quantity is not built yet; the last line counts them. Exit status 1 if
a case failed, 2 if the file cannot be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scorelens import dynamics
from scorelens.core.noise_level import LogNormal, LogUniform, NoiseLevelLaw

Params = dict[str, Any]
FORMAT = "golden-dynamics-1"


class Verdict(NamedTuple):
    """Outcome of one case: ``passed``, ``failed`` or ``skipped``, and a line that says why."""

    case: str
    outcome: str
    line: str


def evaluate(case: dict[str, Any]) -> Verdict:
    """Compare one golden case with what the library computes."""
    name = f"{case['id']} ({case['model']}/{case['quantity']})"
    function = TABLE.get((case["model"], case["quantity"]))
    if function is None:
        return Verdict(case["id"], "skipped", f"SKIP {name}: not built yet")
    try:
        got = np.asarray(function(case["params"]), dtype=float)
    except Exception as problem:
        return Verdict(case["id"], "failed", f"FAIL {name}: {type(problem).__name__}: {problem}")
    expected = np.asarray(case["value"], dtype=float)
    error, tolerance = relative_error(got, expected, case.get("compare")), case["tol_rel"]
    if error <= tolerance:
        return Verdict(case["id"], "passed", f"pass {name}")
    found = f"got {got.tolist()}, expected {expected.tolist()}"
    return Verdict(case["id"], "failed", f"FAIL {name}: {found}, rel. error {error:.3g}, tol {tolerance:g}")


def relative_error(got: np.ndarray, expected: np.ndarray, compare: str | None) -> float:
    """Largest relative error; relative to the largest entry for ``maxnorm``. Infinite for another shape or a
    NaN."""
    if got.shape != expected.shape:
        return np.inf
    scale = np.abs(expected).max() if compare == "maxnorm" else np.abs(expected)
    difference = np.abs(got - expected)
    exact = difference == 0.0
    error = np.where(exact, 0.0, difference / np.where(exact | (scale == 0.0), 1.0, scale))
    error = np.where((scale == 0.0) & ~exact, np.inf, error)
    return float(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max())


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a golden file; ``ValueError`` for another format."""
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path} must have the format {FORMAT!r}, got {found!r}")
    return content["cases"]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python tests/golden/run.py FILE", file=sys.stderr)
        return 2
    try:
        cases = read_cases(Path(arguments[0]))
    except (OSError, ValueError, KeyError) as problem:
        print(f"cannot read the golden file: {problem}", file=sys.stderr)
        return 2
    verdicts = [evaluate(case) for case in cases]
    for verdict in verdicts:
        if verdict.outcome != "passed":
            print(verdict.line)
    counts = {
        outcome: sum(v.outcome == outcome for v in verdicts) for outcome in ("passed", "failed", "skipped")
    }
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


def _density(p: Params) -> NoiseLevelLaw:
    density = p.get("density", {"kind": "lognormal", "P_mean": -1.2, "P_std": 1.2})
    if density["kind"] == "uniform":
        return LogUniform(density["a"], density["b"])
    return LogNormal(density["P_mean"], density["P_std"])


def _range(p: Params) -> tuple[float, float]:
    return p["sigma0"], p["sigmaT"]


# One layer: flow time is 2 x learning rate x training time.


def _one_layer(p: Params) -> dynamics.OneLayer:
    return dynamics.OneLayer(p["Q"])


def _residual(p: Params) -> np.ndarray:
    # An output scaling changes the start and multiplies the flow time by its square ((2.3)).
    law = dynamics.OneLayer(p["c_skip"] + p["c_out"] * p["Wp0"])
    return law.gain(p["lam"], p["sigma"] ** 2, p["c_out"] ** 2 * _flow_time(p))


def _flow_time(p: Params) -> float:
    return 2.0 * p["eta"] * p["tau"]


def _one_layer_emergence(p: Params) -> np.ndarray:
    if p["observable"] == "weight":
        found = dynamics.gain_emergence_time(_one_layer(p), p["lam"], p["sigma"] ** 2, criterion=p["mean"])
    else:
        sampler = dynamics.ExactSampler(*_range(p))
        target = p.get("target", "data")
        found = dynamics.emergence_time(
            _one_layer(p), p["lam"], criterion=p["mean"], target=target, sampler=sampler
        )
    return found.flow_time / (2.0 * p["eta"])


def _one_layer_kl(sign: float) -> Callable[[Params], np.ndarray]:
    def divergence(p: Params) -> np.ndarray:
        ratio = dynamics.log_ratio_to_data(_one_layer(p), p["lam"], _flow_time(p), *_range(p))
        return dynamics.kl_from_log_ratio(sign * ratio)

    return divergence


ONE_LAYER: dict[str, Callable[[Params], Any]] = {
    "mode_weight": lambda p: _one_layer(p).gain(p["lam"], p["sigma"] ** 2, _flow_time(p)),
    "gen_var": lambda p: _one_layer(p).generated_variance(p["lam"], _flow_time(p), *_range(p)),
    "log_gen_var": lambda p: _one_layer(p).log_generated_variance(p["lam"], _flow_time(p), *_range(p)),
    "pf_gain": lambda p: _one_layer(p).flow_gain(p["lam"], _flow_time(p), *_range(p)),
    "gen_mean": lambda p: _one_layer(p).generated_mean(p["lam"], _flow_time(p), *_range(p), p["b0"]),
    "kl_gen_data": _one_layer_kl(1.0),
    "kl_data_gen": _one_layer_kl(-1.0),
    "kl_gen_converged": lambda p: dynamics.kl_from_log_ratio(
        dynamics.log_ratio_to_limit(_one_layer(p), p["lam"], _flow_time(p), *_range(p))
    ),
    "log_abs_dev": lambda p: _one_layer(p).log_deviation(p["lam"], _flow_time(p), *_range(p))[1],
    "tau_star": _one_layer_emergence,
}


# Preconditioned one-layer laws: flow time is the dose T.


def _edm(p: Params) -> dynamics.PreconditionedOneLayer:
    loss = dynamics.UnitWeight() if p.get("loss", "edm") == "unit" else dynamics.TargetWeight()
    weight = p.get("Wp0", 0.0)
    return dynamics.PreconditionedOneLayer.edm(p["sigma_data"], _density(p), loss=loss, initial_weight=weight)


def _emergence(law: dynamics.GainLaw, p: Params) -> np.ndarray:
    sampler, target = dynamics.ExactSampler(*_range(p)), p.get("target", "data")
    options = {"criterion": p["criterion"], "band": p.get("band", 1.25), "target": target, "sampler": sampler}
    return dynamics.emergence_time(law, p["lam"], **options).flow_time


def _local_exponent(p: Params) -> np.ndarray:
    sampler, target = dynamics.ExactSampler(*_range(p)), p.get("target", "data")
    options = {"criterion": p["criterion"], "band": p.get("band", 1.25), "target": target, "sampler": sampler}
    return dynamics.local_exponent(_edm(p), p["lam"], **options).exponent


def _responsibility(p: Params) -> float:
    low, high = _range(p)
    modes, levels = np.array([p["lam"]]), np.array([p["sigma"]])
    return dynamics.responsibility(_edm(p), modes, levels, p["T"], sigma_min=low, sigma_max=high)[0, 0]


EDM_ONE_LAYER: dict[str, Callable[[Params], Any]] = {
    "rate": lambda p: _edm(p).speed(p["lam"], p["sigma"] ** 2),
    "gain": lambda p: _edm(p).gain(p["lam"], p["sigma"] ** 2, p["T"]),
    "start_var": lambda p: np.exp(_edm(p).log_start_variance(p["lam"], *_range(p))),
    "limit_var": lambda p: np.exp(_edm(p).log_limit_variance(p["lam"], *_range(p))),
    "gen_var": lambda p: _edm(p).generated_variance(p["lam"], p["T"], *_range(p)),
    "log_gen_var": lambda p: _edm(p).log_generated_variance(p["lam"], p["T"], *_range(p)),
    "log_abs_dev": lambda p: _edm(p).log_deviation(p["lam"], p["T"], *_range(p))[1],
    "emergence_time": lambda p: _emergence(_edm(p), p),
    "local_exponent": _local_exponent,
    "responsibility": _responsibility,
}


def _spectral(p: Params) -> dynamics.PreconditionedOneLayer:
    pixel = p.get("loss", "target") == "pixel_edm"
    loss = dynamics.PixelWeight(p["weight_sigma_data"]) if pixel else dynamics.TargetWeight()
    weight = p.get("Wp0", 0.0)
    return dynamics.PreconditionedOneLayer.spectral(p["g"], _density(p), loss=loss, initial_weight=weight)


def _spectral_matrix(p: Params) -> dynamics.SpectralMatrixLaw:
    return dynamics.SpectralMatrixLaw(np.array(p["Sigma"]), np.array(p["G"]), _density(p), p.get("Wp0", 0.0))


def _spectral_start(p: Params) -> np.ndarray:
    if "g" in p:
        return np.exp(_spectral(p).log_start_variance(p["lam"], *_range(p)))
    return _spectral_matrix(p).generated_covariance(0.0, *_range(p))


def _spectral_generated(p: Params) -> np.ndarray:
    if "g" in p:
        return _spectral(p).generated_variance(p["lam"], p["T"], *_range(p))
    return _spectral_matrix(p).generated_covariance(p["T"], *_range(p))


SPECTRAL_PRECOND: dict[str, Callable[[Params], Any]] = {
    "start_var": _spectral_start,
    "gen_var": _spectral_generated,
    "emergence_time": lambda p: _emergence(_spectral(p), p),
    "c_skip": lambda p: _spectral_matrix(p).scalings(p["sigma"]).skip,
    "c_out": lambda p: _spectral_matrix(p).scalings(p["sigma"]).output,
    "c_in": lambda p: _spectral_matrix(p).scalings(p["sigma"]).input,
    "gain": lambda p: _spectral_matrix(p).weight_at(p["sigma"], p["T"]),
    "raw_weight": lambda p: _spectral_matrix(p).raw_weight(p["sigma"], p["T"]),
}


def _time_scale(p: Params) -> list[float]:
    found = dynamics.calibrate(
        np.array(p["T"]), np.array(p["t"]), np.array(p["censored"]), sd=np.array(p["sd"]), fit=p["fit"],
        exponent_prior_sd=None,
    )  # fmt: skip
    if p["fit"] == "scale":
        return [found.log_scale, found.log_scale_sd]
    return [found.log_scale, found.exponent, found.log_scale_sd, found.exponent_sd]


def _fastest(p: Params) -> float:
    law = dynamics.PreconditionedOneLayer.edm(p["sigma_data"])
    options = {"criterion": p["criterion"], "band": p.get("band", 1.25), "n_cells": p["n_cells"]}
    sampler = dynamics.ExactSampler(*_range(p))
    return dynamics.fastest_density(law, np.array(p["lams"]), sampler=sampler, **options).flow_time


def _least_error(p: Params) -> float:
    law, weights = dynamics.PreconditionedOneLayer.edm(p["sigma_data"]), np.array(p["weights"])
    options = {"sampler": dynamics.ExactSampler(*_range(p)), "n_cells": p["n_cells"]}
    found = dynamics.least_error_density(law, np.array(p["lams"]), weights, p["T"], **options)
    return float(weights @ found.missing)


MODELS: dict[str, dict[str, Callable[[Params], Any]]] = {
    "one_layer": ONE_LAYER,
    "one_layer_residual": {"mode_weight": _residual},
    "edm_one_layer": EDM_ONE_LAYER,
    "spectral_precond": SPECTRAL_PRECOND,
    "calibration": {"time_scale": _time_scale},
    "noise_density": {"p_star_T": _fastest, "budget_error": _least_error},
}
TABLE = {(model, quantity): f for model, quantities in MODELS.items() for quantity, f in quantities.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
