"""Spectral preconditioning by a covariance that need not commute with that of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.core.noise_level import LogNormal, NoiseLevelLaw
from scorelens.core.preconditioning import matched_scalings
from scorelens.dynamics.regression.targets import checked_covariance
from scorelens.dynamics.weights.data_modes import DataModes
from scorelens.dynamics.weights.weight_law import WeightLaw, check_point

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser


class MatrixScalings(NamedTuple):
    """Skip, output and input operators of [E21], each ``(d, d)``."""

    skip: np.ndarray
    output: np.ndarray
    input: np.ndarray


@final
class SpectralMatrixLaw(WeightLaw):
    """One linear layer behind the operators of [E21], built from ``assumed``, on data of covariance
    ``covariance``.

    Target-space loss, ``W'(0) = initial_weight * I``. The parameters are the total map of the denoiser,
    ``skip + output W' input``, shape ``(d, d)``; there is no bias. `PreconditionedOneLayer` is the same law
    mode by mode where the two matrices commute. Raises ``ValueError`` unless both are symmetric, ``assumed``
    positive definite and ``covariance`` positive semi-definite.

    >>> law = SpectralMatrixLaw(np.diag([2.0, 1.0]), np.diag([1.0, 1.0]))
    >>> law.weight_at(1.0, flow_time=0.0).round(6)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """

    name = "spectral-matrix"
    equation = "[E23]"
    reference = "preconditioned law, section 5"

    def __init__(
        self,
        covariance: np.ndarray,
        assumed: np.ndarray,
        noise: NoiseLevelLaw | None = None,
        initial_weight: float = 0.0,
    ) -> None:
        self._data = DataModes.of(None, covariance)
        self._values, self._vectors = np.linalg.eigh(checked_covariance(assumed, "assumed"))
        if len(self._values) != self._data.dim:
            shapes = f"{np.shape(covariance)} and {np.shape(assumed)}"
            raise ValueError(f"covariance and assumed must have one shape, got {shapes}")
        checks.finite("initial_weight", initial_weight)
        checks.positive("eigenvalues of assumed", self._values, "set a floor ([E26])")
        self._noise, self._initial_weight = noise or LogNormal(), initial_weight

    @property
    def dim(self) -> int:
        return self._data.dim

    def scalings(self, sigma: float) -> MatrixScalings:
        """The three operators at one noise level ([E21])."""
        check_point(sigma)
        skip, output, input_ = matched_scalings(self._values, sigma)
        return MatrixScalings(self._function(skip), self._function(output), self._function(input_))

    def optimal_raw_weight(self, sigma: float) -> np.ndarray:
        """``W'`` of the optimal denoiser: 0 where ``assumed`` is the covariance ([E23])."""
        check_point(sigma)
        total, data = self._values + sigma**2, self._data.covariance
        left = self._function(sigma / np.sqrt(self._values * total))
        assumed = self._function(self._values)
        mismatch = np.linalg.solve(data + sigma**2 * np.eye(self.dim), data - assumed)
        # (covariance - assumed)(covariance + sigma^2)^-1 is the transpose of what solve() returns.
        return left @ mismatch.T @ self._function(np.sqrt(total))

    def raw_weight(self, sigma: float, flow_time: float) -> np.ndarray:
        """``W'`` after ``flow_time`` at one noise level ([E23])."""
        check_point(sigma, flow_time)
        frame, exponent = self._relaxation(sigma, flow_time)
        kept, learned = (frame * np.exp(exponent)) @ frame.T, -(frame * np.expm1(exponent)) @ frame.T
        return self._initial_weight * kept + self.optimal_raw_weight(sigma) @ learned

    def start(self, sigma: float) -> np.ndarray:
        skip, output, input_ = self.scalings(sigma)
        return skip + self._initial_weight * (output @ input_)

    def limit(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        return self._data.function(self._data.eigenvalues / (self._data.eigenvalues + sigma**2))

    def evolve(self, parameters: np.ndarray, sigma: float, flow_time: float) -> np.ndarray:
        check_point(sigma, flow_time)
        input_ = self.scalings(sigma).input
        frame, exponent = self._relaxation(sigma, flow_time)
        back, along = np.linalg.solve(input_, frame), frame.T @ input_
        kept, learned = (back * np.exp(exponent)) @ along, -(back * np.expm1(exponent)) @ along
        return self.weight(parameters) @ kept + self.limit(sigma) @ learned  # [E23], of the total map

    def rate(self, parameters: np.ndarray, sigma: float) -> np.ndarray:
        check_point(sigma)
        weight, data = self.weight(parameters), self._data.covariance
        input_ = self.scalings(sigma).input
        residual = weight @ data + sigma**2 * weight - data
        # The loss is |output^-1 (D - x0)|^2: output and its inverses cancel in output dW' input.
        return -self._density(sigma) * residual @ input_ @ input_

    def weight(self, parameters: np.ndarray) -> np.ndarray:
        values, shape = np.asarray(parameters, dtype=float), (self.dim, self.dim)
        if values.shape != shape:
            raise ValueError(f"parameters must have shape {shape}, got {values.shape}")
        return values

    def bias(self, parameters: np.ndarray) -> np.ndarray:
        return np.zeros(len(self.weight(parameters)))

    def denoiser(self, flow_time: float, event_shape: tuple[int, ...] | None = None) -> Denoiser:
        return self.matrix_denoiser(flow_time, event_shape)

    def _relaxation(self, sigma: float, flow_time: float) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvectors of the scaled input's covariance, and what is left of each in the logarithm."""
        input_ = self.scalings(sigma).input
        moment = input_ @ (self._data.covariance + sigma**2 * np.eye(self.dim)) @ input_
        rates, frame = np.linalg.eigh(0.5 * (moment + moment.T))
        return frame, -flow_time * self._density(sigma) * np.maximum(rates, 0.0)

    def _density(self, sigma: float) -> float:
        return float(self._noise.density(np.log(sigma)))

    def _function(self, values: np.ndarray) -> np.ndarray:
        return (self._vectors * values) @ self._vectors.T
