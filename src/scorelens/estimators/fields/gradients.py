"""Gradients of scalar features: the energy-based model as a sum of vector fields."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.estimators.features import FeatureMap, SmoothFeatureMap
from scorelens.estimators.fields.base import FieldMap
from scorelens.estimators.spectral.potential import gradient


@final
@dataclass(frozen=True, eq=False)
class Gradients(FieldMap):
    """``psi_j = grad phi_j``: every combination is the gradient of an energy ``theta . phi``.

    Raises ``TypeError`` for features without gradients.

    >>> from scorelens.estimators.features import Monomials
    >>> Gradients(Monomials([[1, 1]])).value([[2.0, 3.0]])
    array([[[3., 2.]]])
    """

    features: SmoothFeatureMap
    kind: ClassVar[str] = "gradients"
    reference: ClassVar[str] = "score estimation [S5]"

    def __post_init__(self) -> None:
        if not isinstance(self.features, SmoothFeatureMap):
            raise TypeError(f"{self.features.name} features have no gradients; take smooth ones")

    @classmethod
    def rebuilt(cls, features: SmoothFeatureMap) -> Gradients:
        """From the features and the arrays of its own, of which there are none."""
        return cls(features)

    @property
    def n_features(self) -> int:
        return self.features.n_features

    @property
    def dim(self) -> int:
        return self.features.dim

    def evaluate(self, x: Tensor) -> Tensor:
        def at(row: Tensor) -> Tensor:
            return self.features.evaluate(row[None])[0]

        return torch.func.vmap(torch.func.jacrev(at))(x)

    def combined(self, x: Tensor, theta: Tensor) -> Tensor:
        return gradient(self.features, x, theta)

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"inner_{key}": value for key, value in self.features.arrays().items()}

    def _divergence(self, x: np.ndarray) -> np.ndarray:
        return self.features.laplacian(x)

    def _gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return self.features.gradient_gram(x0, alpha, std)

    def _mean_divergence(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return self.features.mean_laplacian(x0, alpha, std)


@final
@dataclass(frozen=True)
class GradientRule:
    """Gradients named before the events' shape is known, from a rule for features of the dimension.

    >>> from scorelens.estimators.spectral import HermiteRule
    >>> GradientRule(HermiteRule(2))((1, 3)).n_features
    9
    """

    features: Callable[[int], FeatureMap]

    def __call__(self, event_shape: tuple[int, ...]) -> Gradients:
        """Raises ``TypeError`` where the rule makes features without gradients."""
        return Gradients(self.features(math.prod(event_shape)))  # pyright: ignore[reportArgumentType]
