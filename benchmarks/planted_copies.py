"""Near-copies planted among fresh data: how many are found, and how often fresh data are accused.

Training points are searched once. Then, split by split, fresh events are dealt into held-out ones and
samples, and copies of training points, with and without noise, replace some of the samples.

    python benchmarks/planted_copies.py [DATA] [--train 40000] [--held-out 5000] [--samples 2000]

DATA is any data that scorelens reads, say mnist.parquet; by default a Gaussian law in 32 dimensions.
"""

from __future__ import annotations

import argparse

import numpy as np

from scorelens.core.nearest_neighbours import NeighbourSearch
from scorelens.data import load
from scorelens.generalization.memorization import near_copies, nearness

SHARES, NOISES, COPIES = (0.01, 0.05), (0.0, 0.05, 0.2), 500


def main() -> None:
    """Print the table of recall and false alarms."""
    parser = argparse.ArgumentParser(description="Recall and false alarms of near-copies.")
    parser.add_argument("data", nargs="?", default="gaussian:dim=32,n=60000")
    parser.add_argument("--train", type=int, default=40000)
    parser.add_argument("--held-out", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--neighbour", type=int, default=2)
    parser.add_argument("--splits", type=int, default=400)
    parser.add_argument("--family-wise", type=float, default=0.05)
    given = parser.parse_args()
    fresh, copies, n_train = nearness_of(given.data, given.train, given.neighbour)
    h, n = given.held_out, given.samples
    if h + n > len(fresh):
        raise SystemExit(f"{h} held-out events and {n} samples asked, of {len(fresh)} fresh; ask for fewer")
    print(f"{n_train} training events; {h} held-out, {n} samples, dealt {given.splits} times of {len(fresh)}")
    print("| planted | noise | found, % | splits with a false alarm, % | false alarms per sample |")
    print("| --- | --- | --- | --- | --- |")
    for planted, noise in [(0.0, 0.0), *((p, s) for p in SHARES for s in NOISES)]:
        count = round(planted * n)
        found, alarms = dealt(fresh, copies[noise], count, h, n, given.splits, given.family_wise)
        recall = f"{100 * found:.2f}" if count else ""
        rates = f"{100 * np.mean(alarms > 0):.2f} | {np.mean(alarms) / (n - count):.1e}"
        print(f"| {planted:.0%} | {noise if count else ''} | {recall} | {rates} |")


def nearness_of(spec: str, n_train: int, k: int) -> tuple[np.ndarray, dict[float, np.ndarray], int]:
    """`nearness` of fresh events ``(f,)``, and by noise that of copies of training events ``(c,)``."""
    events = load(spec)
    order = np.random.default_rng(0).permutation(len(events))
    train, fresh = (events[np.sort(rows)] for rows in (order[:n_train], order[n_train:]))
    search, draws = NeighbourSearch(train), np.random.default_rng(1)
    origin = train[draws.choice(len(train), min(COPIES, len(train)), replace=False)]
    noise = draws.standard_normal(origin.shape).astype(origin.dtype)
    found = {s: nearness(search(origin + origin.dtype.type(s) * noise, k).distances) for s in NOISES}
    return nearness(search(fresh, k).distances), found, len(train)


def dealt(
    fresh: np.ndarray, copies: np.ndarray, count: int, h: int, n: int, splits: int, family_wise: float
) -> tuple[float, np.ndarray]:
    """Share of the planted copies that are found, and the false alarms of every split."""
    draws, found, alarms = np.random.default_rng(2), 0, np.zeros(splits, int)
    for i in range(splits):
        values = draws.choice(fresh, h + n, replace=False)
        held_out, samples = values[:h], values[h:]
        samples[:count] = draws.choice(copies, count, replace=False)
        flagged = near_copies(samples, held_out, family_wise=family_wise).flagged
        found += int(flagged[:count].sum())
        alarms[i] = flagged[count:].sum()
    return found / max(count * splits, 1), alarms


if __name__ == "__main__":
    main()
