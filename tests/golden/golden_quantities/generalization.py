"""Golden quantities of generalisation: the law of a fitted score over training sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden_quantities import estimation
from golden_quantities.params import Params, Quantities
from scorelens.generalization import statistics
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import generated_moments
from scorelens.generalization.schedules import (
    BROWNIAN,
    PolynomialSchedule,
    Schedule,
    SubVariancePreservingSchedule,
)
from scorelens.generalization.statistics import OneTime, SharedWeights, StateFeatures, TimeFunction
from scorelens.generalization.vkernel import SmearedLaw, gaussian_characteristic_function

TIMES = {
    "sigma2": TimeFunction.of_variance(BROWNIAN),
    "uniform": TimeFunction.constant(),
    "one": TimeFunction.constant(),
}
TARGETS = {"dsm": "dsm", "true": "naive"}


def law(data: Params) -> DataLaw:
    if data["type"] == "points":
        return DataLaw.points(data["x"])
    if data["type"] == "gaussian":
        return DataLaw.gaussian(data["mean"], data["cov"])
    if data["type"] == "gmm":
        return DataLaw.mixture(data["w"], data["mean"], data["cov"])
    raise ValueError(f"unknown data {data['type']!r}")


def features(p: Params) -> StateFeatures:
    omit = (-1,) if p["features"].get("drop_last") else ()
    return StateFeatures(estimation.features(p), bool(p.get("intercept")), omit)


def _schedule(p: Params) -> Schedule:
    if p["type"] == "poly":
        return PolynomialSchedule(p["beta"], p["g2"])
    if p["type"] == "subvp":
        return SubVariancePreservingSchedule(np.atleast_1d(p["beta"]).tolist())
    raise ValueError(f"unknown schedule {p['type']!r}")


def _alpha_sigma2(p: Params) -> dict[str, Any]:
    schedule, t = _schedule(p["schedule"]), p["t"]
    return {
        "alpha": schedule.alpha(t),
        "sigma2": schedule.variance(t),
        "Z": schedule.accumulated_variance(t),
    }


def _shared(p: Params) -> SharedWeights:
    times = statistics.TrainingTimes(
        TIMES[p.get("lambda", "sigma2")], TIMES[p.get("loss_weight", "one")], *p["t_range"]
    )
    return SharedWeights(features(p), law(p["data"]), BROWNIAN, times)


def _matrix(covariance: np.ndarray) -> np.ndarray:
    """Point-major."""
    points, dims = covariance.shape[:2]
    return covariance.reshape(points * dims, -1)


def _shared_sandwich(p: Params) -> np.ndarray:
    target: Any = TARGETS[p.get("target", "dsm")]
    return _matrix(_shared(p).covariance(p["at"], p["at_t"], target=target))


def _target_jacobian(p: Params) -> np.ndarray:
    return statistics.target_products(_shared(p), p["j"], p["l"])


def _score_cov_linear(p: Params) -> np.ndarray:
    found = statistics.linear_score_covariance(law(p["data"]), p["alpha"], p["sigma"], p["n"], p["at"])
    return _matrix(found)


def _score_cov_bins(p: Params) -> np.ndarray:
    return statistics.bin_score(law(p["data"]), p["edges"], p["alpha"], p["sigma"], p["n"]).variance


def _centres(p: Params) -> DataLaw:
    means = np.array(p["mus"], dtype=float).reshape(len(p["mus"]), -1)
    covariance = p["s2"] * np.eye(means.shape[1])
    return DataLaw.mixture(np.ones(len(means)), means, np.tile(covariance, (len(means), 1, 1)))


def _gmm_feature_sandwich(p: Params) -> np.ndarray:
    mixture = _centres(p)
    made = statistics.MixtureFeatures(mixture, bool(p.get("intercept")))
    at = np.array(p["at"], dtype=float).reshape(len(p["at"]), -1)
    return _matrix(OneTime(made, mixture, p["alpha"], p["sigma"]).covariance(at))


def _leverage(p: Params) -> np.ndarray:
    return OneTime(features(p), law(p["data"]), p.get("alpha", 1.0), p.get("sigma", 0.0)).leverage(p["at"])


def _smeared_waves(p: Params) -> np.ndarray:
    found = gaussian_characteristic_function(p["u"], p["mu"], p["Sigma"], p["kappa"])
    return np.stack([found.real, found.imag], axis=1)


def _generated(p: Params) -> dict[str, Any]:
    times = np.linspace(0.0, p["T"], p["steps"] + 1)
    schedule = PolynomialSchedule([1.0], [2.0])
    data = DataLaw.gaussian(p["mu"], p["Sigma"])
    found = generated_moments(data, schedule, times, p["n"], p["m_init"], p["V_init"])
    return {"mean": found.mean[0], "cov": found.covariance[0]}


GENERALIZATION: Quantities = {
    "alpha_sigma2": _alpha_sigma2,
    "shared_optimum": lambda p: _shared(p).optimum,
    "shared_sandwich": _shared_sandwich,
    "cov_JJ": _target_jacobian,
    "score_cov_linear": _score_cov_linear,
    "score_cov_bins": _score_cov_bins,
    "gmm_feature_sandwich": _gmm_feature_sandwich,
    "gmm_fisher": lambda p: statistics.center_information(_centres(p)),
    "leverage": _leverage,
    "vkernel_charfn": _smeared_waves,
    "vkernel_moments": lambda p: SmearedLaw(law(p["data"]), features(p), p["kappa"]).covariance,
    "generated_cov": _generated,
}
MODELS: dict[str | None, Quantities] = {None: GENERALIZATION}
