"""What a map of finitely many features must offer so that score matching with it is linear algebra."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike

from scorelens.estimators.features.point_map import PointMap

LARGEST_ARRAY = 2**32
"""Largest array in bytes that a feature map or its normal equations may ask for."""
_MOST_SHOWN = 10**9
"""Larger counts are told by their order of magnitude."""


class FeatureMap(PointMap):
    """``m`` functions of a point in ``d`` dimensions, with averages under Gaussian noise in closed form.

    The averages are taken under the law of ``alpha x0 + std n``, where ``x0`` is one of the ``(n, d)`` given
    points, each equally likely, and ``n`` is standard normal: no noise is drawn. ``std = 0`` gives plain
    sample means. Float64 throughout; ``ValueError`` for points of another dimension and for a NaN.

    The features themselves are written once, in torch: `evaluate` has shape ``(n, m)``.
    ``type(map)(**map.arrays())`` is the same map, so that a file can hold it
    (`scorelens.estimators.features.rebuild`).
    """

    name: ClassVar[str]
    reference: ClassVar[str]

    @property
    def subject(self) -> str:
        """What the features are called in messages."""
        return f"{self.name} features"

    @property
    def dependence(self) -> str:
        """Why the features are dependent whatever the data, with the remedy; empty if they are not."""
        return ""

    @abstractmethod
    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray: ...

    @abstractmethod
    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray: ...

    def value(self, x: ArrayLike) -> np.ndarray:
        """Features at the points ``x (n, d)``; shape ``(n, m)``."""
        return self._finite(self._value, self.points(x))

    def _value(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(torch.tensor(x)).numpy()

    def second_moment(self, x0: ArrayLike, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
        """``E[phi phi^T]``, shape ``(m, m)``: the matrix ``K`` of a score ``W phi`` ([S6])."""
        return self._finite(self._second_moment, *self.noised(x0, alpha, std))

    def mean_jacobian(self, x0: ArrayLike, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
        """``E[d phi_j / d x_l]``, shape ``(m, d)``: the ``B`` of [S6]; equally ``E[phi n^T] / std``."""
        return self._finite(self._mean_jacobian, *self.noised(x0, alpha, std))


class SmoothFeatureMap(FeatureMap):
    """Features with two derivatives: they can also be the log density ``theta^T phi`` of a model.

    That model's score is ``J(x)^T theta``, and its score matching objective is
    ``1/2 theta^T A theta + b^T theta`` with ``A = E[J J^T]`` and ``b = E[laplacian phi]`` ([S5]).
    """

    @abstractmethod
    def _jacobian(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _curvature(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _laplacian(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _gradient_gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray: ...

    @abstractmethod
    def _mean_laplacian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray: ...

    def jacobian(self, x: ArrayLike) -> np.ndarray:
        """``J_jl = d phi_j / d x_l`` at the points ``x (n, d)``; shape ``(n, m, d)``."""
        x = self.points(x)
        refuse_too_large(f"gradients of {self.name} features", (len(x), self.n_features, self.dim))
        return self._finite(self._jacobian, x)

    def curvature(self, x: ArrayLike, direction: ArrayLike) -> np.ndarray:
        """``v^T hessian(phi_j) v`` at each point along its own ``direction (n, d)``; shape ``(n, m)``."""
        x, direction = self.points(x), self.points(direction)
        if x.shape != direction.shape:
            raise ValueError(
                f"each of {len(x)} points needs one direction, got {len(direction)}; repeat the shorter one"
            )
        return self._finite(self._curvature, x, direction)

    def laplacian(self, x: ArrayLike) -> np.ndarray:
        """Laplacian of each feature at the points ``x (n, d)``; shape ``(n, m)``."""
        return self._finite(self._laplacian, self.points(x))

    def gradient_gram(self, x0: ArrayLike, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
        """``A = E[J J^T]``, shape ``(m, m)`` ([S5])."""
        return self._finite(self._gradient_gram, *self.noised(x0, alpha, std))

    def mean_laplacian(self, x0: ArrayLike, alpha: float = 1.0, std: float = 0.0) -> np.ndarray:
        """``b = E[laplacian phi]``, shape ``(m,)`` ([S5]); equally ``E[J n] / std`` ([S16])."""
        return self._finite(self._mean_laplacian, *self.noised(x0, alpha, std))


def refuse_too_large(
    what: str, shape: tuple[int, ...], itemsize: int = 8, remedy: str = "take fewer features"
) -> None:
    """``ValueError`` with the predicted size, before anything is allocated, above ``LARGEST_ARRAY``.

    >>> refuse_too_large("a matrix", (10**6, 10**6))
    Traceback (most recent call last):
    ...
    ValueError: a matrix would take 7.28 TiB (1000000 x 1000000 numbers), more than 4 GiB; take fewer features
    """
    size = itemsize
    for length in shape:
        size *= int(length)
    if size > LARGEST_ARRAY:
        shown = " x ".join(_count(int(length)) for length in shape)
        raise ValueError(
            f"{what} would take {_size(size)} ({shown} numbers), more than {_size(LARGEST_ARRAY)}; {remedy}"
        )


def _count(number: int) -> str:
    return str(number) if number < _MOST_SHOWN else f"about 10^{math.log10(number):.0f}"


def _size(n_bytes: float) -> str:
    if n_bytes > 1e6 * 2**60:
        return f"about 10^{math.log10(n_bytes):.0f} bytes"
    units = iter(("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))
    unit = next(units)
    while n_bytes >= 1024 and unit != "EiB":
        n_bytes, unit = n_bytes / 1024, next(units)
    return f"{n_bytes:.3g} {unit}" if n_bytes < 1000 else f"{n_bytes:,.0f} {unit}"
