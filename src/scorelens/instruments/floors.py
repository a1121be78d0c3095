"""Floors of the loss: of the best linear denoiser, and of the one that knows the training set by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from scorelens.core import checks
from scorelens.instruments.probes import Probes

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum

#: The mixture holds at most this many training points; a random subset of more has a smaller loss.
MAX_POINTS = 60_000
#: Multiplications that one floor may cost; they decide how many training points are probed.
BUDGET = 1e11
LEAST_PROBES, MOST_PROBES = 32, 512
#: Numbers held at once in a block of the mixture, and in the running sums over all noise levels.
BLOCK_NUMBERS = 2**20
STATE_NUMBERS = 2**23


def linear_floor(spectrum: Spectrum, sigmas: np.ndarray) -> np.ndarray:
    """Expected loss ``(sigma,)`` of the optimal linear denoiser, directions without a mode included.

    >>> from scorelens.core.spectrum import Spectrum
    >>> linear_floor(Spectrum(np.zeros(2), np.array([1.0, 1.0]), np.eye(2), 9, 2.0, (2,)), np.ones(1))
    array([1.])
    """
    variance = np.append(spectrum.eigenvalues, spectrum.residual_variance)
    count = np.append(np.ones(spectrum.n_modes), spectrum.dim - spectrum.n_modes)
    noise = sigmas[:, None] ** 2
    return (count * noise * variance / (variance + noise)).sum(axis=1)  # (6.2)


@final
@dataclass(frozen=True, eq=False)
class MemorizationFloor:
    """Loss ``(sigma,)`` of the empirical-optimal denoiser on training points, and its standard error.

    ``n_points`` training points make up the mixture, ``n_probes`` of them were noised and denoised.
    """

    loss: np.ndarray
    standard_error: np.ndarray
    n_points: int
    n_probes: int


def memorization_floor(probes: Probes, sigmas: np.ndarray) -> MemorizationFloor:
    """Mean of ``||D(x) - x_0||^2`` for ``D(x) = sum_i w_i x_i``, ``w = softmax(-||x - x_i||^2 / 2 sigma^2)``.

    ``x_i`` are the points of ``probes.data``; the first points of ``probes``, as many as `BUDGET` allows, are
    denoised with their first noise at each of ``sigmas``. The mixture streams by in blocks with a running
    log-sum-exp, so memory does not grow with its size.

    Raises ``ValueError`` for a sigma that is not > 0 or fewer than two probes.
    """
    checks.positive("sigma", sigmas, "at zero noise the floor is zero")
    checks.at_least("the number of probed points", probes.n_points, 2)
    data, mixture = probes.data, _mixture(probes)
    per_probe = 4.0 * len(mixture) * data.dim * len(sigmas)
    n = min(int(np.clip(BUDGET / per_probe, LEAST_PROBES, MOST_PROBES)), probes.n_points)
    rows = max(STATE_NUMBERS // (data.dim * len(sigmas)), 1)
    parts = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
    loss = np.concatenate([_losses(probes, part, mixture, sigmas) for part in parts], axis=1)
    return MemorizationFloor(loss.mean(axis=1), loss.std(axis=1, ddof=1) / np.sqrt(n), len(mixture), n)


def _mixture(probes: Probes) -> np.ndarray:
    """Indices of the mixture: every training point, or `MAX_POINTS` of them with the probed ones first."""
    n = len(probes.data)
    if n <= MAX_POINTS:
        return np.arange(n)
    others = np.random.default_rng(probes.seed).permutation(np.setdiff1d(np.arange(n), probes.indices))
    return np.concatenate([probes.indices, others])[:MAX_POINTS]


def _blocks(probes: Probes, mixture: np.ndarray) -> Iterator[np.ndarray]:
    """The mixture's points in float64 blocks ``(b, d)``."""
    size = max(BLOCK_NUMBERS // probes.data.dim, 1)
    for start in range(0, len(mixture), size):
        block = probes.data[mixture[start : start + size]]
        yield block.reshape(len(block), -1).astype(np.float64)


def _losses(probes: Probes, part: slice, mixture: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Squared error ``(sigma, part)`` of each probed point of ``part``."""
    own = probes.data[probes.indices[part]]
    own = own.reshape(len(own), -1).astype(np.float64)
    noises = [probes.noise(level, part).reshape(own.shape) for level in range(len(sigmas))]
    posteriors = [_Posterior(own, noise, sigma) for noise, sigma in zip(noises, sigmas, strict=True)]
    for block in _blocks(probes, mixture):
        squares = (own**2).sum(axis=1)[:, None] + (block**2).sum(axis=1)
        distance = np.maximum(squares - 2.0 * own @ block.T, 0.0)
        for posterior in posteriors:
            posterior.add(block, distance)
    return np.stack([posterior.squared_error() for posterior in posteriors])


@final
class _Posterior:
    """Running softmax over the mixture for noisy points ``own + sigma * noise``, all ``(m, d)``.

    Log weights are relative to that of the point itself (which is 0), and points are counted from it:
    ``log w_i = -||x_0 - x_i||^2 / (2 sigma^2) + n . (x_i - x_0) / sigma``. So the sum that is the error,
    ``sum_i w_i (x_i - x_0)``, stays accurate when all other weights are tiny.
    """

    def __init__(self, own: np.ndarray, noise: np.ndarray, sigma: float) -> None:
        self.own, self.noise, self.sigma = own, noise, sigma
        self.along = (noise * own).sum(axis=1)
        self.largest = np.full(len(own), -np.inf)
        self.total = np.zeros(len(own))
        self.shift = np.zeros_like(own)

    def add(self, block: np.ndarray, distance: np.ndarray) -> None:
        """Take in mixture points ``(b, d)`` at squared ``distance`` ``(m, b)`` from the own points."""
        along = self.noise @ block.T - self.along[:, None]
        log_weight = along / self.sigma - distance / (2 * self.sigma**2)
        largest = np.maximum(self.largest, log_weight.max(axis=1))
        kept = np.exp(self.largest - largest)
        weight = np.exp(log_weight - largest[:, None])
        added = weight.sum(axis=1)
        self.total = kept * self.total + added
        self.shift = kept[:, None] * self.shift + (weight @ block - added[:, None] * self.own)
        self.largest = largest

    def squared_error(self) -> np.ndarray:
        """``||D(x) - x_0||^2`` of each point, shape ``(m,)``."""
        return ((self.shift / self.total[:, None]) ** 2).sum(axis=1)
