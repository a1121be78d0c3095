"""Energy-based models: the score is the gradient of a combination of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from scorelens.estimators import features as feature_maps
from scorelens.estimators.base import WithEnergy
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.features import FeatureMap
from scorelens.estimators.spectral.denoiser import SpectralDenoiser
from scorelens.estimators.spectral.estimator import FRAMES, NoiseLevel, SpectralEstimator
from scorelens.estimators.spectral.potential import gradient, potential
from scorelens.estimators.spectral.rules import Features, FourierRule, features_for
from scorelens.estimators.spectral.solvers import Penalized, Solver


@final
class EnergyDenoiser(SpectralDenoiser, WithEnergy):
    """``s = grad theta . phi``: a gradient field at every noise level, with its log density up to a constant.

    ``coefficients (L, m)``; the other buffers are those of `SpectralDenoiser`.

    >>> from scorelens.estimators.spectral import HermiteRule
    >>> denoiser = EnergyScore(features=HermiteRule(2), sigmas=(1.0, 2.0)).fit(np.array([[1.0], [-1.0]]))
    >>> denoiser.coefficients.shape
    torch.Size([2, 2])
    """

    name: ClassVar[str] = "energy"

    @staticmethod
    def rebuild(name: str, arrays: Mapping[str, np.ndarray]) -> FeatureMap:
        return feature_maps.rebuild(name, arrays)

    def framed_noise(self, z: Tensor, shares: Tensor) -> Tensor:
        return -gradient(self.features, z, shares @ self.coefficients)

    def energy(self, x: Tensor, sigma: Tensor) -> Tensor:
        points, level = x.to(self.mean.dtype), sigma.to(self.mean.dtype)
        top, (shrunk, within) = self.faded(level)[:, 0], self.inside(points, level)
        z, std = self.framed(shrunk, within)
        theta = self.noise_shares(self.shares(within)) @ self.coefficients / std[:, None]
        near = potential(self.features, z, theta)
        return top**2 * near + (1 - top**2) * self.gaussian_log_density(points, level)


@final
@dataclass(frozen=True, kw_only=True)
class EnergyScore(SpectralEstimator):
    """``s = grad theta . phi`` at every noise level, by score matching with smooth features.

    Denoising score matching, exact over the noise, always has a minimum; implicit and sliced score matching
    of more features than values in the draws have none, which `Exact` refuses and every other solver records
    in ``bounded`` and ``residuals``. Raises ``TypeError`` for features without gradients. Features of your
    own fit, but only those in `scorelens.estimators.features.ALL` can be loaded from a file.

    >>> from scorelens.estimators.spectral import Exact, HermiteRule
    >>> denoiser = EnergyScore(features=HermiteRule(2), solver=Exact()).fit(np.array([[1.0], [-1.0]]))
    >>> round(float(denoiser.score(denoiser.mean[None] + 2.0, 20.0)), 6) == round(-2 / 401, 6)
    True
    """

    features: Features = field(default_factory=lambda: FourierRule(n_random=64))
    solver: Solver = field(default_factory=lambda: Penalized(1e-3))
    name: ClassVar[str] = "energy"
    reference: ClassVar[str] = "score estimation [S5], [S16]; hyvarinen2005"
    equation: ClassVar[str] = "s = grad theta . phi, E[J J^T] theta = -E[laplacian phi]"
    fitted: ClassVar[type[SpectralDenoiser]] = EnergyDenoiser
    frames: ClassVar[tuple[str, ...]] = FRAMES
    matchings: ClassVar[tuple[str, ...]] = ("denoising", "implicit", "sliced")

    def made(self, event_shape: tuple[int, ...], points: np.ndarray) -> FeatureMap:
        return features_for(self.features, points)

    def equations(self, features: FeatureMap, level: NoiseLevel) -> NormalEquations:
        if self.matching == "denoising":
            return NormalEquations.denoising(features, *level)  # pyright: ignore[reportArgumentType]
        draws = level.draws(self.repeats, self.seed)
        if self.matching == "implicit":
            return NormalEquations.implicit(features, draws)  # pyright: ignore[reportArgumentType]
        size = (len(draws), self.n_projections, features.dim)
        signs = np.random.default_rng([self.seed, 1]).choice([-1.0, 1.0], size=size)
        return NormalEquations.sliced(features, draws, signs)  # pyright: ignore[reportArgumentType]
