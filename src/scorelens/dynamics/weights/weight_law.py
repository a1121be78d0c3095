"""The learning dynamics of a whole weight matrix, for networks whose modes do not learn apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.weights.covariance_flow import GeneratedMoments, generated_moments

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser


class WeightLaw(ABC):
    """What gradient descent has made of the parameters of ``D(x) = W x + b`` after a given flow time, noise
    level by noise level, and the mean and covariance that the model then generates.

    The parameters at one noise level are one float64 array of a shape fixed by the law: the matrix itself,
    its factors, or the taps of a filter. ``sigma`` is a standard deviation, a scalar > 0;

        flow_time = 2 * learning rate * training time

    a scalar >= 0, for a squared loss summed over coordinates without a factor one half, as in
    `scorelens.dynamics.GainLaw`.

    All methods raise ``ValueError`` for a noise level that is not positive, a negative flow time, or noise
    levels not in ``0 < sigma_min < sigma_max``.
    """

    name: ClassVar[str]
    equation: ClassVar[str]
    reference: ClassVar[str]

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension ``d`` of the data."""

    @abstractmethod
    def start(self, sigma: float) -> np.ndarray:
        """Parameters before training."""

    @abstractmethod
    def limit(self, sigma: float) -> np.ndarray:
        """Parameters after infinite training: any of those that have the weight and bias of the limit."""

    @abstractmethod
    def evolve(self, parameters: np.ndarray, sigma: float, flow_time: float) -> np.ndarray:
        """Parameters after ``flow_time`` if they are ``parameters`` now."""

    @abstractmethod
    def rate(self, parameters: np.ndarray, sigma: float) -> np.ndarray:
        """Derivative of the parameters by flow time: minus half the gradient of the loss."""

    @abstractmethod
    def weight(self, parameters: np.ndarray) -> np.ndarray:
        """The matrix ``W`` of the denoiser, ``(d, d)``."""

    @abstractmethod
    def bias(self, parameters: np.ndarray) -> np.ndarray:
        """The bias ``b`` of the denoiser, ``(d,)``."""

    @abstractmethod
    def denoiser(self, flow_time: float, event_shape: tuple[int, ...] | None = None) -> Denoiser:
        """What the law has learned after ``flow_time`` as a Denoiser: sample it like any network.

        ``event_shape`` is the shape of one datum, ``(d,)`` unless given. A law without a faster form (Fourier
        transforms for a convolution) returns `matrix_denoiser`.
        """

    def parameters(self, sigma: float, flow_time: float) -> np.ndarray:
        """Parameters after ``flow_time`` from the start."""
        check_point(sigma, flow_time)
        return self.evolve(self.start(sigma), sigma, flow_time)

    def weight_at(self, sigma: float, flow_time: float) -> np.ndarray:
        """The matrix ``W`` of the denoiser after ``flow_time``, ``(d, d)``."""
        return self.weight(self.parameters(sigma, flow_time))

    def bias_at(self, sigma: float, flow_time: float) -> np.ndarray:
        """The bias ``b`` of the denoiser after ``flow_time``, ``(d,)``."""
        return self.bias(self.parameters(sigma, flow_time))

    def affine_at(self, sigma: float, flow_time: float) -> tuple[np.ndarray, np.ndarray]:
        """`weight_at` and `bias_at` together, for the price of one."""
        parameters = self.parameters(sigma, flow_time)
        return self.weight(parameters), self.bias(parameters)

    def generated_moments(self, flow_time: float, sigma_min: float, sigma_max: float) -> GeneratedMoments:
        """Mean ``(d,)`` and covariance ``(d, d)`` that the exact probability-flow ODE generates ((4.4))."""
        checks.non_negative("flow_time", flow_time)
        return generated_moments(lambda sigma: self.affine_at(sigma, flow_time), sigma_min, sigma_max)

    def generated_covariance(self, flow_time: float, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Covariance ``(d, d)`` that the exact probability-flow ODE generates ((4.4))."""
        return self.generated_moments(flow_time, sigma_min, sigma_max).covariance

    def generated_mean(self, flow_time: float, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Mean ``(d,)`` that the exact probability-flow ODE generates ((4.4))."""
        return self.generated_moments(flow_time, sigma_min, sigma_max).mean

    def matrix_denoiser(self, flow_time: float, event_shape: tuple[int, ...] | None = None) -> Denoiser:
        """`denoiser` as a dense matrix per noise level: what a law without a faster one returns there."""
        from scorelens.core.matrix_denoiser import MatrixDenoiser  # torch stays out of the theory

        checks.non_negative("flow_time", flow_time)
        affine = lru_cache(maxsize=1)(lambda sigma: self.affine_at(sigma, flow_time))
        shape = (self.dim,) if event_shape is None else tuple(event_shape)
        if int(np.prod(shape)) != self.dim:
            raise ValueError(f"event_shape must hold {self.dim} numbers, got {shape}")
        return MatrixDenoiser(lambda sigma: affine(sigma)[0], lambda sigma: affine(sigma)[1], shape)


def check_point(sigma: float, flow_time: float = 0.0) -> None:
    """Raise ``ValueError`` unless both are finite scalars, ``sigma > 0`` and ``flow_time >= 0``."""
    for name, value in (("sigma", sigma), ("flow_time", flow_time)):
        if np.ndim(value) != 0:
            raise ValueError(
                f"{name} must be a scalar, got shape {np.shape(value)}; evaluate one level at a time"
            )
    checks.positive("sigma", sigma, "a denoiser is defined at positive noise only")
    checks.non_negative("flow_time", flow_time)
