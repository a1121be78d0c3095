"""Every gain law's generated variance against integrating its two ODEs, in one process, at the same accuracy.

Ours: `log_variance_table`, to 1e-9. The alternative: `two_odes.integrated`, timed on a sample of modes and
multiplied up. Both errors are against direct quadrature of the law. Memory is the peak of our route over the
bytes of its result.

    python benchmarks/laws.py [--modes 3072] [--times 200] [--sampled 3]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np

from scorelens import dynamics
from scorelens.dynamics import GainLaw, log_variance_table
from two_odes import SIGMA_MAX, SIGMA_MIN, integrated

LAWS: tuple[GainLaw, ...] = (
    dynamics.OneLayer(0.1),
    dynamics.ResidualOneLayer(0.3, 0.5, 0.1),
    dynamics.PreconditionedOneLayer.edm(),
    dynamics.SymmetricTwoLayer(0.05),
    dynamics.AsymmetricTwoLayer(0.3, 0.1),
    dynamics.DeepLinear(3, 0.05),
    dynamics.DeepLinear(5, 0.05, tied=True),
    dynamics.DeepResidual(3, -0.5),
    dynamics.InfiniteDepth(0.1),
    dynamics.FullConvolution(3072, dynamics.OneLayer(0.1)),
    dynamics.FlowOneLayer(0.1),
    dynamics.FlowTwoLayer(0.1),
)


def row(law: GainLaw, eigenvalues: np.ndarray, times: np.ndarray, n_sampled: int) -> str:
    """One line of the table: seconds, errors, ratio and memory."""
    sampled = np.unique(np.geomspace(2, eigenvalues.size, n_sampled).astype(int) - 1)
    begin = time.perf_counter()
    table = log_variance_table(law, eigenvalues, times)
    ours = time.perf_counter() - begin
    begin = time.perf_counter()
    numerical = np.stack([integrated(law, eigenvalues[mode], times) for mode in sampled], axis=1)
    theirs = (time.perf_counter() - begin) * eigenvalues.size / len(sampled)
    exact = law.log_generated_variance(eigenvalues[sampled], times[:, None], SIGMA_MIN, SIGMA_MAX)
    errors = (np.abs(found - exact).max() for found in (table[:, sampled], numerical))
    return " | ".join(
        [law.name, f"{ours:.2f}", f"{theirs:.0f}", f"{theirs / ours:,.0f}", *(f"{e:.0e}" for e in errors)]
    )


def memory(law: GainLaw, eigenvalues: np.ndarray, times: np.ndarray) -> float:
    """Peak memory of our route over the bytes of the result."""
    tracemalloc.start()
    table = log_variance_table(law, eigenvalues, times)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / table.nbytes


def main() -> None:
    """Print one line per law."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", type=int, default=3072)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--sampled", type=int, default=3)
    given = parser.parse_args()
    eigenvalues = np.arange(1, given.modes + 1) ** -1.5
    eigenvalues *= 0.25 / eigenvalues.mean()
    times = np.geomspace(1e-3, 1e3, given.times)
    print("| law | seconds | two ODEs, seconds | ratio | error | theirs | peak memory / result |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for law in LAWS:
        line = row(law, eigenvalues, times, given.sampled)
        print(f"| {line} | {memory(law, eigenvalues, times):.1f} |", flush=True)


if __name__ == "__main__":
    main()
