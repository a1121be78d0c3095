"""Golden quantities of score estimation: objectives of score matching, their constants and variances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from golden_quantities.params import Params, Quantities
from scorelens import objectives
from scorelens.objectives import Draws, projections
from scorelens.objectives.base import QuadraticObjective

NODES = 120
"""Of Gauss and Hermite, per axis."""
KINDS = {
    "ism": objectives.Implicit(),
    "esm": objectives.Explicit(),
    "psm": objectives.Projected(),
    "ssm": objectives.Sliced(),
    "ssm_vr": objectives.SlicedVarianceReduced(),
}
LAWS = {
    "rademacher": projections.Rademacher(),
    "gaussian": projections.Gaussian(),
    "sphere": projections.UnitSphere(),
    "sphere_sqrt_d": projections.Sphere(),
}


def _law(p: Params) -> projections.ProjectionLaw:
    return projections.CorrelatedGaussian(p["pv_cov"]) if "pv_cov" in p else LAWS[p["pv"]]


def _tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _model(p: Params) -> Callable[[Tensor], Tensor]:
    matrix = _tensor(p["M"])
    if p["type"] == "affine":
        return lambda x: x @ matrix.T + _tensor(p["c"])
    return lambda x: x @ matrix.T + _tensor(p["a"]) * torch.tanh(x @ _tensor(p["B"]).T)


def _points(p: Params, alpha: float = 1.0, sigma: float = 0.0) -> tuple[Draws, Tensor]:
    """Nodes under the noised mixture with its score, and their weights."""
    if p["type"] != "gmm":
        raise ValueError(f"unknown data {p['type']!r}")
    share, means = _tensor(p["w"]) / sum(p["w"]), alpha * _tensor(p["mean"])
    dim = means.shape[1]
    covariances = alpha**2 * _tensor(p["cov"]) + sigma**2 * torch.eye(dim).double()
    node, weight = np.polynomial.hermite_e.hermegauss(NODES)
    grid = _tensor(np.stack(np.meshgrid(*[node] * dim, indexing="ij"), -1).reshape(-1, dim))
    of_node = _tensor(np.prod(np.meshgrid(*[weight / weight.sum()] * dim, indexing="ij"), axis=0).ravel())
    roots = torch.linalg.cholesky(covariances)
    x = torch.cat([mean + grid @ root.T for mean, root in zip(means, roots, strict=True)])
    gap = x[:, None] - means
    pull = torch.einsum("kij,nkj->nki", torch.linalg.inv(covariances), gap)
    log_part = share.log() - 0.5 * torch.logdet(covariances) - 0.5 * (gap * pull).sum(-1)
    score = -(log_part.softmax(1)[..., None] * pull).sum(1)
    return Draws(x, score), torch.cat([part * of_node for part in share])


def _objective(p: Params) -> float:
    kind, (draws, weight) = KINDS[p["kind"]], _points(p["data"])
    with torch.no_grad():
        if isinstance(kind, QuadraticObjective):
            return float(kind.expected(_model(p["score"]), draws, _law(p)) @ weight)
        return float(kind(_model(p["score"]), draws) @ weight)


def _probe(p: Params) -> dict[str, float]:
    jacobian, law = _tensor(p["A"]), _law(p)
    of_trace = p["what"] == "trace"
    kind = objectives.Hutchinson(law) if of_trace else KINDS[p["what"]]
    start = torch.zeros(len(jacobian)).double() if of_trace else _tensor(p["s"])
    draws = Draws(torch.zeros(1, len(jacobian)).double())
    assert isinstance(kind, QuadraticObjective)
    with torch.no_grad():
        mean, variance = (
            found(lambda x: start + x @ jacobian.T, draws, law)
            for found in (kind.expected, kind.probe_variance)
        )
    return {"mean": float(mean), "variance": float(variance)}


def _gap(p: Params) -> float:
    draws, weight = _points(p["data"], p["alpha"], p["sigma"])
    assert draws.true_score is not None
    return float(objectives.denoising_less_explicit(draws.true_score, p["sigma"]) @ weight)


OBJECTIVES: Quantities = {"sm_objective": _objective, "probe_variance": _probe, "dsm_esm_gap": _gap}
MODELS: dict[str | None, Quantities] = {None: OBJECTIVES}
