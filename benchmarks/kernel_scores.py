"""Kernel score estimators on the published spiral and Gaussian grids, and their time at N = 2,000, d = 10.

The alternative is each method as its paper writes it (``dense_scores.py``): all differences ``(N, N, d)``,
the whole kernel matrix (``N d`` rows for a curl-free kernel), one dense solve or eigendecomposition or the
iteration with that matrix. Both are given the same samples, bandwidth and regularization, and are timed from
the samples to the scores at the query points, in turns in one process.

Errors. Zhou, Shi & Zhu (2020) with the settings of their published examples: 200 samples of the spiral
``(2 t cos t - 2, 2 t sin t)``, ``t`` uniform on 3 to 15, with noise of standard deviation ``exp(-1)``,
bandwidth 8; and 128 samples of a mixture of ``d`` standard Gaussians at random vertices of the unit cube,
bandwidth the median distance; inverse multiquadric kernels. The error is ``E |s_hat - s|^2`` at 1,024 fresh
points, the mean of `--seeds` draws, each method at the regularization that suits the reference best among
1e-6 ... 1e-1 (Landweber's from 1e-3). The spiral's exact score is that of 20,000 nodes along it. The dense
curl-free form is too large for the grid in 32 dimensions.

Time. CPU seconds, which other work on the machine disturbs least: run it with ``OMP_NUM_THREADS=1``. Draws of
a standard Gaussian, the ridge of `--ridge` and iterations that match it. A curl-free matrix of
20,000 rows would take 3.2 GB and minutes: dense is run on ``--dense`` rows at most (a tenth as many samples,
a thirtieth for what is decomposed), ours on the same samples, and ours alone on all of them.

    python benchmarks/kernel_scores.py [--samples 2000] [--ridge 0.003] [--dense 6000] [--seeds 2]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from dense_scores import Dense
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

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]

#: Method: our estimator and the dense one, of a kernel and ``lam``, which every method reads as a ridge.
METHODS: dict[str, tuple[Callable[..., KernelScoreEstimator], Callable[[Dense, float], np.ndarray]]] = {
    "stein": (lambda lam, **at: SteinScore(ridge=lam, **at), lambda dense, lam: dense.stein(lam)),
    "spectral cut-off": (
        lambda lam, **at: SpectralCutoffScore(kept=kept(lam), **at),
        lambda dense, lam: dense.spectral_cutoff(kept(lam)),
    ),
    "tikhonov": (lambda lam, **at: TikhonovScore(ridge=lam, **at), lambda dense, lam: dense.tikhonov(lam)),
    "landweber": (
        lambda lam, **at: LandweberScore(n_steps=steps(lam), **at),
        lambda dense, lam: dense.landweber(steps(lam)),
    ),
    "nu-method": (
        lambda lam, **at: NuMethodScore(n_steps=steps(lam**0.5), **at),
        lambda dense, lam: dense.nu_method(steps(lam**0.5)),
    ),
}
LAMBDAS = 10.0 ** np.arange(-6, 0)
FEWEST = 1e-3
"""Below this Landweber's steps are not followed: it is the slow one of the two iterations."""
LARGEST = 8
"""Dimension of the largest grid for the dense curl-free form."""


def steps(ridge: float) -> int:
    return max(1, round(1 / ridge))


def kept(ridge: float) -> float:
    """Part of the trace: more of it for less regularization."""
    return 1 - ridge**0.5 / 2


def errors(seeds: int) -> None:
    """The spiral, then grids in 2, 8 and 32 dimensions: error of the reference and of ours."""
    problems: dict[str, tuple] = {"spiral": (2, spiral, 200, 8.0)}
    problems |= {f"grid, d = {d}": (d, grid(d), 128, None) for d in (2, 8, 32)}
    print(f"{'mean of |error|^2':<34}", *(f"{name:>22}" for name in problems))
    print(f"{'':<34}", *(f"{'dense':>11}{'ours':>11}" for _ in problems))
    for kernel in ("inverse-multiquadric", "curl-free-inverse-multiquadric"):
        for method in METHODS:
            cells = [
                error(*rest, kernel, method, seeds)
                for dim, *rest in problems.values()
                if dim <= LARGEST or not kernel.startswith("curl-free")
            ]
            short = "curl-free" if kernel.startswith("curl-free") else "diagonal"
            print(f"{method + ', ' + short:<34}", *(f"{d:>11.5g}{o:>11.5g}" for d, o in cells), flush=True)


