"""Whole weight matrices and biases, any mean and any start."""

from __future__ import annotations

import numpy as np

from golden_quantities.params import Params, Quantities, flow_time, sampling_range
from scorelens import dynamics

LEVELS = {"alpha": "alpha", "sigma": "sigma", "t": "time"}


def _task(p: Params) -> dynamics.DenoisingTask:
    kind = dynamics.TARGETS[p["variant"]]
    level = {name: p[key] for key, name in LEVELS.items() if key in p and name in kind.level}
    return dynamics.denoising_task(p["variant"], **level)


def _regression(p: Params) -> dynamics.LinearRegression:
    covariance = np.array(p["Sigma"])
    mean = np.array(p.get("mu", np.zeros(len(covariance))))
    return dynamics.regression_of_task(_task(p), dynamics.DataModes.of(mean, covariance))


def _start(p: Params) -> tuple[np.ndarray, np.ndarray]:
    return np.array(p["W0"]), np.array(p.get("b0", np.zeros(len(p["W0"]))))


def _after(p: Params) -> dynamics.AffineMap:
    return _regression(p).gradient_flow(*_start(p), flow_time(p))


def _error(p: Params) -> float:
    return _regression(p).excess_loss_after(*_start(p), flow_time(p))


REGRESSION: Quantities = {
    "W_opt": lambda p: _regression(p).optimum.weight,
    "b_opt": lambda p: _regression(p).optimum.bias,
    "min_loss": lambda p: _regression(p).minimum_loss,
    "rates": lambda p: np.sort(_regression(p).rates),
    "mode_opt": lambda p: _task(p).mode_optimum(p["lam"]),
    "grad_W": lambda p: _regression(p).gradient(np.array(p["W"]), np.array(p["b"])).weight,
    "grad_b": lambda p: _regression(p).gradient(np.array(p["W"]), np.array(p["b"])).bias,
    "W_at": lambda p: _after(p).weight,
    "b_at": lambda p: _after(p).bias,
    "loss_at": lambda p: _error(p) + _regression(p).minimum_loss,
    "denoiser_error": _error,
    "score_error": lambda p: _error(p) / p["sigma"] ** 4,
}


def _dense(p: Params) -> dynamics.DenseOneLayer:
    covariance = np.array(p["Sigma"])
    return dynamics.DenseOneLayer(covariance, np.array(p.get("mu", np.zeros(len(covariance)))), *_start(p))


def _single(p: Params) -> dynamics.SingleMode:
    return dynamics.SingleMode(p["lam"], p["m"], p["w0"], p["b0"])


MODELS: dict[str, Quantities] = {
    "regression": REGRESSION,
    "one_layer_dense": {
        "gen_cov": lambda p: _dense(p).generated_covariance(flow_time(p), *sampling_range(p)),
        "gen_mean": lambda p: _dense(p).generated_mean(flow_time(p), *sampling_range(p)),
    },
    "noncentred": {
        "Q_eigs": lambda p: (
            dynamics.moment_eigensystem(np.array(p["lams"]), np.array(p["m"]), p["sigma"] ** 2).values
        ),
        "wb_at": lambda p: np.array(_single(p).point(p["sigma"], flow_time(p))),
        "gen_mean": lambda p: _single(p).generated_mean(flow_time(p), *sampling_range(p)),
        "gen_var": lambda p: _single(p).generated_variance(flow_time(p), *sampling_range(p)),
    },
}
