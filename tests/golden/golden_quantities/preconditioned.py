"""Preconditioned one-layer laws: flow time is the dose T."""

from __future__ import annotations

import numpy as np

from golden_quantities.params import Params, Quantities, noise_level_law, sampling_range
from scorelens import dynamics


def _edm(p: Params) -> dynamics.PreconditionedOneLayer:
    loss = dynamics.UnitWeight() if p.get("loss", "edm") == "unit" else dynamics.TargetWeight()
    weight = p.get("Wp0", 0.0)
    return dynamics.PreconditionedOneLayer.edm(
        p["sigma_data"], noise_level_law(p), loss=loss, initial_weight=weight
    )


def _emergence(law: dynamics.GainLaw, p: Params) -> np.ndarray:
    sampler, target = dynamics.ExactSampler(*sampling_range(p)), p.get("target", "data")
    options = {"criterion": p["criterion"], "band": p.get("band", 1.25), "target": target, "sampler": sampler}
    return dynamics.emergence_time(law, p["lam"], **options).flow_time


def _local_exponent(p: Params) -> np.ndarray:
    sampler, target = dynamics.ExactSampler(*sampling_range(p)), p.get("target", "data")
    options = {"criterion": p["criterion"], "band": p.get("band", 1.25), "target": target, "sampler": sampler}
    return dynamics.local_exponent(_edm(p), p["lam"], **options).exponent


def _responsibility(p: Params) -> float:
    low, high = sampling_range(p)
    modes, levels = np.array([p["lam"]]), np.array([p["sigma"]])
    return dynamics.responsibility(_edm(p), modes, levels, p["T"], sigma_min=low, sigma_max=high)[0, 0]


EDM_ONE_LAYER: Quantities = {
    "rate": lambda p: _edm(p).speed(p["lam"], p["sigma"] ** 2),
    "gain": lambda p: _edm(p).gain(p["lam"], p["sigma"] ** 2, p["T"]),
    "start_var": lambda p: np.exp(_edm(p).log_start_variance(p["lam"], *sampling_range(p))),
    "limit_var": lambda p: np.exp(_edm(p).log_limit_variance(p["lam"], *sampling_range(p))),
    "gen_var": lambda p: _edm(p).generated_variance(p["lam"], p["T"], *sampling_range(p)),
    "log_gen_var": lambda p: _edm(p).log_generated_variance(p["lam"], p["T"], *sampling_range(p)),
    "log_abs_dev": lambda p: _edm(p).log_deviation(p["lam"], p["T"], *sampling_range(p))[1],
    "emergence_time": lambda p: _emergence(_edm(p), p),
    "local_exponent": _local_exponent,
    "responsibility": _responsibility,
}


def _spectral(p: Params) -> dynamics.PreconditionedOneLayer:
    pixel = p.get("loss", "target") == "pixel_edm"
    loss = dynamics.PixelWeight(p["weight_sigma_data"]) if pixel else dynamics.TargetWeight()
    weight = p.get("Wp0", 0.0)
    return dynamics.PreconditionedOneLayer.spectral(
        p["g"], noise_level_law(p), loss=loss, initial_weight=weight
    )


def _spectral_matrix(p: Params) -> dynamics.SpectralMatrixLaw:
    return dynamics.SpectralMatrixLaw(
        np.array(p["Sigma"]), np.array(p["G"]), noise_level_law(p), p.get("Wp0", 0.0)
    )


def _spectral_start(p: Params) -> np.ndarray:
    if "g" in p:
        return np.exp(_spectral(p).log_start_variance(p["lam"], *sampling_range(p)))
    return _spectral_matrix(p).generated_covariance(0.0, *sampling_range(p))


def _spectral_generated(p: Params) -> np.ndarray:
    if "g" in p:
        return _spectral(p).generated_variance(p["lam"], p["T"], *sampling_range(p))
    return _spectral_matrix(p).generated_covariance(p["T"], *sampling_range(p))


SPECTRAL_PRECOND: Quantities = {
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
    sampler = dynamics.ExactSampler(*sampling_range(p))
    return dynamics.fastest_density(law, np.array(p["lams"]), sampler=sampler, **options).flow_time


def _least_error(p: Params) -> float:
    law, weights = dynamics.PreconditionedOneLayer.edm(p["sigma_data"]), np.array(p["weights"])
    options = {"sampler": dynamics.ExactSampler(*sampling_range(p)), "n_cells": p["n_cells"]}
    found = dynamics.least_error_density(law, np.array(p["lams"]), weights, p["T"], **options)
    return float(weights @ found.missing)


MODELS: dict[str, Quantities] = {
    "edm_one_layer": EDM_ONE_LAYER,
    "spectral_precond": SPECTRAL_PRECOND,
    "calibration": {"time_scale": _time_scale},
    "noise_density": {"p_star_T": _fastest, "budget_error": _least_error},
}
