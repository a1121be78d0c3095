"""Cosines and sines of given frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.features.base import SmoothFeatureMap, refuse_too_large


@final
@dataclass(frozen=True, eq=False)
class Fourier(SmoothFeatureMap):
    """``cos(k . x)`` for every row ``k`` of ``frequencies``, then ``sin(k . x)``; ``m`` is twice that.

    The averages of pairs are split into sample means and a kernel of the noise, so that neither small
    frequencies nor large ones lose digits: ``E[sin sin] = cosh(u) e <s s'> + sinh(u) e <c c'>`` with
    ``u = std^2 k . k'`` and ``e = exp(-std^2 (|k|^2 + |k'|^2) / 2)``, equal to [S18].

    >>> Fourier([[2.0]]).value([[0.0]])
    array([[1., 0.]])
    """

    frequencies: np.ndarray
    name: ClassVar[str] = "fourier"
    reference: ClassVar[str] = "score estimation [S18]"

    def __post_init__(self) -> None:
        found = np.asarray(self.frequencies, dtype=float)
        if found.ndim != 2 or found.size == 0:
            raise ValueError(f"frequencies must have shape (m, d), got {found.shape}; one row per frequency")
        checks.finite("frequencies", found)
        if (found == 0).all(axis=1).any():
            raise ValueError("frequencies must differ from 0, got a row of zeros; its sine is 0 everywhere")
        object.__setattr__(self, "frequencies", found)

    @classmethod
    def lattice(cls, dim: int, degree: int, period: float = 2 * np.pi) -> Self:
        """Every non-zero ``2 pi / period`` x integer vector with entries up to ``degree``, one of ``+-k``.

        Raises ``ValueError`` with the predicted size if the matrix of all pairs would not fit.

        >>> Fourier.lattice(dim=1, degree=3).frequencies.ravel()
        array([1., 2., 3.])
        """
        checks.at_least("dim", dim, 1)
        checks.at_least("degree", degree, 1)
        checks.positive("period", period)
        count = (2 * degree + 1) ** dim - 1
        random = "take random waves (Fourier.random; fourier:random=200)"
        refuse_too_large("the matrix of all pairs of fourier features", (count, count), remedy=random)
        axis = np.arange(-degree, degree + 1)
        points = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        half = points[len(points) // 2 + 1 :]  # lexicographic order: the second half is minus the first
        return cls(2 * np.pi / period * half)

    @classmethod
    def random(cls, dim: int, n_frequencies: int, length: float, seed: int) -> Self:
        """Frequencies from ``N(0, I / length^2)``: features of a Gaussian kernel (Rahimi & Recht 2007)."""
        checks.at_least("dim", dim, 1)
        checks.at_least("n_frequencies", n_frequencies, 1)
        checks.positive("length", length)
        refuse_too_large("the matrix of all pairs of fourier features", (2 * n_frequencies,) * 2)
        return cls(np.random.default_rng(seed).standard_normal((n_frequencies, dim)) / length)

    @property
    def n_features(self) -> int:
        return 2 * len(self.frequencies)

    @property
    def dim(self) -> int:
        return self.frequencies.shape[1]

    def roughness(self, order: float = 1) -> np.ndarray:
        """``|k|^(2 order)`` per feature: twice the mean square of that derivative's coefficient ([S14])."""
        return np.tile((self.frequencies**2).sum(axis=1) ** order, 2)

    def evaluate(self, x: Tensor) -> Tensor:
        phase = x @ torch.as_tensor(self.frequencies, dtype=x.dtype, device=x.device).T
        return torch.cat([phase.cos(), phase.sin()], dim=1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"frequencies": self.frequencies}

    def _jacobian(self, x: np.ndarray) -> np.ndarray:
        cosine, sine = self._waves(x)
        k = self.frequencies
        return np.concatenate([-sine[..., None] * k, cosine[..., None] * k], axis=1)

    def _curvature(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return -np.tile((direction @ self.frequencies.T) ** 2, 2) * self._value(x)

    def _laplacian(self, x: np.ndarray) -> np.ndarray:
        return -self.roughness() * self._value(x)

    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        cc, ss, sc = self._pairs(x0, alpha, std)
        return np.block([[cc, sc.T], [sc, ss]])

    def _gradient_gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        cc, ss, sc = self._pairs(x0, alpha, std)
        inner = self.frequencies @ self.frequencies.T
        return np.block([[inner * ss, -inner * sc], [-inner * sc.T, inner * cc]])  # [S18]

    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        cosine, sine = np.split(self._mean(x0, alpha, std), 2)
        return np.concatenate([-sine[:, None] * self.frequencies, cosine[:, None] * self.frequencies])

    def _mean_laplacian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        return -self.roughness() * self._mean(x0, alpha, std)  # [S18]

    def _mean(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        """Real and imaginary part of the characteristic function of the noised points."""
        return np.exp(-(std**2) * self.roughness() / 2) * self._value(alpha * x0).mean(axis=0)

    def _waves(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cosine, sine = np.split(self._value(x), 2, axis=1)
        return cosine, sine

    def _pairs(self, x0: np.ndarray, alpha: float, std: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``E[cos cos']``, ``E[sin sin']`` and ``E[sin cos']``, each over all pairs of frequencies."""
        count = len(self.frequencies)
        refuse_too_large("the matrix of all pairs of fourier features", (2 * count, 2 * count))
        cosine, sine = self._waves(alpha * x0)
        n = len(x0)
        cc, ss, sc = cosine.T @ cosine / n, sine.T @ sine / n, sine.T @ cosine / n
        even, odd = self._noise_kernel(std)
        return even * cc + odd * ss, even * ss + odd * cc, even * sc - odd * sc.T

    def _noise_kernel(self, std: float) -> tuple[np.ndarray, np.ndarray]:
        """``cosh(u)`` and ``sinh(u)`` times the damping of both waves, where neither overflows."""
        k = self.frequencies
        inner = std**2 * k @ k.T
        square = std**2 * (k**2).sum(axis=1)
        damping = np.exp(-np.maximum((square[:, None] + square) / 2 - np.abs(inner), 0.0)) / 2
        decay = np.exp(-2 * np.abs(inner))
        return damping * (1 + decay), -np.sign(inner) * damping * np.expm1(-2 * np.abs(inner))
