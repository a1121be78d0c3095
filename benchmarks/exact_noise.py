"""Normal equations exact over the noise, against the Monte Carlo assembly of the same system.

The data are draws of a mixture of three Gaussians in the plane, of unit variance; the system is that of
denoising score matching at ``alpha x0 + std n``, ``alpha^2 + std^2 = 1``, for waves with squares and for
Hermite polynomials. The alternative draws noise afresh for every point and adds up ``J J^T`` and
``J n / std`` in blocks that fit the cache, in NumPy: gradients written out for the family, one matrix product
per block, so that nothing but the drawing and the products takes time.

Exact and Monte Carlo assemblies run in turns in one process, and CPU seconds are compared, which other work
on the machine disturbs least: run it with ``OMP_NUM_THREADS=1``. Of the exact times the median counts. Errors
are relative, in the Frobenius norm of ``(A, b)``, and of the score of the solved system in mean square over
noised points; what is exact is measured against Gauss-Hermite quadrature of 40 nodes per axis.

    python benchmarks/exact_noise.py [--points 8] [--draws 1000000] [--std 0.5]
    python benchmarks/exact_noise.py --points 1000 --draws 10000     # seconds for 10^6 draws: multiplied up
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly
from scorelens.estimators.features import Fourier, FourierQuadratic, Hermite, SmoothFeatureMap

Gradients = Callable[[np.ndarray], np.ndarray]
WANTED = 10**6
BLOCK = 4096


def main() -> None:
    """Print one table: a row per family and number of draws."""
    parser = argparse.ArgumentParser(description="Exact over the noise against Monte Carlo.")
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--draws", type=int, default=WANTED)
    parser.add_argument("--std", type=float, default=0.5)
    given = parser.parse_args()
    x0, alpha = mixture(given.points), np.sqrt(1 - given.std**2)
    print(f"{given.points} points, std {given.std:g}; exact: error against quadrature")
    print("| features | m | draws per point | seconds | error of A, b | of the score | time / exact |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for features, gradients in families():
        compare(features, gradients, x0, float(alpha), given.std, given.draws)


def compare(
    features: SmoothFeatureMap, gradients: Gradients, x0: np.ndarray, alpha: float, std: float, draws: int
) -> None:
    """The rows of one family."""
    rng = np.random.default_rng(1)
    at = alpha * np.repeat(x0, max(1, 2000 // len(x0)), axis=0)
    at = at + std * rng.standard_normal(at.shape)
    assert np.allclose(gradients(at), features.jacobian(at).transpose(0, 2, 1))

    exact, spent = timed(lambda: NormalEquations.denoising(features, x0, alpha, std), 5)
    times, rows = [spent], []
    counts = [count for count in (10**2, 10**4, WANTED) if count < draws] + [draws]
    for count in counts:
        estimate, seconds = timed(lambda c=count: monte_carlo(gradients, x0, alpha, std, c, rng), 1)
        rows.append((count, seconds, *errors(estimate, exact, features, at)))
        times.append(timed(lambda: NormalEquations.denoising(features, x0, alpha, std), 5)[1])
    spent = float(np.median(times))

    truth = quadrature(gradients, x0, alpha, std)
    both = errors(exact, truth, features, at)
    print(row(features, "none", spent, *both, spent))
    for found in rows:
        print(row(features, f"{found[0]:,}", *found[1:], spent))
    if draws < WANTED:
        print(
            row(features, f"{WANTED:,} (multiplied up)", rows[-1][1] * WANTED / draws, np.nan, np.nan, spent)
        )


def row(
    features: SmoothFeatureMap, draws: str, seconds: float, system: float, score: float, exact: float
) -> str:
    """One line of the table."""
    cells = [
        features.name,
        str(features.n_features),
        draws,
        f"{seconds:.3g}",
        f"{system:.1e}",
        f"{score:.1e}",
    ]
    return "| " + " | ".join([*cells, f"{seconds / exact:,.0f}"]) + " |"


def monte_carlo(
    gradients: Gradients, x0: np.ndarray, alpha: float, std: float, draws: int, rng: np.random.Generator
) -> NormalEquations:
    """``A`` and ``b`` from ``draws`` of noise per point: ``E[J J^T]`` and ``E[J n] / std``."""
    matrix, vector = np.zeros(()), np.zeros(())
    centres = alpha * x0
    for start in range(0, draws * len(x0), BLOCK):
        rows = np.arange(start, min(start + BLOCK, draws * len(x0))) % len(x0)
        noise = rng.standard_normal((len(rows), x0.shape[1]))
        slopes = gradients(centres[rows] + std * noise).reshape(noise.size, -1)
        matrix, vector = matrix + slopes.T @ slopes, vector + slopes.T @ noise.ravel()
    count = draws * len(x0)
    return NormalEquations(matrix / count, vector / (std * count))


def quadrature(gradients: Gradients, x0: np.ndarray, alpha: float, std: float) -> NormalEquations:
    """The same by Gauss-Hermite nodes in the noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    noise = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    share = np.repeat(np.outer(weights, weights).ravel() / (2 * np.pi * len(x0)), 2)
    matrix, vector = np.zeros(()), np.zeros(())
    for centre in alpha * x0:
        slopes = gradients(centre + std * noise).reshape(noise.size, -1)
        matrix, vector = (
            matrix + (slopes.T * share) @ slopes,
            vector + slopes.T @ (share * noise.ravel()) / std,
        )
    return NormalEquations(matrix, vector)


