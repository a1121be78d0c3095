"""The exact neighbour search against scikit-learn's brute force and against the matrix product alone.

Both find the nearest points to the same queries in one process; runs alternate, and the least of the
repetitions counts. Distances are compared with differences in float64: the largest relative error of each.

    python benchmarks/nearest_neighbours.py [--points 60000] [--dim 784] [--queries 2000] [--data SPEC]
    python benchmarks/nearest_neighbours.py --alone --points 300000 --queries 4000

``--data`` takes any data that scorelens reads (say mnist.parquet) in place of random smooth images; the first
events are the queries, the others the points. ``--alone`` runs our search once, and prints its processor time
and the memory of the process at its peak.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from scorelens.core.nearest_neighbours import NeighbourSearch
from scorelens.data import load


def main() -> None:
    """Print seconds, ratios and errors."""
    parser = argparse.ArgumentParser(description="Exact neighbour search against scikit-learn's brute force.")
    parser.add_argument("--points", type=int, default=60000)
    parser.add_argument("--dim", type=int, default=784)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data")
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args()
    x, points = events(given.data, given.queries, given.points, given.dim)
    if given.alone:
        alone(x, points, given.k)
        return
    k, rows = given.k, torch.from_numpy(points)
    results = {}

    def product() -> None:
        for block in rows.split(4096):
            torch.from_numpy(x) @ block.T

    def ours() -> None:
        found = NeighbourSearch(points)(x, k)
        results["scorelens"] = found.distances, found.indices

    def theirs() -> None:
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
        results["scikit-learn"] = search.kneighbors(x)

    runs = {"product alone": product, "scorelens": ours, "scikit-learn": theirs}
    spent = least_seconds(runs, given.repeats)
    print(f"{len(points)} points, {len(x)} queries, d = {points.shape[1]}, k = {k}")
    print("| | seconds | relative to scorelens | largest relative error |")
    print("| --- | --- | --- | --- |")
    for name, seconds in spent.items():
        error = f"{largest_error(x, points, *results[name]):.1e}" if name in results else ""
        print(f"| {name} | {seconds:.2f} | {seconds / spent['scorelens']:.2f} | {error} |")
    same = np.mean(results["scorelens"][1] == results["scikit-learn"][1])
    print(f"the same indices: {same:.4%}")


def alone(x: np.ndarray, points: np.ndarray, k: int) -> None:
    """Processor time of one search, and peak memory of the process with its data."""
    begin, clock = time.process_time(), time.perf_counter()
    NeighbourSearch(points)(x, k)
    spent, passed = time.process_time() - begin, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(points)} points, {len(x)} queries, d = {points.shape[1]}, k = {k}")
    print(f"{spent:.1f} s of processor time in {passed:.1f} s; {peak:.2f} GiB at the peak")
    print(f"of which {(x.nbytes + points.nbytes) / 2**30:.2f} GiB are points and queries")


def events(spec: str | None, n_queries: int, n_points: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and points, float32 ``(n, d)``: data, or random images of a falling spectrum in [-1, 1]."""
    if spec is not None:
        data = load(spec)[: n_queries + n_points]
        flat = data.reshape(len(data), -1)
        return flat[:n_queries], flat[n_queries:]
    scale = np.arange(1, dim + 1) ** -0.75 * 4
    draws = np.random.default_rng(0).standard_normal((n_queries + n_points, dim), dtype=np.float32)
    flat = np.tanh(draws * scale.astype(np.float32))
    return flat[:n_queries], flat[n_queries:]


def least_seconds(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Least wall-clock time of every run, the runs taking turns."""
    spent = dict.fromkeys(runs, np.inf)
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            spent[name] = min(spent[name], time.perf_counter() - begin)
    return spent


def largest_error(x: np.ndarray, points: np.ndarray, distances: np.ndarray, indices: np.ndarray) -> float:
    """Of the distances given for the indices, relative to those of differences in float64."""
    worst = 0.0
    for column in range(indices.shape[1]):
        away = x.astype(np.float64) - points[indices[:, column]]
        exact = np.sqrt((away**2).sum(axis=1))
        worst = max(worst, float(np.max(np.abs(distances[:, column] - exact) / exact)))
    return worst


if __name__ == "__main__":
    main()
