"""The linear system that score matching with finitely many features comes down to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.estimators.equations.numerical_rank import Eigen
from scorelens.estimators.features.base import FeatureMap, SmoothFeatureMap, refuse_too_large

_BLOCK = 2**22
"""Numbers in one block of gradients."""


@final
@dataclass(frozen=True, eq=False)
class NormalEquations:
    """``A theta = -b``, the stationary point of ``1/2 theta^T A theta + b^T theta`` ([S5]).

    ``matrix`` is ``A (m, m)``, symmetric and positive semi-definite; ``vector`` is ``b (m,)``, or ``(m, d)``
    for a score ``W phi`` whose columns share one matrix ([S6]). ``root``, if any, is a matrix with
    ``root^T root = A``: the rank is decided on it, because squaring halves the digits. ``vector_scale`` is
    the size of the terms that were added to make ``vector``, hence of its rounding.

    The rules that assemble them: ``implicit``, ``sliced`` (clean samples), ``denoising`` (exact over the
    noise), ``implicit_weights`` and ``denoising_weights`` (a score ``W phi``), ``of_fields`` (any fields).
    """

    matrix: np.ndarray
    vector: np.ndarray
    root: np.ndarray | None = None
    vector_scale: float | None = None

    def __post_init__(self) -> None:
        matrix, vector = np.asarray(self.matrix, dtype=float), np.asarray(self.vector, dtype=float)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(vector) != len(matrix):
            raise ValueError(
                f"matrix must be (m, m) and vector (m,) or (m, d), got {matrix.shape} and {vector.shape}"
            )
        checks.finite("matrix", matrix)
        checks.finite("vector", vector)
        object.__setattr__(self, "matrix", (matrix + matrix.T) / 2)
        object.__setattr__(self, "vector", vector)

    @classmethod
    def implicit(cls, features: SmoothFeatureMap, x: ArrayLike) -> Self:
        """Implicit score matching of ``theta^T phi`` on the clean samples ``x (n, d)`` ([S5]).

        More features than ``n d`` make a system that in general has no solution: see ``Existence``.

        >>> from scorelens.estimators.features import Monomials
        >>> NormalEquations.implicit(Monomials([[1], [2]]), [[0.0], [1.0]]).matrix
        array([[1., 1.],
               [1., 2.]])
        """
        _refuse_steps(features)
        x = features.points(x)
        m = features.n_features
        refuse_too_large(f"the matrix of all pairs of {features.name} features", (m, m))
        total, size, root = np.zeros(m), np.zeros(m), np.zeros((0, m))
        for part in _blocks(x, m * features.dim):
            root = _stacked(root, features.jacobian(part).transpose(0, 2, 1).reshape(-1, m))
            laplacian = features.laplacian(part)
            total, size = total + laplacian.sum(axis=0), size + np.abs(laplacian).sum(axis=0)
        return cls._from_root(root / np.sqrt(len(x)), total / len(x), size / len(x))

    @classmethod
    def sliced(cls, features: SmoothFeatureMap, x: ArrayLike, projections: ArrayLike) -> Self:
        """Sliced score matching on clean samples ``x (n, d)`` with ``projections (n, M, d)`` ([L8]).

        ``projections[i, j]`` is the ``j``-th projection of sample ``i``; draw them afresh for each sample.
        """
        _refuse_steps(features)
        x, v = features.points(x), np.asarray(projections, dtype=float)
        if v.ndim != 3 or v.shape[0] != len(x) or v.shape[2] != features.dim or v.shape[1] == 0:
            raise ValueError(
                f"projections must have shape ({len(x)}, M, {features.dim}) with M >= 1, got {v.shape}; "
                "give every sample its own"
            )
        checks.finite("projections", v)
        m, count = features.n_features, v.shape[0] * v.shape[1]
        refuse_too_large(f"the projected gradients of {features.name} features", (count, m))
        root = np.einsum("nml,njl->njm", features.jacobian(x), v).reshape(-1, m)
        bent = np.stack([features.curvature(x, v[:, j]) for j in range(v.shape[1])])
        return cls._from_root(
            root / np.sqrt(count), bent.sum(axis=(0, 1)) / count, np.abs(bent).sum(axis=(0, 1)) / count
        )

    @classmethod
    def denoising(cls, features: SmoothFeatureMap, x0: ArrayLike, alpha: float, std: float) -> Self:
        """Denoising score matching at ``alpha x0 + std n``, averaged over the noise exactly ([S16]-[S22]).

        For ``std > 0`` it has one solution whenever no combination of the features is constant ([S17]).
        """
        _refuse_steps(features)
        checks.positive("std", std, "for clean samples use NormalEquations.implicit")
        return cls(features.gradient_gram(x0, alpha, std), features.mean_laplacian(x0, alpha, std))

    @classmethod
    def implicit_weights(cls, features: FeatureMap, x: ArrayLike) -> Self:
        """Implicit score matching of ``s = W phi`` on clean samples; ``theta = W^T (m, d)`` ([S6])."""
        x = features.points(x)
        root, vector = features.value(x) / np.sqrt(len(x)), features.mean_jacobian(x)
        return cls._from_root(root, vector, np.abs(vector))

    @classmethod
    def denoising_weights(cls, features: FeatureMap, x0: ArrayLike, alpha: float, std: float) -> Self:
        """Denoising score matching of ``s = W phi``, exact over the noise; ``theta = W^T (m, d)`` ([S6])."""
        checks.positive("std", std, "for clean samples use NormalEquations.implicit_weights")
        return cls(features.second_moment(x0, alpha, std), features.mean_jacobian(x0, alpha, std))

    @classmethod
    def of_fields(cls, fields: ArrayLike, divergences: ArrayLike) -> Self:
        """Implicit score matching of ``sum_j theta_j psi_j`` from ``psi (n, m, d)`` and ``div psi (n, m)``.

        The fields need not be gradients ([S5], vector-valued).
        """
        psi, divergence = np.asarray(fields, dtype=float), np.asarray(divergences, dtype=float)
        if psi.ndim != 3 or divergence.shape != psi.shape[:2] or len(psi) == 0:
            raise ValueError(
                f"fields must be (n, m, d) and divergences (n, m), got {psi.shape} and {divergence.shape}"
            )
        checks.finite("fields", psi)
        checks.finite("divergences", divergence)
        root = psi.transpose(0, 2, 1).reshape(-1, psi.shape[1]) / np.sqrt(len(psi))
        return cls._from_root(root, divergence.mean(axis=0), np.abs(divergence).mean(axis=0))

    @classmethod
    def _from_root(cls, root: np.ndarray, vector: np.ndarray, sizes: np.ndarray) -> Self:
        return cls(root.T @ root, vector, root, float(np.linalg.norm(sizes)))

    @property
    def n_features(self) -> int:
        return len(self.matrix)

    def divided(self, weight: np.ndarray) -> NormalEquations:
        """The equations of ``weight * theta``, ``weight (m,) > 0``: a ridge on them is one of ``weight^2``.

        >>> NormalEquations([[4.0]], [2.0]).divided(np.array([2.0])).matrix
        array([[1.]])
        """
        root = None if self.root is None else self.root / weight
        matrix, vector = self.matrix / np.outer(weight, weight), (self.vector.T / weight).T
        return NormalEquations(matrix, vector, root)

    def objective(self, theta: ArrayLike) -> float:
        """``1/2 theta^T A theta + b^T theta``, summed over columns: the loss up to a constant."""
        theta = np.asarray(theta, dtype=float)
        return float(np.sum(theta * (self.matrix @ theta / 2 + self.vector)))

    def residual(self, theta: ArrayLike) -> float:
        """``|A theta + b|``."""
        return float(np.linalg.norm(self.matrix @ np.asarray(theta, dtype=float) + self.vector))

    def clamped(self, index: ArrayLike, value: ArrayLike) -> tuple[Self, np.ndarray]:
        """The system of the coefficients that stay free, and their indices, when some are held fixed ([S25]).

        Only the rows of the free coefficients are equations: those of the fixed ones would hold only if the
        fixed values happened to be optimal.

        >>> free, where = NormalEquations([[2.0, 1.0], [1.0, 1.0]], [0.0, 0.0]).clamped([0], [3.0])
        >>> free.vector, where
        (array([3.]), array([1]))
        """
        fixed, held = np.asarray(index, dtype=int), np.asarray(value, dtype=float)
        m = self.n_features
        if fixed.ndim != 1 or len(np.unique(fixed)) < len(fixed) or ((fixed < 0) | (fixed >= m)).any():
            raise ValueError(f"index must hold distinct numbers from 0 to {m - 1}, got {fixed.tolist()}")
        if held.shape != (len(fixed), *self.vector.shape[1:]):
            raise ValueError(f"value must hold one entry per index, got {held.shape} for {len(fixed)}")
        checks.finite("value", held)
        free = np.setdiff1d(np.arange(self.n_features), fixed)
        if len(free) == 0:
            raise ValueError("every coefficient is fixed; leave at least one free")
        vector = self.vector[free] + self.matrix[np.ix_(free, fixed)] @ held
        root = None if self.root is None else self.root[:, free]
        return type(self)(self.matrix[np.ix_(free, free)], vector, root), free

    @cached_property
    def eigen(self) -> Eigen:
        """Eigenvalues and eigenvectors of the matrix, with its numerical rank."""
        if self.root is not None:
            return Eigen.of_root(self.root)
        return Eigen.of_matrix(self.matrix)

    @cached_property
    def existence(self) -> Existence:
        """Whether the objective has a minimum ([S8])."""
        outside = self.eigen.kernel @ (self.eigen.kernel.T @ self.vector)
        residual = float(np.linalg.norm(outside))
        scale = np.linalg.norm(self.vector) if self.vector_scale is None else self.vector_scale
        bounded = residual <= self.eigen.rounding * float(scale)
        return Existence(bool(bounded), residual, self.eigen.rank, self.n_features)


@final
@dataclass(frozen=True)
class Existence:
    """Whether ``1/2 theta^T A theta + b^T theta`` is bounded below: iff ``b`` is in the range of A ([S8]).

    ``residual`` is the part of ``b`` outside the range, the least ``|A theta + b|`` of any ``theta``.
    Unbounded, the objective falls without end along minus that part: the samples alone define no score.
    """

    bounded: bool
    residual: float
    rank: int
    n_features: int

    @property
    def unique(self) -> bool:
        """Bounded, and by one solution only."""
        return self.bounded and self.rank == self.n_features


def _refuse_steps(features: FeatureMap) -> None:
    if not isinstance(features, SmoothFeatureMap):
        raise TypeError(
            f"{features.name} features offer no gradients, so they make no log density; "
            "use denoising_weights for a score W phi"
        )


def _blocks(x: np.ndarray, per_point: int) -> list[np.ndarray]:
    step = max(1, _BLOCK // per_point)
    return [x[start : start + step] for start in range(0, len(x), step)]


def _stacked(root: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A matrix with the same ``root^T root`` as both on top of each other, with as few rows as it needs."""
    both = np.concatenate([root, rows])
    return np.asarray(np.linalg.qr(both, mode="r")) if len(both) > both.shape[1] else both
