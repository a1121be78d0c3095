"""Kernel score estimators: error on a grid of Gaussians, and time against the dense textbook formulation.

The samples are `--samples` draws of a standard Gaussian in 2, 5 and 10 dimensions, the bandwidth is the
median distance, the ridge that of `--ridge`; the error is the mean square per component at as many fresh
points.

Ours: `scorelens.estimators.kernel`. The alternative is each method as its paper writes it, in NumPy and SciPy
with the same threads: all differences ``(N, N, d)``, all gradients, the whole kernel matrix (``N d`` rows for
the curl-free kernel) and one dense solve or eigendecomposition. Both are timed from the samples to the scores
at the fresh points, and give the same estimate. The curl-free matrix grows as ``(N d)^2``, so the alternative
is run on `--dense` rows of it at most, and ours on the same samples too.

    python benchmarks/kernel_scores.py [--samples 2000] [--ridge 0.003] [--dense 6000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import torch

from scorelens.core.filters import Ridge
from scorelens.estimators.kernel import (
    KernelScoreEstimator,
    LandweberScore,
    NuMethodScore,
    NystromScore,
    SpectralCutoffScore,
    SteinScore,
    TikhonovScore,
    median_bandwidth,
)

KEPT = 0.99


def gaussian_kernel(x: np.ndarray, y: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    apart = x[:, None, :] - y[None, :, :]
    return np.exp(-(apart**2).sum(-1) / (2 * width**2)), apart


def dense_drift(x: np.ndarray, samples: np.ndarray, width: float) -> np.ndarray:
    k, apart = gaussian_kernel(x, samples, width)
    return (k[..., None] * apart / width**2).mean(1)


def dense_tikhonov(samples: np.ndarray, query: np.ndarray, ridge: float) -> np.ndarray:
    width, n = median_bandwidth(torch.tensor(samples)), len(samples)
    matrix = gaussian_kernel(samples, samples, width)[0] / n + ridge * np.eye(n)
    solved = scipy.linalg.solve(matrix, dense_drift(samples, samples, width), assume_a="pos")
    rows = gaussian_kernel(query, samples, width)[0] / n
    return -(dense_drift(query, samples, width) - rows @ solved) / ridge


def dense_spectral(samples: np.ndarray, query: np.ndarray, ridge: float) -> np.ndarray:
    width, n = median_bandwidth(torch.tensor(samples)), len(samples)
    k, apart = gaussian_kernel(samples, samples, width)
    values, vectors = scipy.linalg.eigh(k)
    values, vectors = values[::-1], vectors[:, ::-1]
    n_kept = int(np.searchsorted(np.cumsum(values) / values.sum(), KEPT)) + 1
    vectors, values = vectors[:, :n_kept], values[:n_kept]
    slopes = vectors.T @ (-k[..., None] * apart / width**2).sum(0)
    beta = -slopes / (np.sqrt(n) * values[:, None])
    return np.sqrt(n) * (gaussian_kernel(query, samples, width)[0] @ vectors / values) @ beta


def curl_free_matrix(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    k, apart = gaussian_kernel(x, y, width)
    scaled = apart / width
    weighted = (k[..., None] * scaled).transpose(0, 2, 1)
    blocks = -weighted[:, :, :, None] * scaled[:, None]
    blocks += np.einsum("nm,ij->nimj", k, np.eye(x.shape[1]))
    return blocks.reshape(x.size, y.size)


def curl_free_drift(x: np.ndarray, samples: np.ndarray, width: float) -> np.ndarray:
    k, apart = gaussian_kernel(x, samples, width)
    factor = (x.shape[1] + 2 - (apart**2).sum(-1) / width**2) * k
    return (factor[..., None] * apart).mean(1) / width**2


def dense_curl_free(samples: np.ndarray, query: np.ndarray, ridge: float) -> np.ndarray:
    width, n = median_bandwidth(torch.tensor(samples)), len(samples)
    matrix = curl_free_matrix(samples, samples, width) / n
    matrix[np.diag_indices_from(matrix)] += ridge
    drift = curl_free_drift(samples, samples, width).ravel()
    solved = scipy.linalg.solve(matrix, drift, assume_a="pos", overwrite_a=True)
    k, apart = gaussian_kernel(query, samples, width)
    coefficients, scaled = solved.reshape(samples.shape), apart / width
    along = k * np.einsum("nmi,mi->nm", scaled, coefficients)
    rows = (k @ coefficients - np.einsum("nm,nmi->ni", along, scaled)) / n
    return -(curl_free_drift(query, samples, width) - rows) / ridge


def ours(samples: np.ndarray, query: np.ndarray, member: KernelScoreEstimator) -> np.ndarray:
    return member.fit_score(samples)(query)


def timed(compute: Callable[..., np.ndarray], *given: Any) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    result = compute(*given)
    return result, time.perf_counter() - start


def grid(n: int, ridge: float) -> None:
    steps = max(1, round(1 / ridge))
    members = {
        "stein": SteinScore(ridge=ridge),
        "spectral cut-off": SpectralCutoffScore(kept=KEPT),
        "tikhonov": TikhonovScore(ridge=ridge),
        "tikhonov, inverse multiquadric": TikhonovScore(kernel="inverse-multiquadric", ridge=ridge),
        "tikhonov, curl-free": TikhonovScore(kernel="curl-free-gaussian", ridge=ridge),
        "landweber": LandweberScore(n_steps=steps),
        "nu-method": NuMethodScore(n_steps=max(1, round(steps**0.5))),
        "nu-method, curl-free": NuMethodScore(kernel="curl-free-gaussian", n_steps=max(1, round(steps**0.5))),
        "nystrom, 300 landmarks": NystromScore(filter=Ridge(ridge), n_landmarks=min(n, 300)),
    }
    print(f"{'mean square error per component (seconds)':<42}", *(f"{f'd = {d}':>16}" for d in (2, 5, 10)))
    for name, member in members.items():
        cells = []
        for dim in (2, 5, 10):
            samples, query = draws(n, dim)
            score, seconds = timed(ours, samples, query, member)
            cells.append(f"{np.mean((score + query) ** 2):>8.4f} ({seconds:5.2f})")
        print(f"{name:<42}", *(f"{cell:>16}" for cell in cells), flush=True)


def ratios(n: int, ridge: float, dense_rows: int) -> None:
    print(
        f"\n{'against the dense form':<24}{'N':>6}{'d':>4}{'dense s':>9}{'ours s':>8}{'ratio':>7}"
        f"{'dense mse':>11}{'our mse':>9}{'largest difference':>20}"
    )
    cases = [
        ("tikhonov", dense_tikhonov, TikhonovScore(ridge=ridge), n),
        ("spectral cut-off", dense_spectral, SpectralCutoffScore(kept=KEPT), n),
        (
            "tikhonov, curl-free",
            dense_curl_free,
            TikhonovScore(kernel="curl-free-gaussian", ridge=ridge),
            min(n, dense_rows // 10),
        ),
    ]
    for name, dense, member, size in cases:
        samples, query = draws(size, 10)
        expected, dense_seconds = timed(dense, samples, query, ridge)
        score, seconds = timed(ours, samples, query, member)
        errors = [np.mean((s + query) ** 2) for s in (expected, score)]
        print(
            f"{name:<24}{size:>6}{10:>4}{dense_seconds:>9.2f}{seconds:>8.2f}{dense_seconds / seconds:>7.1f}"
            f"{errors[0]:>11.4f}{errors[1]:>9.4f}{np.abs(score - expected).max():>20.1e}",
            flush=True,
        )


def draws(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(dim)
    return generator.standard_normal((n, dim)), generator.standard_normal((n, dim))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--ridge", type=float, default=0.003)
    parser.add_argument("--dense", type=int, default=6000)
    args = parser.parse_args()
    timed(ours, *draws(200, 2), TikhonovScore())  # warm up
    grid(args.samples, args.ridge)
    ratios(args.samples, args.ridge, args.dense)


if __name__ == "__main__":
    main()
