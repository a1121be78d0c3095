"""Vector fields as features: models ``s = sum_j theta_j psi_j`` whose score need not be a gradient."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scorelens.estimators.features import FeatureMap
from scorelens.estimators.features.point_map import PointMap


class FieldMap(PointMap):
    """``m`` vector fields on ``R^d``, made of scalar features, with averages under Gaussian noise.

    The averages are under the law of ``alpha x0 + std n``, ``x0`` one of the ``(n, d)`` given points and
    ``n`` standard normal, as exact as those of ``features``: no noise is drawn. ``std = 0`` gives sample
    means. Float64; ``ValueError`` for points of another dimension and for a NaN.

    `evaluate` returns the fields at ``n`` points as ``(n, m, d)``. A file holds ``name`` and ``arrays()``,
    from which `scorelens.estimators.fields.rebuild` makes the map.

    >>> from scorelens.estimators.features import Hermite
    >>> from scorelens.estimators.fields import Gradients
    >>> Gradients(Hermite([[1], [2]])).name
    'gradients/hermite'
    """

    features: FeatureMap
    """The scalar features that the fields are made of."""

    kind: ClassVar[str]
    """How files name the class; the features' own name follows after a slash."""
    reference: ClassVar[str]

    @abstractmethod
    def combined(self, x: Tensor, theta: Tensor) -> Tensor:
        """``sum_j theta_nj psi_j(x_n)``, ``(n, d)``, for ``theta (n, m)``, without forming all fields."""

    @abstractmethod
    def _divergence(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray: ...

    @abstractmethod
    def _mean_divergence(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray: ...

    @property
    def name(self) -> str:
        """How a file names the map: its kind and its features, as in ``"patches/hermite"``."""
        return f"{self.kind}/{self.features.name}"

    @property
    def subject(self) -> str:
        """What the fields are called in messages."""
        return f"{self.name} fields"

    def value(self, x: ArrayLike) -> np.ndarray:
        """Fields at the points ``x (n, d)``; shape ``(n, m, d)``."""
        return self.evaluate(torch.tensor(self.points(x))).numpy()

    def divergence(self, x: ArrayLike) -> np.ndarray:
        """Divergence of each field at the points ``x (n, d)``; shape ``(n, m)``."""
        return self._finite(self._divergence, self.points(x))

    def gram(self, x0: ArrayLike, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
        """``A_jk = E[psi_j . psi_k]``, shape ``(m, m)`` ([S5], vector-valued)."""
        return self._finite(self._gram, *self.noised(x0, alpha, std))

    def mean_divergence(self, x0: ArrayLike, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
        """``b_j = E[div psi_j]``, shape ``(m,)``; equally ``E[psi_j . n] / std``."""
        return self._finite(self._mean_divergence, *self.noised(x0, alpha, std))
