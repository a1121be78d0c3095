"""Matrix-weight models: every coordinate of the score is its own combination of the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.estimators import features as feature_maps
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.features import FeatureMap
from scorelens.estimators.spectral.denoiser import SpectralDenoiser
from scorelens.estimators.spectral.estimator import FRAMES, NoiseLevel, SpectralEstimator
from scorelens.estimators.spectral.rules import AffineRule, Features, features_for
from scorelens.estimators.spectral.solvers import Exact, Solver


@final
class WeightDenoiser(SpectralDenoiser):
    """``s = W phi``, in general no gradient field. ``coefficients (L, m, d)`` hold ``W^T`` of each level.

    >>> WeightScore(sigmas=(1.0, 2.0)).fit(np.array([[1.0], [-1.0]])).coefficients.shape
    torch.Size([2, 2, 1])
    """

    name: ClassVar[str] = "weights"

    @staticmethod
    def rebuild(name: str, arrays: Mapping[str, np.ndarray]) -> FeatureMap:
        return feature_maps.rebuild(name, arrays)

    def framed_noise(self, z: Tensor, shares: Tensor) -> Tensor:
        value, predicted = self.features.evaluate(z), torch.zeros_like(z)
        for index, share in enumerate(shares.T):
            rows = share.nonzero()[:, 0]
            if len(rows):
                score = value[rows] @ self.coefficients[index]
                predicted = predicted.index_add(0, rows, -share[rows, None] * score)
        return predicted


@final
@dataclass(frozen=True, kw_only=True)
class WeightScore(SpectralEstimator):
    """``s = W phi`` at every noise level: one matrix ``E[phi phi^T]`` for all coordinates ([S6]).

    Any features will do, steps and a constant too. With affine features it is the Wiener filter.

    >>> denoiser = WeightScore(sigmas=(1.0, 2.0)).fit(np.array([[1.0], [-1.0]]))
    >>> denoiser(torch.ones(1, 1, dtype=torch.float64), 1.0)
    tensor([[0.5000]], dtype=torch.float64)
    """

    features: Features = field(default_factory=AffineRule)
    solver: Solver = field(default_factory=Exact)
    name: ClassVar[str] = "weights"
    reference: ClassVar[str] = "score estimation [S6]"
    equation: ClassVar[str] = "s = W phi, W = -E[grad phi]^T E[phi phi^T]^-1"
    fitted: ClassVar[type[SpectralDenoiser]] = WeightDenoiser
    frames: ClassVar[tuple[str, ...]] = FRAMES
    matchings: ClassVar[tuple[str, ...]] = ("denoising", "implicit")

    def made(self, event_shape: tuple[int, ...], points: np.ndarray) -> FeatureMap:
        return features_for(self.features, points)

    def equations(self, features: FeatureMap, level: NoiseLevel) -> NormalEquations:
        if self.matching == "denoising":
            return NormalEquations.denoising_weights(features, *level)
        return NormalEquations.implicit_weights(features, level.draws(self.repeats, self.seed))
