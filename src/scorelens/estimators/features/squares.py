"""Every coordinate and its square: the log density of a Gaussian with independent coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.features.base import SmoothFeatureMap, refuse_too_large


@final
@dataclass(frozen=True)
class Squares(SmoothFeatureMap):
    """``x_1, ..., x_d, x_1^2 / 2, ..., x_d^2 / 2``: ``m = 2 d``, in any dimension.

    >>> Squares(2).value([[3.0, 2.0]])
    array([[3. , 2. , 4.5, 2. ]])
    """

    n_dims: int
    name: ClassVar[str] = "squares"
    reference: ClassVar[str] = "score estimation [S19]"

    def __post_init__(self) -> None:
        checks.at_least("n_dims", self.n_dims, 1)
        object.__setattr__(self, "n_dims", int(self.n_dims))
        refuse_too_large("the second moment of coordinates and squares", (self.n_features,) * 2)

    @property
    def n_features(self) -> int:
        return 2 * self.n_dims

    @property
    def dim(self) -> int:
        return self.n_dims

    def evaluate(self, x: Tensor) -> Tensor:
        return torch.cat([x, x**2 / 2], dim=1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"n_dims": np.asarray(self.n_dims)}

    def _jacobian(self, x: np.ndarray) -> np.ndarray:
        unit = np.eye(self.dim)
        return np.concatenate([np.broadcast_to(unit, (len(x), *unit.shape)), x[:, :, None] * unit], axis=1)

    def _curvature(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(x), direction**2], axis=1)

    def _laplacian(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(x), np.ones_like(x)], axis=1)

    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        center, variance, n = alpha * x0, std**2, len(x0)
        square = center**2 + variance
        # beside the products of averages given a point, what the noise adds on the diagonal
        first = center.T @ center / n + variance * np.eye(self.dim)
        cross = center.T @ square / n + 2 * variance * np.diag(center.mean(axis=0))
        second = square.T @ square / n + np.diag(4 * variance * square.mean(axis=0) - 2 * variance**2)
        return np.block([[first, cross / 2], [cross.T / 2, second / 4]])

    def _gradient_gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        mean = np.diag(alpha * x0.mean(axis=0))
        square = np.diag(((alpha * x0) ** 2).mean(axis=0) + std**2)
        return np.block([[np.eye(self.dim), mean], [mean, square]])

    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return np.concatenate([np.eye(self.dim), np.diag(alpha * x0.mean(axis=0))])

    def _mean_laplacian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return np.repeat([0.0, 1.0], self.dim)
