"""What scalar features and vector fields share: they are taken at checked points, and refuse to overflow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from scorelens.core import checks


class PointMap(ABC):
    """``m`` functions of a point in ``d`` dimensions, with averages under Gaussian noise; float64 in NumPy.

    ``ValueError`` for points of another dimension, for a NaN, and where a value overflows at finite points.
    """

    @property
    @abstractmethod
    def subject(self) -> str:
        """What the functions are called in messages."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number of functions ``m``."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension ``d`` of a point."""

    @abstractmethod
    def evaluate(self, x: Tensor) -> Tensor:
        """The functions at the rows of ``x (n, d)``, differentiable, in its dtype and on its device.

        The points are not checked: ``value`` does that.
        """

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The arguments that rebuild the map, as arrays (a number is an array of shape ``()``)."""

    def points(self, x: ArrayLike) -> np.ndarray:
        """``x`` as a float64 array ``(n, d)``; ``ValueError`` for another shape or a NaN."""
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.dim or len(x) == 0:
            raise ValueError(
                f"points must have shape (n, {self.dim}) with n >= 1, got {x.shape}; flatten each event"
            )
        checks.finite("points", x, "remove these samples")
        return x

    def noised(self, x0: ArrayLike, alpha: float, std: float) -> tuple[np.ndarray, float, float]:
        """Checked points and noise level."""
        checks.finite("alpha", alpha)
        checks.non_negative("std", std)
        return self.points(x0), float(alpha), float(std)

    def _finite(self, rule: Callable[..., np.ndarray], *arguments: object) -> np.ndarray:
        """What ``rule`` returns; ``ValueError`` where a function overflowed at finite points."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = rule(*arguments)
        checks.finite(self.subject, found, "rescale the points or lower the degree")
        return found
