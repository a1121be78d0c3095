"""Optimal denoisers of uniform laws on manifolds: spheres, flat tori and rolled sheets, in any position."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import WithLogProb
from scorelens.estimators.bessel import bessel_ratio, log_bessel
from scorelens.estimators.gaussian_law import tensor


class ManifoldDenoiser(WithLogProb):
    """Events ``frame z`` with ``z`` uniform on a manifold in ``m`` dimensions; ``frame (d, m)`` orthonormal.

    Noise outside of the frame's span is removed whole, noise inside it as the manifold's own law tells.
    Computed in float64. Raises ``ValueError`` for a frame that is not orthonormal.
    """

    frame: Tensor

    def __init__(self, frame: ArrayLike, facts: dict[str, float | int]) -> None:
        columns = tensor(frame)
        if columns.ndim != 2:
            raise ValueError(f"frame must have shape (d, m), got {tuple(columns.shape)}")
        unit = torch.eye(columns.shape[1], dtype=torch.float64)
        if (columns.T @ columns - unit).abs().max() > 1e-6:
            raise ValueError("the columns of frame are not orthonormal; use numpy.linalg.qr")
        super().__init__((len(columns),), {"frame": columns}, facts)

    @property
    @abstractmethod
    def intrinsic_dim(self) -> int:
        """Dimension of the manifold itself."""

    @abstractmethod
    def flat_mean(self, z: Tensor, sigma: Tensor) -> Tensor:
        """Posterior mean of ``z (batch, m)`` at ``sigma (batch, 1)``, both float64."""

    @abstractmethod
    def flat_log_density(self, z: Tensor, sigma: Tensor) -> Tensor:
        """Log density ``(batch,)`` of the noised law in the space of the frame."""

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.flat_mean(x.double() @ self.frame, sigma.double()[:, None]) @ self.frame.T

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        wide, level = x.double(), sigma.double()[:, None]
        z = wide @ self.frame
        across = (wide - z @ self.frame.T).square().sum(1)
        n_across = self.dim - self.frame.shape[1]
        return self.flat_log_density(z, level) + _log_normal(across, level[:, 0], n_across)


@final
class SphereDenoiser(ManifoldDenoiser):
    """Uniform on the sphere of ``radius`` in ``m`` dimensions: the posterior is von Mises-Fisher.

    ``D(x) = radius A(kappa) x / |x|`` inside the frame, with ``kappa = radius |x| / sigma^2`` and
    ``A = I_(m/2) / I_(m/2-1)``; ``m`` is at least 2.

    >>> SphereDenoiser(np.eye(3))(torch.tensor([[0.0, 0.0, 2.0]]), 1.0)  # coth 2 - 1 / 2
    tensor([[0.0000, 0.0000, 0.5373]])
    """

    name: ClassVar[str] = "sphere"
    reference: ClassVar[str] = "mardia2000, Sec. 9.3.2"

    def __init__(self, frame: ArrayLike, radius: float = 1.0) -> None:
        checks.positive("radius", radius)
        super().__init__(frame, {"radius": float(radius)})
        checks.at_least("the number of frame columns", self.frame.shape[1], 2, "a circle needs two")

    @property
    def intrinsic_dim(self) -> int:
        return self.frame.shape[1] - 1

    def flat_mean(self, z: Tensor, sigma: Tensor) -> Tensor:
        return _sphere_mean(z, sigma, self.facts["radius"])

    def flat_log_density(self, z: Tensor, sigma: Tensor) -> Tensor:
        return _sphere_log_density(z, sigma[:, 0], self.facts["radius"])


@final
class TorusDenoiser(ManifoldDenoiser):
    """Uniform on a product of circles of ``radius``, each in two columns of the frame.

    >>> TorusDenoiser(np.eye(4))(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), 0.1)
    tensor([[0.9950, 0.0000, 0.0000, 0.9950]])
    """

    name: ClassVar[str] = "flat_torus"
    reference: ClassVar[str] = "mardia2000, Sec. 9.3.2"

    def __init__(self, frame: ArrayLike, radius: float = 1.0) -> None:
        checks.positive("radius", radius)
        super().__init__(frame, {"radius": float(radius)})
        if self.frame.shape[1] % 2:
            raise ValueError(f"a torus needs two columns per circle, got {self.frame.shape[1]}")

    @property
    def intrinsic_dim(self) -> int:
        return self.frame.shape[1] // 2

    def flat_mean(self, z: Tensor, sigma: Tensor) -> Tensor:
        circles = z.reshape(len(z), -1, 2)
        return _sphere_mean(circles, sigma[..., None], self.facts["radius"]).reshape(z.shape)

    def flat_log_density(self, z: Tensor, sigma: Tensor) -> Tensor:
        circles = z.reshape(len(z), -1, 2)
        return _sphere_log_density(circles, sigma, self.facts["radius"]).sum(1)


@final
class RolledSheetDenoiser(ManifoldDenoiser):
    """The swiss roll: a spiral in the first two columns, uniform over [-1, 1] in each of the others.

    The spiral ``r (cos(3 pi turns r), sin(3 pi turns r))`` has ``r`` uniform between 1/3 and 1. Its posterior
    is integrated over ``r`` by Gauss-Legendre panels, exact to rounding for ``sigma`` above `least_sigma`,
    below which `ValueError` is raised; the sides are truncated normal laws in closed form.

    >>> sheet = RolledSheetDenoiser(np.eye(3))
    >>> sheet.intrinsic_dim, sheet(torch.tensor([[0.0, 0.0, 5.0]]), 0.1)[0, 2].round(decimals=3)
    (2, tensor(0.9980))
    """

    name: ClassVar[str] = "rolled_sheet"
    nodes: Tensor
    log_weights: Tensor

    def __init__(self, frame: ArrayLike, turns: float = 1.5, n_panels: int = 512) -> None:
        checks.positive("turns", turns)
        checks.at_least("n_panels", n_panels, 1)
        super().__init__(frame, {"turns": float(turns), "n_panels": int(n_panels)})
        checks.at_least("the number of frame columns", self.frame.shape[1], 2, "a spiral needs two")
        ends = np.linspace(1 / 3, 1, n_panels + 1)
        at, weight = np.polynomial.legendre.leggauss(8)
        radius = (ends[:-1, None] + np.diff(ends)[:, None] * (at + 1) / 2).ravel()
        angle = 3 * np.pi * turns * radius
        spiral = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        share = np.tile(weight, n_panels) / weight.sum() / n_panels
        self.register_buffer("nodes", torch.from_numpy(spiral), persistent=False)
        self.register_buffer("log_weights", torch.from_numpy(np.log(share)), persistent=False)
        #: Smallest noise level that the panels resolve, in data units: a third of the longest panel.
        self.least_sigma = float(np.hypot(1, 3 * np.pi * turns) * np.diff(ends)[0] / 3)

    @property
    def intrinsic_dim(self) -> int:
        return self.frame.shape[1] - 1

    def flat_mean(self, z: Tensor, sigma: Tensor) -> Tensor:
        share = self._logits(z, sigma).softmax(1)
        _, side = _box(z[:, 2:], sigma)
        return torch.cat([share @ self.nodes, side], dim=1)

    def flat_log_density(self, z: Tensor, sigma: Tensor) -> Tensor:
        log_side, _ = _box(z[:, 2:], sigma)
        spiral = self._logits(z, sigma).logsumexp(1) + _log_normal(torch.zeros(()), sigma[:, 0], 2)
        return spiral + log_side.sum(1)

    def _logits(self, z: Tensor, sigma: Tensor) -> Tensor:
        least = float(sigma.detach().min())
        if least < self.least_sigma:
            raise ValueError(
                f"sigma must be at least {self.least_sigma:.2g}, which the panels resolve, got {least:g}; "
                "raise n_panels"
            )
        squares = (z[:, None, :2] - self.nodes).square().sum(2)
        return self.log_weights - squares / (2 * sigma**2)


def _log_normal(squares: Tensor, sigma: Tensor, dim: int) -> Tensor:
    """Log density of ``N(0, sigma^2 I)`` in ``dim`` dimensions at points of squared length ``squares``."""
    return -squares / (2 * sigma**2) - dim * (sigma.log() + 0.5 * math.log(2 * math.pi))


def _concentration(z: Tensor, sigma: Tensor, radius: float) -> Tensor:
    # The floor keeps derivatives at the centre finite; they are those of kappa^2, which is smooth.
    return radius * z.square().sum(-1, keepdim=True).clamp(min=1e-200).sqrt() / sigma**2


def _sphere_mean(z: Tensor, sigma: Tensor, radius: float) -> Tensor:
    """Posterior mean of a uniform point of the sphere over the last axis of ``z``."""
    kappa = _concentration(z, sigma, radius)
    gain = bessel_ratio(z.shape[-1] / 2 - 1, kappa) / kappa
    return (radius / sigma) ** 2 * gain * z


def _sphere_log_density(z: Tensor, sigma: Tensor, radius: float) -> Tensor:
    m = z.shape[-1]
    order = m / 2 - 1
    kappa = _concentration(z, sigma[..., None], radius)[..., 0]
    # The average of exp(kappa u) over the sphere is Gamma(m/2) 2^order I_order(kappa) / kappa^order.
    average = math.lgamma(m / 2) + order * math.log(2) + log_bessel(order, kappa)
    return _log_normal(z.square().sum(-1) + radius**2, sigma, m) + average


def _box(z: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """For each coordinate uniform over [-1, 1]: log density of the noised law, and the posterior mean."""
    below = -z.abs()  # the tail that holds the box is then the upper one
    low, high = (-1 - below) / sigma, (1 - below) / sigma
    near, far = torch.special.log_ndtr(-low), torch.special.log_ndtr(-high)
    log_mass = near + torch.log1p(-(far - near).exp())
    half = 0.5 * math.log(2 * math.pi)
    pull = (-0.5 * low**2 - half - log_mass).exp() - (-0.5 * high**2 - half - log_mass).exp()
    mean = below + sigma * pull
    return log_mass - math.log(2), torch.where(z > 0, -mean, mean)
