"""Closed-form score estimators: data in, a Denoiser out, without training."""

from scorelens.estimators.base import (
    Estimator,
    FittedDenoiser,
    WithEnergy,
    WithJacobian,
    WithLogProb,
    WithPosteriorCovariance,
    WithScore,
)
from scorelens.estimators.empirical import Empirical, EmpiricalDenoiser
from scorelens.estimators.fields import FieldDenoiser, FieldScore, TangentDenoiser, TangentScore
from scorelens.estimators.file import is_estimator, load, save
from scorelens.estimators.fourier_gaussian import FourierGaussian, FourierGaussianDenoiser
from scorelens.estimators.gaussian import (
    DiagonalGaussian,
    FactorDenoiser,
    Gaussian,
    GaussianDenoiser,
    LowRankGaussian,
)
from scorelens.estimators.kernel import KernelLevels, KernelLevelsDenoiser
from scorelens.estimators.local_patch import (
    LocalPatch,
    LocalPatchDenoiser,
    PatchLinear,
    PatchLinearDenoiser,
)
from scorelens.estimators.members import ALL, AROUND_NETWORKS
from scorelens.estimators.mixtures import GaussianMixture, LowRankMixture, MixtureDenoiser
from scorelens.estimators.spectral import (
    EnergyDenoiser,
    EnergyScore,
    TimeSeparableDenoiser,
    TimeSeparableScore,
    WeightDenoiser,
    WeightScore,
)

__all__ = [
    "ALL",
    "AROUND_NETWORKS",
    "DiagonalGaussian",
    "Empirical",
    "EmpiricalDenoiser",
    "EnergyDenoiser",
    "EnergyScore",
    "Estimator",
    "FactorDenoiser",
    "FieldDenoiser",
    "FieldScore",
    "FittedDenoiser",
    "FourierGaussian",
    "FourierGaussianDenoiser",
    "Gaussian",
    "GaussianDenoiser",
    "GaussianMixture",
    "KernelLevels",
    "KernelLevelsDenoiser",
    "LocalPatch",
    "LocalPatchDenoiser",
    "LowRankGaussian",
    "LowRankMixture",
    "MixtureDenoiser",
    "PatchLinear",
    "PatchLinearDenoiser",
    "TangentDenoiser",
    "TangentScore",
    "TimeSeparableDenoiser",
    "TimeSeparableScore",
    "WeightDenoiser",
    "WeightScore",
    "WithEnergy",
    "WithJacobian",
    "WithLogProb",
    "WithPosteriorCovariance",
    "WithScore",
    "is_estimator",
    "load",
    "save",
]
