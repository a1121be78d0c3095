"""Mixtures of Gaussians, of full or of low rank, and their denoiser."""

from scorelens.estimators.mixtures.mixture import GaussianMixture
from scorelens.estimators.mixtures.mixture_denoiser import MixtureDenoiser
from scorelens.estimators.mixtures.molrg import LowRankMixture

__all__ = ["GaussianMixture", "LowRankMixture", "MixtureDenoiser"]
