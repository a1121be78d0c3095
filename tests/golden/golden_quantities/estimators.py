"""Golden quantities of score estimation: the empirical law and mixtures of low-rank Gaussians."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from golden_quantities.params import Params, Quantities
from scorelens import estimators


def _noisy(p: Params, scale: float) -> Tensor:
    return torch.tensor(np.array(p["at"], dtype=float) / scale)


def _empirical(p: Params) -> tuple[estimators.EmpiricalDenoiser, Tensor, float]:
    return estimators.Empirical().fit(np.array(p["points"])), _noisy(p, p["alpha"]), p["sigma"] / p["alpha"]


def _score(p: Params) -> np.ndarray:
    denoiser, x, sigma = _empirical(p)
    return (denoiser.score(x, sigma) / p["alpha"]).numpy()


def _proxy_covariance(p: Params) -> np.ndarray:
    denoiser, x, sigma = _empirical(p)
    return (denoiser.posterior_covariance(x, sigma) * p["alpha"] ** 2 / p["sigma"] ** 4).numpy()


def mixture(p: Params) -> tuple[estimators.MixtureDenoiser, Tensor, float]:
    weights, subspaces, variances, means = (
        [np.array(mode[key]) for mode in p["modes"]] for key in ("pi", "U", "lam", "mean")
    )
    made = estimators.MixtureDenoiser.of_subspaces(weights, subspaces, variances, means)
    return made, _noisy(p, p["s"]), p["gamma"] / p["s"]


def _posterior(p: Params) -> dict[str, Any]:
    denoiser, x, sigma = mixture(p)
    return {"mean": denoiser(x, sigma).numpy(), "weights": denoiser.responsibilities(x, sigma).numpy()}


def _jacobian(p: Params) -> np.ndarray:
    denoiser, x, sigma = mixture(p)
    return (denoiser.jacobian(x, sigma) / p["s"]).numpy()


def _posterior_covariance(p: Params) -> np.ndarray:
    denoiser, x, sigma = mixture(p)
    return denoiser.posterior_covariance(x, sigma).numpy()


MODELS: dict[None, Quantities] = {
    None: {
        "empirical_score": _score,
        "proxy_cov": _proxy_covariance,
        "molrg_posterior": _posterior,
        "molrg_jacobian": _jacobian,
        "molrg_postcov": _posterior_covariance,
    }
}
