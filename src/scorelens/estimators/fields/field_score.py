"""Score matching with vector fields as features, solved at every noise level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from scorelens.core.filters import Ridge
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.fields.base import FieldMap
from scorelens.estimators.fields.family import rebuild
from scorelens.estimators.fields.patches import PatchRule
from scorelens.estimators.spectral import (
    Filtered,
    HermiteRule,
    NoiseLevel,
    Solver,
    SpectralDenoiser,
    SpectralEstimator,
)


@final
class FieldDenoiser(SpectralDenoiser):
    """``s = sum_j theta_j psi_j``. ``coefficients (L, m)``; fact ``features`` names the `FieldMap`.

    >>> denoiser = FieldScore(sigmas=(1.0, 2.0)).fit(np.random.default_rng(0).standard_normal((50, 4, 4)))
    >>> len(denoiser.coefficients), denoiser.event_shape
    (2, (4, 4))
    """

    name: ClassVar[str] = "fields"

    @staticmethod
    def rebuild(name: str, arrays: Mapping[str, np.ndarray]) -> FieldMap:
        return rebuild(name, arrays)

    def framed_noise(self, z: Tensor, shares: Tensor) -> Tensor:
        return -self.features.combined(z, shares @ self.coefficients)


@final
@dataclass(frozen=True, kw_only=True)
class FieldScore(SpectralEstimator):
    """``s = sum_j theta_j psi_j`` at every noise level, with any vector fields ([S5], vector-valued).

    ``features``: a rule from the events' shape to a `FieldMap`. The default is a translation-equivariant
    score, a quadratic function of the 3 x 3 patch around each pixel; `PatchRule` takes any other features,
    and with affine ones it is `PatchLinear`. ``Gradients`` of smooth features are `EnergyScore`.

    >>> from scorelens.estimators.spectral import AffineRule
    >>> rule = PatchRule(AffineRule(), patch_size=1)
    >>> denoiser = FieldScore(features=rule, sigmas=(1.0, 2.0)).fit(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    >>> denoiser.denoise(denoiser.mean[None] + 1.0, 1.0).round(decimals=4)
    tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """

    features: Callable[[tuple[int, ...]], FieldMap] = field(
        default_factory=lambda: PatchRule(HermiteRule(2, constant=True))
    )
    solver: Solver = field(default_factory=lambda: Filtered(Ridge(1e-6)))
    frame: str = "coordinates"
    name: ClassVar[str] = "fields"
    reference: ClassVar[str] = "score estimation [S5]"
    equation: ClassVar[str] = "s = sum_j theta_j psi_j, E[psi_j . psi_k] theta = -E[div psi_j]"
    fitted: ClassVar[type[SpectralDenoiser]] = FieldDenoiser
    matchings: ClassVar[tuple[str, ...]] = ("denoising", "implicit")
    frames: ClassVar[tuple[str, ...]] = ("coordinates",)

    def made(self, event_shape: tuple[int, ...], points: np.ndarray) -> FieldMap:
        return self.features(event_shape)

    def equations(self, features: FieldMap, level: NoiseLevel) -> NormalEquations:
        if self.matching == "denoising":
            return NormalEquations(features.gram(*level), features.mean_divergence(*level))
        draws = level.draws(self.repeats, self.seed)
        return NormalEquations.of_fields(features.value(draws), features.divergence(draws))
