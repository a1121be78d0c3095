"""Streaming mean and scatter matrix in float64: any number of blocks, any number of processes."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from scipy.linalg.blas import dsyrk  # pyright: ignore[reportAttributeAccessIssue]

from scorelens.core import checks
from scorelens.core.blocks import flat_rows, refuse_non_finite, row_blocks
from scorelens.core.eigen import leading_eigenpairs, mode_count
from scorelens.core.spectrum import Spectrum


@final
class Moments:
    """Mean and scatter ``sum_i (x_i - mean)(x_i - mean)^T`` of the samples seen so far, in float64.

    Each chunk is centred on its own mean and joined by the pairwise update of Chan, Golub & LeVeque (1983):
    a mean far larger than the spread costs no accuracy, and parts can be merged in any grouping. Memory is
    one matrix ``(dim, dim)`` and one chunk of 16 MiB. Blocks of a thousand rows or more are fastest.

    >>> moments = Moments(2)
    >>> moments.update(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> moments.n_samples, moments.mean, moments.covariance()
    (2, array([2., 5.]), array([[1., 0.], [0., 0.]]))
    """

    def __init__(self, dim: int) -> None:
        checks.at_least("dim", dim, 1)
        self.dim = dim
        self.n_samples = 0
        # Means are kept relative to the first sample, so that a constant feature has variance 0 exactly.
        self._origin = np.zeros(dim)
        self._offset = np.zeros(dim)
        self._scatter = np.zeros((dim, dim), order="F")  # upper triangle

    @property
    def mean(self) -> np.ndarray:
        """Mean of the samples, shape ``(dim,)``."""
        return self._origin + self._offset

    @property
    def total_variance(self) -> float:
        """Trace of the covariance."""
        return float(np.diagonal(self._scatter).sum()) / max(1, self.n_samples)

    @property
    def constant_features(self) -> np.ndarray:
        """Indices (into the flattened event) of features with the same value in every sample."""
        return np.flatnonzero(np.diagonal(self._scatter) == 0)

    def covariance(self) -> np.ndarray:
        """Covariance ``(dim, dim)``, normalised by ``n_samples``. Raises ``ValueError`` below two samples."""
        checks.at_least("the number of samples", self.n_samples, 2, "one sample has no covariance")
        upper = np.triu(self._scatter)
        upper /= self.n_samples
        return upper + np.triu(upper, 1).T

    def update(self, block: Any) -> None:
        """Take in ``block``: ``(b, *event)`` with ``prod(event) == dim``, any float or integer dtype.

        Raises ``TypeError`` for another dtype, ``ValueError`` for another shape or for a NaN or infinity,
        naming the first sample that holds one (counted over all blocks; what came before it is kept).
        """
        for chunk in row_blocks(flat_rows(block, self.dim)):
            self._take(chunk)

    def _take(self, chunk: np.ndarray) -> None:
        b, n = len(chunk), self.n_samples
        if n == 0:
            self._origin = chunk[0].astype(np.float64)
        rows = np.empty((b + 1, self.dim))
        with np.errstate(invalid="ignore", over="ignore"):
            np.subtract(chunk, self._origin, out=rows[:b])
            offset = rows[:b].mean(axis=0)
        if not np.isfinite(offset).all():
            refuse_non_finite(chunk, n)
        rows[:b] -= offset
        # The correction for the distance between the two means rides along as one more row.
        rows[b] = math.sqrt(n * b / (n + b)) * (offset - self._offset)
        self._scatter = dsyrk(1.0, rows.T, beta=1.0, c=self._scatter, overwrite_c=1)
        self._offset += (offset - self._offset) * (b / (n + b))
        self.n_samples = n + b

    def merge(self, other: Moments) -> Moments:
        """Moments of the samples of both, in a new object. Raises ``ValueError`` if the dimensions differ.

        Elementwise arithmetic only, so that the same parts give the same bits on every machine.
        """
        if other.dim != self.dim:
            raise ValueError(f"moments of dimension {self.dim} and {other.dim} cannot be merged")
        if self.n_samples == 0 or other.n_samples == 0:
            return (other if self.n_samples == 0 else self)._copy()
        whole, n, m = self._copy(), self.n_samples, other.n_samples
        distance = (other._origin - self._origin) + (other._offset - self._offset)
        whole._offset += distance * (m / (n + m))
        whole._scatter += other._scatter
        whole._scatter += np.outer(distance, distance * (n * m / (n + m)))
        whole.n_samples = n + m
        return whole

    def gather(self) -> Moments:
        """Moments of the samples of all processes, the same bits on each; a copy if there is only one.

        Uses `torch.distributed` where it is initialised; every process must call it. Parts are merged in the
        order of their ranks. Raises ``ValueError`` on every process if the dimensions differ.
        """
        import torch
        import torch.distributed as dist

        if not (dist.is_available() and dist.is_initialized()):
            return self._copy()
        device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
        sizes = torch.zeros((dist.get_world_size(), 2), dtype=torch.int64, device=device)
        sizes[dist.get_rank()] = torch.tensor([self.dim, self.n_samples])
        dist.all_reduce(sizes)
        if (sizes[:, 0] != self.dim).any():
            raise ValueError(
                f"every process must hold the same dimension, got {sizes[:, 0].tolist()} by rank"
            )
        whole = Moments(self.dim)
        for rank, n_samples in enumerate(sizes[:, 1].tolist()):
            whole = whole.merge(self._broadcast(rank, n_samples, device))
        return whole

    def spectrum(self, event_shape: tuple[int, ...], n_modes: int | None = None) -> Spectrum:
        """Exact eigen-decomposition of the covariance; all ``dim`` modes, or the leading ``n_modes``.

        Raises ``ValueError`` below two samples, or if ``n_modes`` or ``event_shape`` does not fit ``dim``.
        """
        k = mode_count(n_modes, self.dim, default=self.dim)
        covariance = self.covariance()
        checks.finite("the covariance", covariance, "the data are too large for float64; rescale them")
        values, vectors = leading_eigenpairs(covariance, k)
        return Spectrum(self.mean, values, vectors, self.n_samples, self.total_variance, event_shape)

    def _copy(self) -> Moments:
        copy = Moments(self.dim)
        copy.n_samples = self.n_samples
        copy._origin, copy._offset = self._origin.copy(), self._offset.copy()
        copy._scatter = self._scatter.copy(order="F")
        return copy

    def _broadcast(self, rank: int, n_samples: int, device: Any) -> Moments:
        """The moments of process ``rank``, on every process."""
        import torch
        import torch.distributed as dist

        part = self._copy()
        part.n_samples = n_samples
        for array in (part._origin, part._offset, part._scatter.T):
            sent = torch.from_numpy(array).to(device)
            dist.broadcast(sent, src=rank)
            array[...] = sent.cpu().numpy()
        return part