def errors(
    found: NormalEquations, right: NormalEquations, features: SmoothFeatureMap, at: np.ndarray
) -> tuple[float, float]:
    """Relative error of the system, and of the score at the points ``at``."""
    system = np.column_stack([found.matrix - right.matrix, found.vector - right.vector])
    size = np.column_stack([right.matrix, right.vector])
    jacobian = features.jacobian(at)
    scores = [np.einsum("nml,m->nl", jacobian, solve_exactly(e).theta) for e in (found, right)]
    away = np.linalg.norm(scores[0] - scores[1]) / np.linalg.norm(scores[1])
    return float(np.linalg.norm(system) / np.linalg.norm(size)), float(away)


def families() -> Iterator[tuple[SmoothFeatureMap, Gradients]]:
    """Features and their gradients ``(n, d) -> (n, d, m)``, written out."""
    waves = Fourier.lattice(dim=2, degree=3, period=8.0)
    yield FourierQuadratic(waves), lambda x: of_waves(waves.frequencies, x)
    hermite = Hermite.of_degree(2, 6)
    yield hermite, lambda x: of_hermite(hermite.index, x)


def of_waves(k: np.ndarray, x: np.ndarray) -> np.ndarray:
    phase, (n, d), q = x @ k.T, x.shape, len(k)
    slopes = np.zeros((n, d, 2 * q + 2 * d))
    np.multiply(-np.sin(phase)[:, None], k.T, out=slopes[:, :, :q])
    np.multiply(np.cos(phase)[:, None], k.T, out=slopes[:, :, q : 2 * q])
    for axis in range(d):
        slopes[:, axis, 2 * q + axis] = 1
        slopes[:, axis, 2 * q + d + axis] = x[:, axis]
    return slopes


def of_hermite(index: np.ndarray, x: np.ndarray) -> np.ndarray:
    degree = int(index.max())
    values = [np.ones_like(x), x]
    for order in range(1, degree):
        values.append(x * values[-1] - order * values[-2])
    table = np.stack(values, axis=-1)
    first, second = index.T
    along_first, along_second = table[:, 0], table[:, 1]
    slopes = np.empty((len(x), 2, len(index)))
    slopes[:, 0] = first * along_first[:, np.maximum(first - 1, 0)] * along_second[:, second]
    slopes[:, 1] = second * along_first[:, first] * along_second[:, np.maximum(second - 1, 0)]
    return slopes


def mixture(n: int) -> np.ndarray:
    """``n`` draws of three Gaussians on a triangle, scaled to unit variance."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.integers(0, 3, n) / 3
    x = 1.3 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.3 * rng.standard_normal((n, 2))
    return x / np.sqrt(1.3**2 / 2 + 0.09)


def timed(make: Callable[[], NormalEquations], repeats: int) -> tuple[NormalEquations, float]:
    """What ``make`` returns, and the median of its CPU seconds."""
    spent = []
    for _ in range(repeats):
        begin = time.process_time()
        made = make()
        spent.append(time.process_time() - begin)
    return made, float(np.median(spent))  # pyright: ignore[reportPossiblyUnbound]


if __name__ == "__main__":
    main()
