"""Laws of the random directions along which a score is sliced, and what they do to a quadratic form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks


class ProjectionLaw(ABC):
    """A law of directions ``v`` with mean zero and covariance ``Sigma_v``.

    It holds no randomness: standard normals go in, directions come out. Events are counted as flat vectors of
    ``d`` numbers.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    equation: ClassVar[str]

    @abstractmethod
    def draw(self, normal: Tensor) -> Tensor:
        """Directions ``(..., d)`` made of standard normals of that shape."""

    @abstractmethod
    def covariance(self, dim: int) -> Tensor:
        """``Sigma_v``, shape ``(dim, dim)``, float64."""

    @abstractmethod
    def trace_factor(self, dim: int) -> float | None:
        """The number ``c`` with ``c Sigma_v = I``: ``c v . M v`` has mean ``tr M``; ``None`` if none."""

    @abstractmethod
    def variance_of_quadratic(self, matrix: Tensor) -> Tensor:
        """Variance of ``v . M v`` over one direction, for ``matrix (..., d, d)``: shape ``(...)``."""

    def usable_for_variance_reduction(self, dim: int) -> bool:
        """Whether ``1/2 |s|^2 + v . (grad s) v`` is minimised by the score: ``Sigma_v = I`` ([L3])."""
        return self.trace_factor(dim) == 1.0

    def mean_of_quadratic(self, matrix: Tensor) -> Tensor:
        """Mean of ``v . M v``, that is ``tr(Sigma_v M)``, for ``matrix (..., d, d)``: shape ``(...)``."""
        return (self.covariance(matrix.shape[-1]).to(matrix) * matrix).sum((-2, -1))


@final
@dataclass(frozen=True)
class Rademacher(ProjectionLaw):
    """Independent signs; of the laws with ``Sigma_v = I`` the least variance for nearly diagonal Jacobians.

    >>> Rademacher().draw(torch.tensor([[0.3, -2.0]]))
    tensor([[ 1., -1.]])
    """

    name: ClassVar[str] = "rademacher"
    reference: ClassVar[str] = "hutchinson1989"
    equation: ClassVar[str] = "score estimation [L5]"

    def draw(self, normal: Tensor) -> Tensor:
        return torch.where(normal < 0, -1.0, 1.0).to(normal)

    def covariance(self, dim: int) -> Tensor:
        return torch.eye(dim, dtype=torch.float64)

    def trace_factor(self, dim: int) -> float | None:
        return 1.0

    def variance_of_quadratic(self, matrix: Tensor) -> Tensor:
        off_diagonal = _symmetric(matrix) - torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))
        return 2.0 * off_diagonal.square().sum((-2, -1))  # [L5]


@final
@dataclass(frozen=True)
class Gaussian(ProjectionLaw):
    """Standard normal directions."""

    name: ClassVar[str] = "gaussian"
    reference: ClassVar[str] = "song2019"
    equation: ClassVar[str] = "score estimation [L5]"

    def draw(self, normal: Tensor) -> Tensor:
        return normal

    def covariance(self, dim: int) -> Tensor:
        return torch.eye(dim, dtype=torch.float64)

    def trace_factor(self, dim: int) -> float | None:
        return 1.0

    def variance_of_quadratic(self, matrix: Tensor) -> Tensor:
        return 2.0 * _symmetric(matrix).square().sum((-2, -1))  # [L5]


@final
@dataclass(frozen=True)
class Sphere(ProjectionLaw):
    """Uniform on the sphere of radius ``sqrt(d)``."""

    name: ClassVar[str] = "sphere"
    reference: ClassVar[str] = "song2019, reference code, option sphere"
    equation: ClassVar[str] = "score estimation [L5]"

    def draw(self, normal: Tensor) -> Tensor:
        return normal.shape[-1] ** 0.5 * _unit(normal)

    def covariance(self, dim: int) -> Tensor:
        return torch.eye(dim, dtype=torch.float64)

    def trace_factor(self, dim: int) -> float | None:
        return 1.0

    def variance_of_quadratic(self, matrix: Tensor) -> Tensor:
        dim = matrix.shape[-1]
        traceless = _traceless(_symmetric(matrix))
        return 2.0 * dim / (dim + 2.0) * traceless.square().sum((-2, -1))  # [L5]


