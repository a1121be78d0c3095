"""Matrix-valued kernels, scalar times identity and curl-free, and products with them in bounded memory.

Points are in units of the bandwidth and every kernel is the identity at distance 0, so that the operator
``L f = (1/N) sum_n Gamma(., x_n) f(x_n)`` has its eigenvalues in ``[0, 1]`` whatever the data's scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.kernel.profiles import GaussianProfile, InverseMultiquadric, Profile

BLOCK_ENTRIES = 2**22
"""Entries of one block of a kernel matrix."""


class Kernel(ABC):
    """``Gamma(x, y)``, a positive ``d x d`` matrix for two points; float64 tensors throughout."""

    family: ClassVar[str]

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    @abstractmethod
    def weights(self, squared: Tensor) -> tuple[Tensor, ...]:
        """The radial functions that `apply` needs, at squared distances ``(n, m)``."""

    @abstractmethod
    def apply(self, weights: tuple[Tensor, ...], x: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
        """``sum_m Gamma(x_n, y_m) c_m``, shape ``(n, d)``, from the `weights` of ``x`` and ``y``."""

    @abstractmethod
    def slope(self, squared: Tensor, dim: int) -> Tensor:
        """``w`` with ``div_y Gamma(x, y) = w(|x - y|^2) (x - y)``, at ``(n, m)``."""

    @abstractmethod
    def matrix(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix that acts on `pack`-ed vectors at ``y``: ``(n, m)`` or ``(n d, m d)``."""

    @abstractmethod
    def pack(self, vectors: Tensor) -> Tensor:
        """Vectors ``(n, d)`` as columns that `matrix` acts on."""

    @abstractmethod
    def order(self, n: int, dim: int) -> int:
        """Rows of `matrix` for ``n`` points."""

    def product(self, x: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
        """``sum_m Gamma(x_n, y_m) c_m`` for any number of points, ``(n, d)``."""
        parts = [
            self.apply(self.weights(squared_distances(rows, y)), rows, y, coefficients)
            for rows in blocks(x, len(y))
        ]
        return torch.cat(parts)

    def drift(self, x: Tensor, samples: Tensor) -> Tensor:
        """``zeta(x) = (1/N) sum_n div_{x_n} Gamma(x, x_n)``, minus the smoothed score, ``(n, d)``."""
        parts = [
            weighted_differences(self.slope(squared_distances(rows, samples), x.shape[1]), rows, samples)
            for rows in blocks(x, len(samples))
        ]
        return torch.cat(parts) / len(samples)


@final
class Diagonal(Kernel):
    """``Gamma(x, y) = phi(x - y) I``: every component of the score is estimated by itself."""

    family: ClassVar[str] = "diagonal"

    def weights(self, squared: Tensor) -> tuple[Tensor, ...]:
        return (self.profile.derivatives(squared, 0)[0],)

    def apply(self, weights: tuple[Tensor, ...], x: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
        return weights[0] @ coefficients

    def slope(self, squared: Tensor, dim: int) -> Tensor:
        return -2 * self.profile.derivatives(squared, 1)[1]

    def matrix(self, x: Tensor, y: Tensor) -> Tensor:
        return self.weights(squared_distances(x, y))[0]

    def pack(self, vectors: Tensor) -> Tensor:
        return vectors

    def order(self, n: int, dim: int) -> int:
        return n


@final
class CurlFree(Kernel):
    """``Gamma(x, y) = -grad grad^T phi(x - y)``: its functions are gradients, so the score has an energy.

    ``Gamma c = -2 psi' c - 4 psi'' r (r . c)`` with ``r = x - y``; no matrix of ``N d`` rows is formed for a
    product.
    """

    family: ClassVar[str] = "curl-free"

    def weights(self, squared: Tensor) -> tuple[Tensor, ...]:
        _, first, second = self.profile.derivatives(squared, 2)
        return -2 * first, -4 * second

    def apply(self, weights: tuple[Tensor, ...], x: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
        isotropic, along = weights
        radial = along * _radial(x, y, coefficients)
        return isotropic @ coefficients + weighted_differences(radial, x, y)

    def slope(self, squared: Tensor, dim: int) -> Tensor:
        # div_y Gamma = grad (Laplacian phi), Laplacian = 2 d psi' + 4 u psi''
        _, _, second, third = self.profile.derivatives(squared, 3)
        return 2 * ((2 * dim + 4) * second + 4 * squared * third)

    def matrix(self, x: Tensor, y: Tensor) -> Tensor:
        n, dim = x.shape
        isotropic, along = self.weights(squared_distances(x, y))
        apart = x[:, None, :] - y[None, :, :]
        full = torch.einsum("nm,nmi,nmj->nimj", along, apart, apart)
        full += torch.einsum("nm,ij->nimj", isotropic, torch.eye(dim, dtype=x.dtype, device=x.device))
        return full.reshape(n * dim, len(y) * dim)

    def pack(self, vectors: Tensor) -> Tensor:
        return vectors.reshape(-1, 1)

    def order(self, n: int, dim: int) -> int:
        return n * dim

    def energy(self, x: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
        """The function ``(n,)`` whose gradient is `product`: ``-sum_m grad phi(x - y_m) . c_m``."""
        parts = []
        for rows in blocks(x, len(y)):
            isotropic = -2 * self.profile.derivatives(squared_distances(rows, y), 1)[1]
            parts.append((isotropic * _radial(rows, y, coefficients)).sum(1))
        return torch.cat(parts)

    def drift_energy(self, x: Tensor, samples: Tensor) -> Tensor:
        """The function ``(n,)`` whose gradient is `drift`: the mean Laplacian of ``phi``."""
        parts = []
        for rows in blocks(x, len(samples)):
            squared = squared_distances(rows, samples)
            _, first, second = self.profile.derivatives(squared, 2)
            parts.append((2 * x.shape[1] * first + 4 * squared * second).mean(1))
        return torch.cat(parts)


KERNELS: dict[str, Kernel] = {
    "gaussian": Diagonal(GaussianProfile()),
    "inverse-multiquadric": Diagonal(InverseMultiquadric()),
    "curl-free-gaussian": CurlFree(GaussianProfile()),
    "curl-free-inverse-multiquadric": CurlFree(InverseMultiquadric()),
}
"""Every kernel by the name that settings and files use."""


def kernel(name: str) -> Kernel:
    """The kernel of that name; raises ``ValueError`` naming the nearest one.

    >>> kernel("curl-free-gaussian").family
    'curl-free'
    """
    return KERNELS[checks.choice("kernel", name, KERNELS)]


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """``|x_n - y_m|^2``, shape ``(n, m)``; points should lie about the origin."""
    return (torch.addmm((x * x).sum(1)[:, None] + (y * y).sum(1), x, y.T, alpha=-2)).clamp_min(0)


def weighted_differences(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``sum_m w_nm (x_n - y_m)``, shape ``(n, d)``."""
    return weights.sum(1, keepdim=True) * x - weights @ y


def blocks(x: Tensor, n_columns: int) -> Iterator[Tensor]:
    """Rows of ``x`` in blocks whose kernel matrix has bounded memory; at least one block."""
    return iter(x.split(max(1, BLOCK_ENTRIES // max(1, n_columns))))


def _radial(x: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
    """``(x_n - y_m) . c_m``, shape ``(n, m)``."""
    return x @ coefficients.T - (y * coefficients).sum(1)
