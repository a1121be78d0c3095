"""A constant and the coordinates: the features of an affine score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.features.base import FeatureMap, refuse_too_large


@final
@dataclass(frozen=True)
class Affine(FeatureMap):
    """``(1, x_1, ..., x_d)`` for a score ``w_0 + W x``: ``m = d + 1``, in any dimension.

    >>> Affine(2).value([[3.0, 5.0]])
    array([[1., 3., 5.]])
    """

    n_dims: int
    name: ClassVar[str] = "affine"
    reference: ClassVar[str] = "score estimation [S6]"

    def __post_init__(self) -> None:
        checks.at_least("n_dims", self.n_dims, 1)
        object.__setattr__(self, "n_dims", int(self.n_dims))
        refuse_too_large("the second moment of affine features", (self.n_dims + 1,) * 2)

    @property
    def n_features(self) -> int:
        return self.n_dims + 1

    @property
    def dim(self) -> int:
        return self.n_dims

    def evaluate(self, x: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(x[:, :1]), x], dim=1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"n_dims": np.asarray(self.n_dims)}

    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        value = self._value(alpha * x0)
        noise = np.diag(np.r_[0.0, np.full(self.n_dims, std**2)])
        return value.T @ value / len(x0) + noise

    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return np.eye(self.n_features, self.n_dims, k=-1)
