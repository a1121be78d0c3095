"""Golden quantities of the geometry of denoisers: local structure of mixtures, and risks."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden_quantities import generalization
from golden_quantities.estimators import mixture
from golden_quantities.params import Params, Quantities
from scorelens.geometry.exact_risk import (
    affine_risk,
    least_risk_on_points,
    mixture_of_gaussians,
    one_layer_risk,
)
from scorelens.geometry.ranks import effective_ranks


def _homogeneity_defect(p: Params) -> np.ndarray:
    denoiser, x, sigma = mixture(p)
    return (denoiser(x, sigma) - (denoiser.jacobian(x, sigma) @ x[..., None])[..., 0]).numpy()


def _effective_rank(p: Params) -> list[dict[str, Any]]:
    denoiser, x, sigma = mixture(p)
    singular_values = np.linalg.svd(denoiser.jacobian(x, sigma).numpy(), compute_uv=False)
    names = ("trace", "entropy_rank", "participation", "energy_rank")
    ranks = effective_ranks(singular_values, p.get("eta", 0.99))
    return [dict(zip(names, of_point, strict=True)) for of_point in zip(*ranks, strict=True)]


def _score_hessian(p: Params) -> np.ndarray:
    denoiser, x, sigma = mixture(p)
    return (denoiser.score_hessian(x, sigma) / p["s"] ** 2).numpy()


def _denoiser_mse(p: Params) -> float:
    law, f = generalization.law(p["data"]), p["denoiser"]
    data = mixture_of_gaussians(law.weights, law.means, law.covariances)
    if f["type"] == "affine":
        return affine_risk(data, f["M"], f["c"], p["sigma"], p["s"])
    if f["type"] == "tanh":
        return one_layer_risk(data, np.tanh, f["a"], f["B"], p["sigma"], p["s"])
    raise ValueError(f"unknown denoiser {f['type']!r}")


QUANTITIES: Quantities = {
    "homogeneity_defect": _homogeneity_defect,
    "effective_rank": _effective_rank,
    "molrg_score_hessian": _score_hessian,
    "denoiser_mse": _denoiser_mse,
    "mmse": lambda p: least_risk_on_points(p["points"], p["sigma"]).value,
}
MODELS: dict[str | None, Quantities] = {None: QUANTITIES}
