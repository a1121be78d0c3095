"""One dense linear layer with a bias, from any start, on data of any mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.regression.linear_regression import LinearRegression, regression_of_task
from scorelens.dynamics.regression.targets import checked_mean, denoising_task
from scorelens.dynamics.weights.data_modes import DataModes
from scorelens.dynamics.weights.weight_law import WeightLaw, check_point

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser


@final
class DenseOneLayer(WeightLaw):
    """``D(x) = W x + b`` with every entry of ``W`` and ``b`` free, on data of ``covariance (d, d)`` and
    ``mean (d,)``, from the same ``initial_weight (d, d)`` and ``initial_bias (d,)`` at every noise level (all
    zero unless given).

    The parameters are ``[W | b]``, shape ``(d, d + 1)``. A mean couples weight and bias: they learn together
    along the eigenvectors of the second moment of the input and the constant 1 (`moment_eigensystem`), and a
    large mean slows the slowest of them. Where the start is aligned with the covariance and the mean is zero,
    this is `OneLayer` mode by mode.

    Raises ``ValueError`` unless the covariance is symmetric and positive semi-definite and the shapes fit.

    >>> law = DenseOneLayer(np.diag([2.0, 1.0]), np.array([1.0, 0.0]))
    >>> law.bias_at(1.0, flow_time=1e9).round(6)
    array([0.333333, 0.      ])
    """

    name = "dense-one-layer"
    equation = "learning dynamics (3.2)"
    reference = "wang2025, Prop. D.2"

    def __init__(
        self,
        covariance: np.ndarray,
        mean: np.ndarray | None = None,
        initial_weight: np.ndarray | None = None,
        initial_bias: np.ndarray | None = None,
    ) -> None:
        self._modes = DataModes.of(mean, covariance)
        size = self._modes.dim
        weight = np.zeros((size, size)) if initial_weight is None else np.asarray(initial_weight, dtype=float)
        checks.finite("initial_weight", weight)
        if weight.shape != (size, size):
            raise ValueError(f"initial_weight must have shape {(size, size)}, got {weight.shape}")
        self._start = np.column_stack([weight, checked_mean(initial_bias, size, "initial_bias")])

    @property
    def dim(self) -> int:
        return self._modes.dim

    def regression(self, sigma: float) -> LinearRegression:
        """The linear regression that the layer solves at one noise level: its optimum, losses and rates."""
        check_point(sigma)
        return regression_of_task(denoising_task("edm", sigma=sigma), self._modes)

    def start(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        return self._start.copy()

    def limit(self, sigma: float) -> np.ndarray:
        return np.column_stack(self.regression(sigma).optimum)

    def evolve(self, parameters: np.ndarray, sigma: float, flow_time: float) -> np.ndarray:
        check_point(sigma, flow_time)
        weight, bias = self.weight(parameters), self.bias(parameters)
        return np.column_stack(self.regression(sigma).gradient_flow(weight, bias, flow_time))

    def rate(self, parameters: np.ndarray, sigma: float) -> np.ndarray:
        check_point(sigma)
        weight, bias, mean = self.weight(parameters), self.bias(parameters), self._modes.mean
        by_bias = mean - weight @ mean - bias  # (1.6)
        by_weight = self._modes.covariance - weight @ self._modes.covariance - sigma**2 * weight
        return np.column_stack([by_weight + np.outer(by_bias, mean), by_bias])

    def weight(self, parameters: np.ndarray) -> np.ndarray:
        return self._checked(parameters)[:, :-1]

    def bias(self, parameters: np.ndarray) -> np.ndarray:
        return self._checked(parameters)[:, -1]

    def denoiser(self, flow_time: float, event_shape: tuple[int, ...] | None = None) -> Denoiser:
        return self.matrix_denoiser(flow_time, event_shape)

    def _checked(self, parameters: np.ndarray) -> np.ndarray:
        values, shape = np.asarray(parameters, dtype=float), self._start.shape
        if values.shape != shape:
            raise ValueError(f"parameters must be [W | b] of shape {shape}, got {values.shape}")
        return values
