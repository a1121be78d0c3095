"""A local filter on a line with zero padding: a Toeplitz matrix."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.convolution.offsets import whole_numbers
from scorelens.dynamics.weights.weight_law import WeightLaw, check_point

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser

_ROUNDING = 1e-9


@final
class ToeplitzConvolution(WeightLaw):
    """``D(x)_i = sum_k w_k x_{i+k}`` with zeros beyond the ends of the line; ``W_{i, i+k} = w_k``.

    - ``covariance``: of the (centred) data, ``(d, d)``.
    - ``offsets``: ``(K,)`` whole numbers between ``1 - d`` and ``d - 1``, each once.
    - ``initial_filter``: ``(K,)``, in the order of the offsets; zero unless given.

    Parameters are the taps. Toeplitz matrices at different noise levels do not commute, so what is generated
    comes from the covariance ODE (4.4); memory and time are those of ``(d, d)`` matrices.
    Raises ``ValueError`` for a covariance that is not symmetric and positive semi-definite, and offsets
    beyond the line or given twice.

    >>> law = ToeplitzConvolution(np.eye(3), [-1, 0, 1])
    >>> law.limit(1.0)
    array([0. , 0.5, 0. ])
    """

    name: ClassVar[str] = "toeplitz-convolution"
    equation: ClassVar[str] = "learning dynamics (10.6), (10.7)"
    reference: ClassVar[str] = "wang2025, App. G.4.1"

    def __init__(self, covariance: Any, offsets: Any, initial_filter: Any = None) -> None:
        self._covariance = _checked(np.asarray(covariance, dtype=float))
        self.offsets = whole_numbers(offsets, 1)[:, 0]
        if np.abs(self.offsets).max() >= self.dim:
            raise ValueError(
                f"a filter must fit on the line: offsets lie between {1 - self.dim} and {self.dim - 1}, "
                f"got {self.offsets[np.abs(self.offsets).argmax()]}"
            )
        n_taps = len(self.offsets)
        start = np.zeros(n_taps) if initial_filter is None else np.asarray(initial_filter, dtype=float)
        checks.finite("initial_filter", start)
        if start.shape != (n_taps,):
            raise ValueError(f"initial_filter must have shape ({n_taps},), got {start.shape}")
        self._start = start.copy()
        self._n_pixels = (self.dim - np.abs(self.offsets)).astype(float)
        self._data_moment = self._cross_moments()
        self._target = np.array([np.trace(self._covariance, k) for k in self.offsets])  # R of (10.6)

    @property
    def dim(self) -> int:
        return len(self._covariance)

    def moment(self, sigma: float) -> np.ndarray:
        """``T`` of (10.6): second moments of what the taps read, summed over pixels, ``(K, K)``."""
        check_point(sigma)
        return self._data_moment + sigma**2 * np.diag(self._n_pixels)

    def start(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        return self._start.copy()

    def limit(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        # T^-1 R in the modes of the data's moments relative to those of the noise, one basis for all sigma:
        # what the data do not move, no rounding of theirs moves.
        root = np.sqrt(self._n_pixels)
        variances, frame = self._relative_modes
        along = np.where(variances > 0.0, frame.T @ (self._target / root), 0.0)
        return (frame @ (along / (variances + sigma**2))) / root

    def evolve(self, parameters: np.ndarray, sigma: float, flow_time: float) -> np.ndarray:
        check_point(sigma, flow_time)
        rates, frame = np.linalg.eigh(self.moment(sigma))
        # No slower than the noise alone makes the tap that reads the fewest pixels.
        exponent = -flow_time * np.maximum(rates, sigma**2 * self._n_pixels.min())
        kept, learned = frame.T @ parameters, frame.T @ self.limit(sigma)
        return frame @ (np.exp(exponent) * kept - np.expm1(exponent) * learned)  # (10.7)

    def rate(self, parameters: np.ndarray, sigma: float) -> np.ndarray:
        check_point(sigma)
        # Gradient of the loss by the whole matrix, summed along the diagonals that share a tap.
        weight = self.weight(parameters)
        by_weight = weight @ (self._covariance + sigma**2 * np.eye(self.dim)) - self._covariance
        return -np.array([np.trace(by_weight, k) for k in self.offsets])

    def weight(self, parameters: np.ndarray) -> np.ndarray:
        taps = np.asarray(parameters, dtype=float)
        matrix = np.zeros((self.dim, self.dim))
        for offset, tap in zip(self.offsets, taps, strict=True):
            matrix += tap * np.eye(self.dim, k=offset)
        return matrix

    def bias(self, parameters: np.ndarray) -> np.ndarray:
        return np.zeros(self.dim)

    def denoiser(self, flow_time: float, event_shape: tuple[int, ...] | None = None) -> Denoiser:
        return self.matrix_denoiser(flow_time, event_shape)

    def _cross_moments(self) -> np.ndarray:
        """``Tr[S(m) covariance S(k)^T]``: the sum of ``covariance[i + m, i + k]`` over pixels that have
        both."""
        found = np.empty((len(self.offsets),) * 2)
        for row, k in enumerate(self.offsets):
            for column, m in enumerate(self.offsets):
                pixels = np.arange(max(0, -k, -m), self.dim - max(0, k, m))
                found[row, column] = self._covariance[pixels + m, pixels + k].sum()
        return found

    @cached_property
    def _relative_modes(self) -> tuple[np.ndarray, np.ndarray]:
        root = np.sqrt(self._n_pixels)
        variances, frame = np.linalg.eigh(self._data_moment / np.outer(root, root))
        resolved = variances > 8.0 * np.finfo(float).eps * np.abs(variances).max()
        return np.where(resolved, variances, 0.0), frame


def _checked(covariance: np.ndarray) -> np.ndarray:
    checks.finite("covariance", covariance)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"covariance must have shape (d, d), got {covariance.shape}")
    scale = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > _ROUNDING * scale:
        raise ValueError("covariance must be symmetric; give (covariance + covariance.T) / 2")
    lowest = np.linalg.eigvalsh(covariance)[0]
    if lowest < -_ROUNDING * scale:
        raise ValueError(f"covariance must be positive semi-definite, got the eigenvalue {lowest:g}")
    return 0.5 * (covariance + covariance.T)