@final
@dataclass(frozen=True)
class UnitSphere(ProjectionLaw):
    """Uniform on the unit sphere: ``Sigma_v = I / d``, so that a trace needs the factor ``d``.

    >>> UnitSphere().trace_factor(5), UnitSphere().usable_for_variance_reduction(5)
    (5.0, False)
    """

    name: ClassVar[str] = "unit-sphere"
    reference: ClassVar[str] = "song2019, reference code, several directions"
    equation: ClassVar[str] = "score estimation [L6]"

    def draw(self, normal: Tensor) -> Tensor:
        return _unit(normal)

    def covariance(self, dim: int) -> Tensor:
        return torch.eye(dim, dtype=torch.float64) / dim

    def trace_factor(self, dim: int) -> float | None:
        return float(dim)

    def variance_of_quadratic(self, matrix: Tensor) -> Tensor:
        return Sphere().variance_of_quadratic(matrix) / matrix.shape[-1] ** 2  # [L6]


@final
class CorrelatedGaussian(ProjectionLaw):
    """Normal directions of a given ``covariance (d, d)``: the general row of the table of normalisations.

    Raises ``ValueError`` unless the matrix is finite, symmetric and positive definite: a number
    ``E |v|^2 > 0`` would not do, directions that are never drawn are never learned.

    >>> CorrelatedGaussian([[2.0, 0.0], [0.0, 1.0]]).trace_factor(2) is None
    True
    """

    name: ClassVar[str] = "correlated-gaussian"
    reference: ClassVar[str] = "song2019, directions with positive definite E[v v^T]"
    equation: ClassVar[str] = "score estimation [L1], [L4]"

    def __init__(self, covariance: object) -> None:
        matrix = torch.as_tensor(covariance, dtype=torch.float64)
        checks.finite("covariance", matrix)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not torch.allclose(matrix, matrix.T):
            raise ValueError(f"covariance must be a symmetric (d, d) matrix, got shape {tuple(matrix.shape)}")
        if not float(torch.linalg.eigvalsh(matrix)[0]) > 0:
            raise ValueError("covariance must be positive definite: every direction must be drawn")
        self._covariance, self._root = matrix, torch.linalg.cholesky(matrix)

    def draw(self, normal: Tensor) -> Tensor:
        return normal @ self._root.T.to(normal)

    def covariance(self, dim: int) -> Tensor:
        if dim != len(self._covariance):
            raise ValueError(
                f"these projections have {len(self._covariance)} dimensions, the event has {dim}"
            )
        return self._covariance

    def trace_factor(self, dim: int) -> float | None:
        scale = float(self.covariance(dim)[0, 0])
        return 1.0 / scale if torch.allclose(self._covariance, scale * torch.eye(dim).double()) else None

    def variance_of_quadratic(self, matrix: Tensor) -> Tensor:
        spread = self.covariance(matrix.shape[-1]).to(matrix) @ _symmetric(matrix)
        return 2.0 * (spread * spread.mT).sum((-2, -1))


ALL: tuple[type[Rademacher] | type[Gaussian] | type[Sphere] | type[UnitSphere], ...] = (
    Rademacher,
    Gaussian,
    Sphere,
    UnitSphere,
)
"""Every law that needs no settings."""


def projections_named(name: str) -> ProjectionLaw:
    """The law of this name; ``ValueError`` for an unknown one."""
    members = {law.name: law for law in ALL}
    return members[checks.choice("projections", name, members)]()


def _unit(normal: Tensor) -> Tensor:
    return normal / normal.norm(dim=-1, keepdim=True)


def _symmetric(matrix: Tensor) -> Tensor:
    return 0.5 * (matrix + matrix.mT)


def _traceless(matrix: Tensor) -> Tensor:
    dim = matrix.shape[-1]
    mean = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)
    return matrix - mean[..., None, None] * torch.eye(dim, dtype=matrix.dtype, device=matrix.device)
