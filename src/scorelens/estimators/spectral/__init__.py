"""Features x solver: score matching with finitely many features as one linear system per noise level."""

from scorelens.estimators.spectral.all_levels import TimeSeparableDenoiser, TimeSeparableScore
from scorelens.estimators.spectral.denoiser import SpectralDenoiser
from scorelens.estimators.spectral.energy import EnergyDenoiser, EnergyScore
from scorelens.estimators.spectral.estimator import NoiseLevel, SpectralEstimator
from scorelens.estimators.spectral.placed import ResponsibilitiesRule
from scorelens.estimators.spectral.rules import (
    RULES,
    AffineRule,
    BinsRule,
    FeatureRule,
    FourierRule,
    HermiteRule,
    MonomialRule,
    PlacedByData,
)
from scorelens.estimators.spectral.solvers import SOLVERS, Exact, Filtered, Penalized, Roughness, Solver
from scorelens.estimators.spectral.weights import WeightDenoiser, WeightScore

__all__ = [
    "RULES",
    "SOLVERS",
    "AffineRule",
    "BinsRule",
    "EnergyDenoiser",
    "EnergyScore",
    "Exact",
    "FeatureRule",
    "Filtered",
    "FourierRule",
    "HermiteRule",
    "MonomialRule",
    "NoiseLevel",
    "Penalized",
    "PlacedByData",
    "ResponsibilitiesRule",
    "Roughness",
    "Solver",
    "SpectralDenoiser",
    "SpectralEstimator",
    "TimeSeparableDenoiser",
    "TimeSeparableScore",
    "WeightDenoiser",
    "WeightScore",
]
