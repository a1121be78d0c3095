"""Waves together with the coordinates and their squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.estimators.features.base import SmoothFeatureMap
from scorelens.estimators.features.fourier import Fourier
from scorelens.estimators.features.squares import Squares


@final
@dataclass(frozen=True, eq=False)
class FourierQuadratic(SmoothFeatureMap):
    """The features of ``waves``, then ``x_l`` and ``x_l^2 / 2`` for every coordinate.

    At large noise every score tends to ``-x`` in units of the noise: waves alone cannot represent that, the
    squares can ([S18], [S19]). ``waves`` may be given by their frequencies ``(m, d)``.

    >>> FourierQuadratic(Fourier([[2.0]])).value([[3.0]]).round(4)
    array([[ 0.9602, -0.2794,  3.    ,  4.5   ]])
    """

    waves: Fourier
    name: ClassVar[str] = "fourier-quadratic"
    reference: ClassVar[str] = "score estimation [S19]"

    def __post_init__(self) -> None:
        if not isinstance(self.waves, Fourier):
            object.__setattr__(self, "waves", Fourier(self.waves))

    @property
    def n_features(self) -> int:
        return self.waves.n_features + 2 * self.dim

    @property
    def dim(self) -> int:
        return self.waves.dim

    def roughness(self, order: float = 1) -> np.ndarray:
        """That of the waves; 0 for coordinates and squares, which a penalty leaves free."""
        return np.concatenate([self.waves.roughness(order), np.zeros(2 * self.dim)])

    @property
    def _powers(self) -> Squares:
        return Squares(self.dim)

    def evaluate(self, x: Tensor) -> Tensor:
        return torch.cat([self.waves.evaluate(x), self._powers.evaluate(x)], dim=1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"waves": self.waves.frequencies}

    def _jacobian(self, x: np.ndarray) -> np.ndarray:
        powers = self._powers.jacobian(x)
        return np.concatenate([self.waves.jacobian(x), powers], axis=1)

    def _curvature(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        powers = self._powers.curvature(x, direction)
        return np.concatenate([self.waves.curvature(x, direction), powers], axis=1)

    def _laplacian(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([self.waves.laplacian(x), self._powers.laplacian(x)], axis=1)

    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        powers = self._powers.second_moment(x0, alpha, std)
        _, first, second = self._wave_moments(x0, alpha, std)
        cross = np.concatenate([first, second / 2], axis=1)
        cross = np.concatenate([np.real(cross), np.imag(cross)])
        return np.block([[self.waves.second_moment(x0, alpha, std), cross], [cross.T, powers]])

    def _gradient_gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        powers = self._powers.gradient_gram(x0, alpha, std)
        zeroth, first, _ = self._wave_moments(x0, alpha, std)
        k = self.waves.frequencies
        moment = np.concatenate([k * zeroth[:, None], k * first], axis=1)
        cross = np.concatenate([-np.imag(moment), np.real(moment)])  # [S19]
        return np.block([[self.waves.gradient_gram(x0, alpha, std), cross], [cross.T, powers]])

    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        powers = self._powers.mean_jacobian(x0, alpha, std)
        return np.concatenate([self.waves.mean_jacobian(x0, alpha, std), powers])

    def _mean_laplacian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        powers = self._powers.mean_laplacian(x0, alpha, std)
        return np.concatenate([self.waves.mean_laplacian(x0, alpha, std), powers])

    def _wave_moments(
        self, x0: np.ndarray, alpha: float, std: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``E[exp(i k.x) x_l^n]`` for ``n = 0`` (per frequency), 1 and 2 (per frequency and coordinate)."""
        k = self.waves.frequencies
        wave = np.exp(1j * (alpha * x0 @ k.T) - std**2 * (k**2).sum(axis=1) / 2).T / len(x0)
        zeroth, shift = wave.sum(axis=1), 1j * std**2 * k
        first, second = wave @ (alpha * x0), wave @ (alpha * x0) ** 2
        # the moments of a Gaussian centred at alpha x0 + i std^2 k
        squares = second + 2 * shift * first + (shift**2 + std**2) * zeroth[:, None]
        return zeroth, first + shift * zeroth[:, None], squares
