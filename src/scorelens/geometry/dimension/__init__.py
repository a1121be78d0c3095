"""Local intrinsic dimension of data, as a denoiser sees it."""

from __future__ import annotations

from scorelens.geometry.dimension.base import (
    AtLevel,
    DimensionCurve,
    DimensionEstimate,
    DimensionEstimator,
)
from scorelens.geometry.dimension.choice import RULES, STATUSES, Knee, Plateau, Reading, Rule
from scorelens.geometry.dimension.flipd import Flipd
from scorelens.geometry.dimension.jacobian_rank import JacobianRank
from scorelens.geometry.dimension.likelihood_slope import LikelihoodSlope
from scorelens.geometry.dimension.normal_bundle import NormalBundle, singular_values

ALL: tuple[type[DimensionEstimator], ...] = (Flipd, NormalBundle, JacobianRank, LikelihoodSlope)

__all__ = [
    "ALL",
    "RULES",
    "STATUSES",
    "AtLevel",
    "DimensionCurve",
    "DimensionEstimate",
    "DimensionEstimator",
    "Flipd",
    "JacobianRank",
    "Knee",
    "LikelihoodSlope",
    "NormalBundle",
    "Plateau",
    "Reading",
    "Rule",
    "singular_values",
]
