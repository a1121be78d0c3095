"""Kernel score estimators as their papers write them: every difference, the whole kernel matrix, NumPy.

With ``phi(x - y) = psi(u)``, ``u = |x - y|^2 / h^2``, the matrix-valued kernel is ``psi I`` (diagonal) or
``-h^2 grad grad^T phi = -2 psi' I - 4 psi'' r r^T / h^2`` (curl-free), both the identity at distance 0.
``K`` has ``N`` or ``N d`` rows, and ``zeta(x) = (1/N) sum_n div_n Gamma(x, x_n)``. Every estimate solves
``(K / N) s = -zeta``, regularised (Zhou, Shi & Zhu 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg


def derivatives(profile: str, u: np.ndarray, order: int) -> list[np.ndarray]:
    """``psi`` and its derivatives: ``exp(-u / 2)`` or ``(1 + u)^(-1/2)``."""
    if profile == "gaussian":
        value = np.exp(-u / 2)
        return [value * (-0.5) ** k for k in range(order + 1)]
    values = [(1 + u) ** -0.5]
    for k in range(order):
        values.append(values[-1] * (-0.5 - k) / (1 + u))
    return values


@dataclass(frozen=True)
class Dense:
    """The regression for given samples: matrix and right-hand side at the samples, and rows at the query."""

    matrix: np.ndarray
    drift: np.ndarray
    rows: np.ndarray
    at_query: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, samples: np.ndarray, query: np.ndarray, kernel: str, width: float) -> Dense:
        """``kernel`` as scorelens names it; ``width`` is ``h``."""
        curl_free, profile = kernel.startswith("curl-free-"), kernel.removeprefix("curl-free-")
        parts = [gram_and_drift(x, samples, profile, curl_free, width) for x in (samples, query)]
        (matrix, drift), (rows, at_query) = parts
        return cls(matrix, drift, rows, at_query, query.shape)

    def stein(self, ridge: float) -> np.ndarray:
        """At the samples by a solve (Li & Turner 2018), elsewhere the function of least norm."""
        n_rows = len(self.matrix)
        values = scipy.linalg.solve(self.matrix + ridge * np.eye(n_rows), self.drift, assume_a="pos")
        inverse = np.linalg.pinv(self.matrix, rcond=n_rows * np.finfo(float).eps, hermitian=True)
        return -(self.rows @ (inverse @ values)).reshape(self.shape)

    def spectral_cutoff(self, kept: float) -> np.ndarray:
        """SSGE: leading eigenfunctions that carry the part ``kept`` of the trace (Shi, Sun & Zhu 2018)."""
        values, vectors = np.linalg.eigh(self.matrix)
        values, vectors = values[::-1], vectors[:, ::-1]
        n_kept = int(np.searchsorted(np.cumsum(values) / values.sum(), kept)) + 1
        values, vectors = values[:n_kept], vectors[:, :n_kept]
        slopes = (vectors.T @ self.drift) / values[:, None]
        return -((self.rows @ vectors / values) @ slopes).reshape(self.shape)

    def tikhonov(self, ridge: float) -> np.ndarray:
        """KEF where the kernel is curl-free (Sriperumbudur et al. 2017), solved directly."""
        ridged = self.matrix + ridge * np.eye(len(self.matrix))
        solved = scipy.linalg.solve(ridged, self.drift, assume_a="pos", overwrite_a=True)
        return -(self.at_query - self.rows @ solved).reshape(self.shape) / ridge

    def landweber(self, n_steps: int) -> np.ndarray:
        """``f <- f + (zeta - L f)`` from 0."""
        return self.iterated([(0.0, 1.0)] * n_steps)

    def nu_method(self, n_steps: int, nu: float = 1.0) -> np.ndarray:
        """Brakhage's two-step iteration (Engl, Hanke & Neubauer 1996, section 6.3)."""
        k = np.arange(1, n_steps + 1)
        shared = (k + 2 * nu - 1) * (2 * k + 4 * nu - 1)
        momentum = (k - 1) * (2 * k - 3) * (2 * k + 2 * nu - 1) / (shared * np.abs(2 * k + 2 * nu - 3))
        step = 4 * (2 * k + 2 * nu - 1) * (k + nu - 1) / shared
        return self.iterated(list(zip(momentum, step, strict=True)))

    def iterated(self, schedule: list[tuple[float, float]]) -> np.ndarray:
        """``f = weight zeta + Gamma(., X) c / N`` with momentum and step of each iteration."""
        weight = last_weight = 0.0
        mixed, last = np.zeros_like(self.drift), np.zeros_like(self.drift)
        for momentum, step in schedule:
            values = weight * self.drift + self.matrix @ mixed
            weight, last_weight = weight + momentum * (weight - last_weight) + step, weight
            mixed, last = mixed + momentum * (mixed - last) - step * values, mixed
        return -(weight * self.at_query + self.rows @ mixed).reshape(self.shape)


def gram_and_drift(
    x: np.ndarray, samples: np.ndarray, profile: str, curl_free: bool, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """``K / N`` between ``x`` and the samples, and ``zeta(x)``, as columns that ``K`` acts on."""
    apart, dim = (x[:, None, :] - samples[None, :, :]) / width, x.shape[1]
    u = (apart**2).sum(-1)
    psi = derivatives(profile, u, 3)
    if not curl_free:
        return psi[0] / len(samples), ((-2 * psi[1])[..., None] * apart).mean(1) / width
    slope = 2 * ((2 * dim + 4) * psi[2] + 4 * u * psi[3])
    drift = (slope[..., None] * apart).mean(1) / width
    blocks = (-4 * psi[2][..., None] * apart).transpose(0, 2, 1)[:, :, :, None] * apart[:, None]
    diagonal = np.arange(dim)
    blocks[:, diagonal, :, diagonal] += -2 * psi[1]
    return blocks.reshape(x.size, samples.size) / len(samples), drift.reshape(-1, 1)
