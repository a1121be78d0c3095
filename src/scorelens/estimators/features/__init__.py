"""Feature maps: finitely many functions, and their averages under Gaussian noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scorelens.core import checks
from scorelens.estimators.features.affine import Affine
from scorelens.estimators.features.base import FeatureMap, SmoothFeatureMap
from scorelens.estimators.features.bins import Bins
from scorelens.estimators.features.fourier import Fourier
from scorelens.estimators.features.fourier_quadratic import FourierQuadratic
from scorelens.estimators.features.hermite import Hermite
from scorelens.estimators.features.monomials import Monomials
from scorelens.estimators.features.responsibilities import Responsibilities
from scorelens.estimators.features.squares import Squares

ALL: tuple[type[FeatureMap], ...] = (
    Affine,
    Monomials,
    Hermite,
    Fourier,
    FourierQuadratic,
    Squares,
    Bins,
    Responsibilities,
)


def rebuild(name: str, arrays: Mapping[str, np.ndarray]) -> FeatureMap:
    """The map of the registered ``name`` whose `FeatureMap.arrays` are ``arrays``.

    Raises ``ValueError`` for an unknown name and for arrays that the map refuses.

    >>> rebuild("affine", {"n_dims": np.asarray(2)})
    Affine(n_dims=2)
    """
    members = {member.name: member for member in ALL}
    return members[checks.choice("feature map", name, members)](**arrays)


__all__ = [
    "ALL",
    "Affine",
    "Bins",
    "FeatureMap",
    "Fourier",
    "FourierQuadratic",
    "Hermite",
    "Monomials",
    "Responsibilities",
    "SmoothFeatureMap",
    "Squares",
    "rebuild",
]
