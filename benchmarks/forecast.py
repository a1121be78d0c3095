"""The forecast of all modes at all training times against integrating the two ODEs, in one process.

Ours: `log_variance_table` of the EDM-preconditioned law. The alternative does what one does without the
closed form: `scipy.integrate.solve_ivp` integrates the training ODE of the gain at many noise levels at once
(LSODA with a diagonal Jacobian), then the probability-flow ODE through a cubic spline of those gains, all
times at once. It is timed on a sample of modes and multiplied up. Both errors are against direct quadrature.

    python benchmarks/forecast.py [--modes 3072] [--times 400] [--sampled 6]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from scorelens.core.noise_level import LogNormal
from scorelens.dynamics import PreconditionedOneLayer, log_variance_table
from two_odes import SIGMA_MAX, SIGMA_MIN, integrated

LAW = PreconditionedOneLayer.edm(sigma_data=0.5, noise=LogNormal())


def main() -> None:
    """Print the times, the errors and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", type=int, default=3072)
    parser.add_argument("--times", type=int, default=400)
    parser.add_argument("--sampled", type=int, default=6)
    given = parser.parse_args()
    eigenvalues = np.arange(1, given.modes + 1) ** -1.5
    eigenvalues *= 0.25 / eigenvalues.mean()
    times = np.geomspace(1e-2, 1e5, given.times)
    sampled = np.unique(np.geomspace(1, given.modes, given.sampled).astype(int) - 1)

    begin = time.perf_counter()
    table = log_variance_table(LAW, eigenvalues, times)
    ours = time.perf_counter() - begin
    begin = time.perf_counter()
    numerical = np.stack([integrated(LAW, eigenvalues[mode], times) for mode in sampled], axis=1)
    theirs = (time.perf_counter() - begin) * given.modes / len(sampled)

    exact = LAW.log_generated_variance(eigenvalues[sampled], times[:, None], SIGMA_MIN, SIGMA_MAX)
    print("| route | seconds | largest error of the log variance |\n| --- | --- | --- |")
    print(f"| ours | {ours:.3f} | {np.abs(table[:, sampled] - exact).max():.1e} |")
    print(
        f"| two ODEs ({len(sampled)} modes timed, x {given.modes / len(sampled):.0f}) | {theirs:.0f} "
        f"| {np.abs(numerical - exact).max():.1e} |"
    )
    print(f"\nratio {theirs / ours:.0f} at {given.modes} modes and {given.times} times")


if __name__ == "__main__":
    main()
