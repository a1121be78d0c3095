"""The modes of a patch: principal components of what a local filter reads of the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy import fft

_ROUNDING = 8.0 * np.finfo(float).eps


@final
@dataclass(frozen=True, eq=False)
class PatchModes:
    """Eigenvalues and eigenvectors of the patch covariance ``x[l - k]``, ``k`` and ``l`` in the offsets.

    ``autocovariance`` has the shape of the image, ``offsets`` shape ``(K, n_axes)``, modulo that shape.
    Where the offsets contain ``-k`` with every ``k``, each mode is exactly even or exactly odd: odd modes
    have no part in the spectrum's real part, and must not leak into it by rounding.
    """

    autocovariance: np.ndarray
    offsets: np.ndarray

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of the image."""
        return self.autocovariance.shape

    @cached_property
    def covariance(self) -> np.ndarray:
        """Patch covariance, ``(K, K)`` (learning dynamics, section 10.3)."""
        lag = (self.offsets[None, :, :] - self.offsets[:, None, :]) % np.array(self.grid)
        return self.autocovariance[tuple(np.moveaxis(lag, -1, 0))]

    @cached_property
    def centre(self) -> int:
        """Index of offset 0."""
        return int(np.flatnonzero((self.offsets == 0).all(axis=1))[0])

    @property
    def variances(self) -> np.ndarray:
        """Eigenvalues ``(K,)``; those below the rounding of the largest are 0."""
        return self._eigen[0]

    @property
    def vectors(self) -> np.ndarray:
        """Eigenvectors, ``(K, K)``, one column per mode."""
        return self._eigen[1]

    @property
    def seen(self) -> np.ndarray:
        """Mask of the modes with a part in the real spectrum: all but the odd ones."""
        return self._eigen[2]

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        bases = self._parities()
        parts = [np.linalg.eigh(basis.T @ self.covariance @ basis) for basis in bases]
        values = np.concatenate([found for found, _ in parts])
        vectors = [basis @ found for basis, (_, found) in zip(bases, parts, strict=True)]
        # Whatever a covariance in float64 says below this is rounding, and much flow time makes it matter.
        resolved = values > _ROUNDING * np.abs(values).max()
        seen = np.arange(len(values)) < bases[0].shape[1]
        return np.where(resolved, values, 0.0), np.concatenate(vectors, axis=1), seen

    def _parities(self) -> list[np.ndarray]:
        """Orthonormal bases of the even and the odd filters; of all filters if the offsets mix them."""
        codes = self._codes(self.offsets)
        mirror = self._codes(-self.offsets % np.array(self.grid))
        here, identity = np.arange(codes.size), np.eye(codes.size)
        if not np.isin(mirror, codes).all():
            return [identity]
        order = np.argsort(codes)
        partner = order[np.searchsorted(codes, mirror, sorter=order)]
        lone, first = here[partner == here], here[partner > here]
        one, other = identity[:, first], identity[:, partner[first]]
        even = np.concatenate([identity[:, lone], (one + other) * np.sqrt(0.5)], axis=1)
        return [even, (one - other) * np.sqrt(0.5)]

    def _codes(self, offsets: np.ndarray) -> np.ndarray:
        return np.asarray(np.ravel_multi_index(tuple(offsets.T), self.grid))

    def image(self, taps: np.ndarray) -> np.ndarray:
        """Filters ``(..., K)`` laid out on the grid, ``(..., *grid)``, zero elsewhere."""
        laid = np.zeros((*taps.shape[:-1], *self.grid), dtype=taps.dtype)
        laid[(..., *self.offsets.T)] = taps
        return laid

    def transfer(self, taps: np.ndarray) -> np.ndarray:
        """Eigenvalues ``gamma_m`` of the convolutions with ``taps (..., K)``: complex, ``(..., *grid)``
        ((10.1))."""
        return np.asarray(fft.fftn(self.image(taps), axes=self._axes))

    def cosine_sums(self, taps: np.ndarray) -> np.ndarray:
        """Real parts of `transfer`, sums of ``taps cos(2 pi m k / N)``: the odd part never enters."""
        even = self.image(0.5 * taps)
        even[(..., *(-self.offsets.T))] += 0.5 * taps
        return np.real(np.asarray(fft.fftn(even, axes=self._axes)))

    def cosines(self, modes: np.ndarray) -> np.ndarray:
        """``g_mj`` of (10.4) at the flat frequencies ``modes (n,)``, shape ``(n, K)``."""
        index = np.stack(np.unravel_index(modes, self.grid), axis=-1)
        turns = sum(
            (np.outer(index[:, axis], self.offsets[:, axis]) % n) / n for axis, n in enumerate(self.grid)
        )
        return np.cos(2.0 * np.pi * turns) @ self.vectors

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.grid), 0))