def error(
    draw: Draw, n: int, width: float | None, kernel: str, method: str, seeds: int
) -> tuple[float, float]:
    ours, dense = METHODS[method]
    lambdas = [lam for lam in LAMBDAS if method != "landweber" or lam >= FEWEST]
    found = np.zeros((len(lambdas), 2))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        (samples, _), (query, score) = draw(n, rng), draw(1024, rng)
        bandwidth = width or median_bandwidth(torch.tensor(samples))
        system = Dense.of(samples, query, kernel, bandwidth)
        for at, lam in enumerate(lambdas):
            fitted = ours(lam, kernel=kernel, bandwidth=bandwidth).fit_score(samples)
            for column, estimate in enumerate((dense(system, lam), fitted(query))):
                found[at, column] += ((estimate - score) ** 2).sum(1).mean() / seeds
    best = found[:, 0].argmin()
    return float(found[best, 0]), float(found[best, 1])


def spiral(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points and their exact scores."""
    along, std = np.linspace(3, 15, 20_001), np.exp(-1)
    curve = 2 * along[:, None] * np.stack([np.cos(along), np.sin(along)], axis=1) - [2.0, 0.0]
    t = rng.uniform(3, 15, n)[:, None]
    centre = 2 * t * np.concatenate([np.cos(t), np.sin(t)], axis=1) - [2.0, 0.0]
    x = centre + std * rng.standard_normal((n, 2))
    return x, mixture_score(x, curve, std)


def grid(dim: int) -> Draw:
    vertices = np.random.default_rng(dim).integers(0, 2, (dim, dim)).astype(float)

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = vertices[rng.integers(0, dim, n)] + rng.standard_normal((n, dim))
        return x, mixture_score(x, vertices, 1.0)

    return draw


def mixture_score(x: np.ndarray, centres: np.ndarray, std: float) -> np.ndarray:
    """Score of equal Gaussians at the ``centres``."""
    logits = (x @ centres.T - (centres**2).sum(1) / 2) / std**2
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return (weights @ centres / weights.sum(1, keepdims=True) - x) / std**2


def times(n: int, ridge: float, dense_rows: int) -> None:
    print(
        f"\n{'time, d = 10':<34}{'N':>6}{'dense s':>9}{'ours s':>8}{'dense / ours':>13}"
        f"{'dense mse':>11}{'our mse':>9}{'largest difference':>20}"
    )
    for kernel in ("gaussian", "curl-free-gaussian"):
        curl_free = kernel.startswith("curl-free")
        for method, (ours, dense) in METHODS.items():
            decomposed = method in ("stein", "spectral cut-off")
            size = min(n, dense_rows // (30 if decomposed else 10)) if curl_free else n
            name = f"{method}, {'curl-free' if curl_free else 'diagonal'}"
            compare(name, size, ours(ridge, kernel=kernel), lambda s, d=dense: d(s, ridge), kernel)
            if curl_free and not decomposed:
                alone(name, n, ours(ridge, kernel=kernel))
    alone("tikhonov, 300 landmarks", n, NystromScore(filter=Ridge(ridge), n_landmarks=min(n, 300)))


def compare(
    name: str, n: int, member: KernelScoreEstimator, dense: Callable[[Dense], np.ndarray], kernel: str
) -> None:
    """One line: two runs of each in turns, the shorter counts."""
    samples, query = draws(n)
    spent: dict[str, list[float]] = {"dense": [], "ours": []}
    for _ in range(2):
        expected, seconds = timed(
            lambda: dense(Dense.of(samples, query, kernel, median_bandwidth(torch.tensor(samples))))
        )
        spent["dense"].append(seconds)
        score, seconds = timed(lambda: member.fit_score(samples)(query))
        spent["ours"].append(seconds)
    slow, fast = min(spent["dense"]), min(spent["ours"])
    mse = [np.mean((s + query) ** 2) for s in (expected, score)]  # pyright: ignore[reportPossiblyUnbound]
    away = np.abs(score - expected).max()  # pyright: ignore[reportPossiblyUnbound]
    cells = f"{slow:>9.2f}{fast:>8.2f}{slow / fast:>13.1f}{mse[0]:>11.4f}{mse[1]:>9.4f}{away:>20.1e}"
    print(f"{name:<34}{n:>6}{cells}", flush=True)


def alone(name: str, n: int, member: KernelScoreEstimator) -> None:
    samples, query = draws(n)
    score, seconds = timed(lambda: member.fit_score(samples)(query))
    mse = np.mean((score + query) ** 2)
    print(f"{name:<34}{n:>6}{'-':>9}{seconds:>8.2f}{'-':>13}{'-':>11}{mse:>9.4f}{'-':>20}", flush=True)


def timed(compute: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.process_time()
    result = compute()
    return result, time.process_time() - start


def draws(n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(10)
    return generator.standard_normal((n, 10)), generator.standard_normal((n, 10))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--ridge", type=float, default=0.003)
    parser.add_argument("--dense", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    timed(lambda: TikhonovScore().fit_score(draws(200)[0])(draws(200)[1]))  # warm up
    errors(args.seeds)
    times(args.samples, args.ridge, args.dense)


if __name__ == "__main__":
    main()
