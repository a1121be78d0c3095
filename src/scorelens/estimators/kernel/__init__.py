"""Kernel (nonparametric) score estimators: one regularised regression, many filters."""

from scorelens.estimators.kernel.bandwidth import median_bandwidth
from scorelens.estimators.kernel.estimator import KernelScoreEstimator
from scorelens.estimators.kernel.filtered import FilteredScore
from scorelens.estimators.kernel.iterative import LandweberScore, NuMethodScore
from scorelens.estimators.kernel.kernels import KERNELS
from scorelens.estimators.kernel.levels import KernelLevels, KernelLevelsDenoiser
from scorelens.estimators.kernel.nystrom import NystromScore
from scorelens.estimators.kernel.score import KernelScore
from scorelens.estimators.kernel.spectral_cutoff import SpectralCutoffScore
from scorelens.estimators.kernel.stein import SteinScore
from scorelens.estimators.kernel.tikhonov import TikhonovScore

SCORES: tuple[type[KernelScoreEstimator], ...] = (
    SteinScore,
    SpectralCutoffScore,
    TikhonovScore,
    LandweberScore,
    NuMethodScore,
    NystromScore,
    FilteredScore,
)
"""Every kernel score estimator."""

__all__ = [
    "KERNELS",
    "SCORES",
    "FilteredScore",
    "KernelLevels",
    "KernelLevelsDenoiser",
    "KernelScore",
    "KernelScoreEstimator",
    "LandweberScore",
    "NuMethodScore",
    "NystromScore",
    "SpectralCutoffScore",
    "SteinScore",
    "TikhonovScore",
    "median_bandwidth",
]
