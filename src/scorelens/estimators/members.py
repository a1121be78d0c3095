"""The family: every estimator, in the order in which it is listed to people."""

from __future__ import annotations

from scorelens.estimators.base import Estimator
from scorelens.estimators.empirical import Empirical
from scorelens.estimators.fields import FieldScore, TangentScore
from scorelens.estimators.fourier_gaussian import FourierGaussian
from scorelens.estimators.gaussian import DiagonalGaussian, Gaussian, LowRankGaussian
from scorelens.estimators.kernel import KernelLevels
from scorelens.estimators.local_patch import LocalPatch, PatchLinear
from scorelens.estimators.mixtures import GaussianMixture, LowRankMixture
from scorelens.estimators.spectral import EnergyScore, TimeSeparableScore, WeightScore

ALL: tuple[type[Estimator], ...] = (
    Gaussian,
    DiagonalGaussian,
    LowRankGaussian,
    FourierGaussian,
    Empirical,
    GaussianMixture,
    LowRankMixture,
    EnergyScore,
    WeightScore,
    TimeSeparableScore,
    FieldScore,
    KernelLevels,
    PatchLinear,
    LocalPatch,
)

AROUND_NETWORKS: tuple[type[Estimator], ...] = (TangentScore,)
"""Estimators that take a user's network, both to fit and to load a file."""
