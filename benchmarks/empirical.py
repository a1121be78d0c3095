"""The empirical denoiser against what it cannot avoid, and against plain ``cdist`` and softmax.

The two matrix products ``x @ points^T`` and ``weights @ points`` are timed alone, as one product each with
their results allocated beforehand. Every route is run once to warm up; the least of the repetitions counts.

A second table sets the denoiser of the nearest points against the one of all points: calling it, the
posterior covariance of one event, and the largest bound on its error.

    python benchmarks/empirical.py [--points 60000] [--dim 784] [--batch 256] [--repeats 3] [--neighbours 100]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from scorelens.estimators import Empirical


def main() -> None:
    """Print seconds and ratios per noise level."""
    parser = argparse.ArgumentParser(description="The empirical denoiser against products and cdist.")
    parser.add_argument("--points", type=int, default=60000)
    parser.add_argument("--dim", type=int, default=784)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.01, 0.3, 1.0, 10.0])
    parser.add_argument("--neighbours", type=int, default=100)
    given = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    points = smooth_images(given.points, given.dim, generator)
    denoiser = Empirical().fit(points)

    print("| sigma | two products | ours | cdist + softmax | ours / products | cdist / ours |")
    print("| --- | --- | --- | --- | --- | --- |")
    for sigma in given.sigma:
        noise = torch.randn(given.batch, given.dim, generator=generator)
        x = points[: given.batch] + sigma * noise
        products = seconds(two_products(x, points), given.repeats)
        ours = seconds(lambda x=x, s=sigma: denoiser(x, s), given.repeats)
        plain = seconds(lambda x=x, s=sigma: softmax_of_distances(x, points, s), given.repeats)
        times = f"{products:.3f} s | {ours:.3f} s | {plain:.3f} s"
        print(f"| {sigma:g} | {times} | {ours / products:.2f} | {plain / ours:.2f} |")
    against_nearest(points, given.batch, given.sigma, given.neighbours, given.repeats)


def against_nearest(points: Tensor, batch: int, sigmas: list[float], neighbours: int, repeats: int) -> None:
    """Time of all points over that of the nearest, and the bound on the error of these."""
    generator = torch.Generator().manual_seed(1)
    whole, nearest = Empirical().fit(points), Empirical(neighbours=neighbours).fit(points)
    print(
        f"\n| sigma | calling: all / {neighbours} nearest | covariance: all / nearest | largest error bound |"
    )
    print("| --- | --- | --- | --- |")
    for sigma in sigmas:
        x = points[:batch] + sigma * torch.randn(batch, points.shape[1], generator=generator)
        called = [seconds(lambda d=d, x=x, s=sigma: d(x, s), repeats) for d in (whole, nearest)]
        spread = [
            seconds(lambda d=d, x=x, s=sigma: d.posterior_covariance(x[:1], s), repeats)
            for d in (whole, nearest)
        ]
        bound = float(nearest.truncation_error(x, sigma).max())
        print(f"| {sigma:g} | {called[0] / called[1]:.2f} | {spread[0] / spread[1]:.1f} | {bound:.1e} |")


def smooth_images(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """Points in [-1, 1] with a falling spectrum, as images have, float32 ``(n, dim)``."""
    scale = torch.arange(1, dim + 1) ** -0.75
    return torch.tanh(torch.randn(n, dim, generator=generator) * scale * 4)


def two_products(x: Tensor, points: Tensor) -> Callable[[], None]:
    """The two matrix products, with a given matrix of weights."""
    weights = torch.softmax(torch.randn(len(x), len(points)), dim=1)
    first, second = torch.empty(len(x), len(points)), torch.empty_like(x)

    def run() -> None:
        torch.mm(x, points.T, out=first)
        torch.mm(weights, points, out=second)

    return run


def softmax_of_distances(x: Tensor, points: Tensor, sigma: float) -> Tensor:
    """The usual form, everything at once."""
    return torch.softmax(-(torch.cdist(x, points) ** 2) / (2 * sigma**2), dim=1) @ points


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Least wall-clock time of ``repeats`` runs after one that is not counted."""
    run()
    spent = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        spent.append(time.perf_counter() - begin)
    return min(spent)


if __name__ == "__main__":
    main()
