"""The second-order structure of a data set: mean, eigenvalues and eigenvectors of its covariance."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from scorelens.core import array_file, checks

if TYPE_CHECKING:
    from scorelens.core.linear_denoiser import LinearDenoiser
    from scorelens.core.mode_spectrum import GainOf

_KIND = "spectrum"
_ARRAYS = ("mean", "eigenvalues", "eigenvectors", "eigenvalue_error")


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean and leading eigenpairs of the covariance of ``n_samples`` events of dimension ``d``.

    The covariance is normalised by ``n_samples`` (maximum likelihood, not ``n_samples - 1``).

    - ``mean``: shape ``(d,)``; all arrays are C-contiguous float64.
    - ``eigenvalues``: shape ``(k,)``, descending, >= 0, in squared data units; mode 0 is the largest.
    - ``eigenvectors``: shape ``(d, k)``, one orthonormal column per mode.
    - ``total_variance``: trace of the covariance, all ``d`` directions.
    - ``event_shape``: shape of one event; its product is ``d``.
    - ``method``: how it was computed (a fact for the reader).
    - ``eigenvalue_error``: shape ``(k,)``, estimate of the numerical error of each eigenvalue, on the safe
      side; 0 where exact to rounding (the default). Sampling error is not in it.

    Raises ``ValueError`` if shapes disagree, a value is not finite, or eigenvalues ascend or are negative.

    >>> spectrum = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 10, 5.0, (2,))
    >>> spectrum.project(np.array([[3.0, -1.0]]))
    array([[ 3., -1.]])
    """

    mean: np.ndarray = field(repr=False)
    eigenvalues: np.ndarray = field(repr=False)
    eigenvectors: np.ndarray = field(repr=False)
    n_samples: int
    total_variance: float
    event_shape: tuple[int, ...]
    method: str = "covariance"
    eigenvalue_error: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)

    def __post_init__(self) -> None:
        if np.size(self.eigenvalue_error) == 0:
            object.__setattr__(self, "eigenvalue_error", np.zeros(np.shape(self.eigenvalues)))
        for name in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            checks.finite(name, array)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "event_shape", tuple(int(n) for n in self.event_shape))
        self._check_shapes()
        self._check_values()

    def _check_shapes(self) -> None:
        d, k = math.prod(self.event_shape), np.size(self.eigenvalues)
        expected = {"mean": (d,), "eigenvalues": (k,), "eigenvectors": (d, k), "eigenvalue_error": (k,)}
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} must have shape {shape} for events {self.event_shape}, got {found}")
        if not 1 <= k <= d:
            raise ValueError(f"a spectrum of events of dimension {d} has 1 to {d} modes, got {k}")

    def _check_values(self) -> None:
        checks.at_least("n_samples", self.n_samples, 2, "one sample has no covariance")
        checks.non_negative("total_variance", self.total_variance)
        checks.non_negative("eigenvalues", self.eigenvalues)
        checks.non_negative("eigenvalue_error", self.eigenvalue_error)
        ascents = np.flatnonzero(np.diff(self.eigenvalues) > 0)
        if ascents.size:
            raise ValueError(f"eigenvalues must descend, got an ascent after mode {ascents[0]}; sort them")

    @property
    def dim(self) -> int:
        """Dimension ``d`` of one event."""
        return self.mean.shape[0]

    @property
    def n_modes(self) -> int:
        """Number ``k`` of modes kept."""
        return self.eigenvalues.shape[0]

    @property
    def residual_variance(self) -> float:
        """Mean variance per direction outside the kept modes; 0.0 if all ``d`` are kept."""
        if self.n_modes == self.dim:
            return 0.0
        outside = self.total_variance - float(self.eigenvalues.sum())
        return max(outside, 0.0) / (self.dim - self.n_modes)

    @property
    def has_rest(self) -> bool:
        """Whether there are directions outside the kept modes."""
        return self.n_modes < self.dim

    def denoiser(self, gain_of: GainOf) -> LinearDenoiser:
        """Linear denoiser around the mean with the gains ``gain_of(eigenvalues)`` along the modes.

        Directions outside the modes get the gain of their `residual_variance`.

        >>> spectrum = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 10, 5.0, (2,))
        >>> def wiener(variance):
        ...     return lambda sigma: variance / (variance + sigma[:, None] ** 2)
        >>> spectrum.denoiser(wiener).gain(np.array([1.0]))
        array([[0.8, 0.5]])
        """
        # Imported here, because theory on a spectrum needs no torch.
        from scorelens.core.linear_denoiser import LinearDenoiser

        along, outside = gain_of(self.eigenvalues), None
        if self.has_rest:
            of_rest = gain_of(np.array([self.residual_variance]))
            outside = lambda sigma: of_rest(sigma)[:, 0]  # noqa: E731
        return LinearDenoiser(self.mean, self.eigenvectors, along, self.event_shape, outside)

    def project(self, x: Any) -> np.ndarray:
        """Coordinates of ``x`` along the modes, mean removed: ``(n, *event)`` or ``(n, d)`` to ``(n, k)``.

        Raises ``ValueError`` if ``x`` has another shape.
        """
        values = np.asarray(x)
        if values.ndim < 2 or values.shape[1:] not in (self.event_shape, (self.dim,)):
            raise ValueError(
                f"x must have shape {checks.shape_of_events(self.event_shape, 'n')} or (n, {self.dim}), "
                f"got {values.shape}"
            )
        flat = values.reshape(len(values), self.dim).astype(np.float64, copy=False)
        return (flat - self.mean) @ self.eigenvectors

    def truncated(self, n_modes: int) -> Spectrum:
        """The same spectrum with the leading ``n_modes`` modes only (total variance unchanged)."""
        if not 1 <= n_modes <= self.n_modes:
            raise ValueError(f"n_modes must be between 1 and {self.n_modes}, got {n_modes}")
        kept = {name: getattr(self, name)[..., :n_modes] for name in _ARRAYS[1:]}
        return replace(self, **kept)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, whole or not at all. Raises ``OSError`` naming the file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        facts = {
            "n_samples": int(self.n_samples),
            "total_variance": float(self.total_variance),
            "event_shape": list(self.event_shape),
            "method": self.method,
        }
        array_file.write(path, _KIND, arrays, facts)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Spectrum:
        """Read what `save` wrote.

        Raises ``FileNotFoundError`` if there is no file, ``ValueError`` naming the file and the remedy if it
        is truncated, corrupt or not a spectrum.
        """
        arrays, facts = array_file.read(path, _KIND)
        try:
            return cls(**arrays, **facts)
        except (TypeError, ValueError) as error:
            raise array_file.damaged(path, _KIND, error) from error
