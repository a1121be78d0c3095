"""Feature maps: finitely many functions, and their averages under Gaussian noise in closed form."""

from __future__ import annotations

from scorelens.estimators.features.affine import Affine
from scorelens.estimators.features.base import FeatureMap, SmoothFeatureMap
from scorelens.estimators.features.bins import Bins
from scorelens.estimators.features.fourier import Fourier
from scorelens.estimators.features.fourier_quadratic import FourierQuadratic
from scorelens.estimators.features.hermite import Hermite
from scorelens.estimators.features.monomials import Monomials

ALL: tuple[type[FeatureMap], ...] = (Affine, Monomials, Hermite, Fourier, FourierQuadratic, Bins)

__all__ = [
    "ALL",
    "Affine",
    "Bins",
    "FeatureMap",
    "Fourier",
    "FourierQuadratic",
    "Hermite",
    "Monomials",
    "SmoothFeatureMap",
]
