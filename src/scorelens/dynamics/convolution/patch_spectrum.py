"""The spectrum that a trained local filter generates, in closed form, at any flow time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.convolution.patch_modes import PatchModes
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws.one_layer import OneLayer
from scorelens.dynamics.values import Values

_BLOCK = 1 << 18


@final
@dataclass(frozen=True, eq=False)
class PatchTrajectory(VarianceTrajectory):
    """Generated variance of every Fourier mode of the image as a function of flow time (learning dynamics
    (10.4)).

    In the patch's eigenbasis a filter is a sum of one-layer solutions, and the logarithm of the generated
    variance is linear in the filter: each patch mode ``j`` adds the growth of a `OneLayer`, affine in its
    initial gain, times ``optimum[j]`` or ``start[j]``, the filter's limit (less Wiener's gain) and start
    along the mode, and the cosines add the modes up.

    Modes of the trajectory are all frequencies, shape ``grid``, or the chosen ``frequencies (n,)``, indices
    into the flattened grid; ``flow_time`` broadcasts with them: ``(time, 1, 1)`` gives ``(time, N1, N2)``.
    Times shared by all frequencies cost one Fourier transform each, and memory is that of the result; a time
    per frequency costs ``K`` exponential integrals each.
    """

    modes: PatchModes
    start: np.ndarray
    speedup: float
    sigma_min: float
    sigma_max: float
    frequencies: np.ndarray | None = None

    def __post_init__(self) -> None:
        gain_law.check_sigma_range(self.sigma_min, self.sigma_max)
        if self.frequencies is not None and np.ndim(self.frequencies) != 1:
            raise ValueError(f"frequencies must have shape (n,), got {np.shape(self.frequencies)}")

    def growth(self, flow_time: Values) -> np.ndarray:
        return self._over_modes(flow_time, 1)[0]

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        growth, slope = self._over_modes(flow_time, 2)
        return growth, slope

    def log_deviation(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        """Sign and logarithm of ``log(generated / limit variance)`` at times ``(...)``: ``(..., *modes)``.

        Accurate relative to the largest deviation of all frequencies at the same time, without underflow.
        """
        times = self.speedup * gain_law.non_negative("flow_time", flow_time)[..., None]
        optimum, start = self._amounts
        total = np.zeros(())
        parts = [
            (amount, *OneLayer(gain).log_deviation(self._variances, times, self.sigma_min, self.sigma_max))
            for gain, amount in ((0.0, optimum - start), (1.0, start))
        ]
        sizes = [np.where(amount == 0.0, -np.inf, size) for amount, _, size in parts]
        largest = np.maximum(*(size.max(axis=-1, keepdims=True) for size in sizes))
        scale = np.where(np.isfinite(largest), largest, 0.0)
        for (amount, sign, _), size in zip(parts, sizes, strict=True):
            total = total + amount * sign * np.exp(size - scale)
        summed = self._chosen(total @ self._vectors.T)
        size = gain_law.log_abs(summed) + scale
        shape = (*scale.shape[:-1], *self._shape)
        return np.sign(summed).reshape(shape), size.reshape(shape)

    @cached_property
    def _variances(self) -> np.ndarray:
        return self.modes.variances[self.modes.seen]

    @cached_property
    def _vectors(self) -> np.ndarray:
        return self.modes.vectors[:, self.modes.seen]

    @cached_property
    def _amounts(self) -> tuple[np.ndarray, np.ndarray]:
        """``epsilon_j`` and ``omega_j`` of (10.4)."""
        return self._vectors[self.modes.centre], self._vectors.T @ self.start

    @cached_property
    def _from_zero(self) -> VarianceTrajectory:
        return OneLayer(0.0).trajectory(self._variances, self.sigma_min, self.sigma_max)

    @cached_property
    def _from_one(self) -> VarianceTrajectory:
        return OneLayer(1.0).trajectory(self._variances, self.sigma_min, self.sigma_max)

    def _along_modes(self, times: np.ndarray, n_parts: int) -> list[np.ndarray]:
        """Growth, and its slope if ``n_parts`` is 2, along the patch modes at ``times (n,)``: ``(n, J)``."""
        optimum, start = self._amounts
        inner = self.speedup * times[:, None]
        if n_parts == 1:
            return [(optimum - start) * self._from_zero.growth(inner) + start * self._from_one.growth(inner)]
        zero, one = self._from_zero.growth_and_slope(inner), self._from_one.growth_and_slope(inner)
        growth, slope = ((optimum - start) * a + start * b for a, b in zip(zero, one, strict=True))  # (10.4)
        return [growth, self.speedup * slope]

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return self.modes.grid if self.frequencies is None else np.shape(self.frequencies)

    @cached_property
    def _flat(self) -> np.ndarray:
        return np.arange(int(np.prod(self._shape))) if self.frequencies is None else self.frequencies

    def _chosen(self, taps: np.ndarray) -> np.ndarray:
        """Cosine sums of filters ``(..., K)`` at the frequencies of the trajectory, ``(..., n)``."""
        sums = self.modes.cosine_sums(taps)
        flat = sums.reshape(*taps.shape[:-1], -1)
        return flat if self.frequencies is None else flat[..., self.frequencies]

    def _over_modes(self, flow_time: Values, n_parts: int) -> list[np.ndarray]:
        times = gain_law.non_negative("flow_time", flow_time)
        whole = np.broadcast_to(times, np.broadcast_shapes(times.shape, self._shape))
        rows = whole.reshape(-1, len(self._flat))
        shared = np.all(rows == rows[:, :1], axis=1)
        found = [np.empty(rows.shape) for _ in range(n_parts)]
        self._shared(rows, np.flatnonzero(shared), found)
        self._each(rows, np.flatnonzero(~shared), found)
        return [part.reshape(whole.shape) for part in found]

    def _shared(self, rows: np.ndarray, which: np.ndarray, found: list[np.ndarray]) -> None:
        """Rows with one time for all frequencies: Fourier transforms of filters."""
        n_block = max(1, _BLOCK // int(np.prod(self.modes.grid)))
        for first in range(0, len(which), n_block):
            block = which[first : first + n_block]
            for part, along in zip(found, self._along_modes(rows[block, 0], len(found)), strict=True):
                part[block] = self._chosen(along @ self._vectors.T)

    def _each(self, rows: np.ndarray, which: np.ndarray, found: list[np.ndarray]) -> None:
        """Rows with a time per frequency: the sum over patch modes, frequency by frequency."""
        n_block = max(1, _BLOCK // len(self.modes.offsets))
        for row in which:
            for first in range(0, rows.shape[1], n_block):
                at = np.arange(first, min(first + n_block, rows.shape[1]))
                cosines = self.modes.cosines(self._flat[at])[:, self.modes.seen]
                for part, along in zip(found, self._along_modes(rows[row, at], len(found)), strict=True):
                    part[row, at] = np.sum(cosines * along, axis=1)
