"""The spectrum that a local filter generates, at all training times, against integrating the two ODEs.

Ours: `PatchConvolution.log_generated_variance`, the closed form (10.4) with one Fourier transform per time.
The alternative does what one does without it, as the paper says is needed: `scipy.integrate.solve_ivp`
integrates the training ODE of the taps at many noise levels at once (in the eigenbasis of the patch, LSODA
with a diagonal Jacobian), then the probability-flow ODE of a frequency through a cubic spline of its gains,
all times at once. The first is shared by all frequencies; the second is timed on a sample of them and
multiplied up. Both errors are against `scipy.integrate.quad` of the exact gains.

    python benchmarks/patch_law.py [--pixels 256] [--patch 5] [--times 200] [--sampled 8]
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from itertools import pairwise

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.interpolate import CubicSpline

from scorelens.dynamics import PatchConvolution, square_patch

SIGMA_MIN, SIGMA_MAX, N_SIGMAS, TOLERANCE = 0.002, 80.0, 600, 1e-9


def natural_images(pixels: int) -> np.ndarray:
    """Power that falls with the square of frequency, one unit of variance per pixel."""
    frequency = np.hypot(np.fft.fftfreq(pixels)[:, None], np.fft.fftfreq(pixels)[None, :])
    power = 1.0 / (frequency**2 + 1.0 / pixels**2)
    return power / power.mean()


def trained_taps(law: PatchConvolution, times: np.ndarray) -> np.ndarray:
    """Taps at all noise levels and times, ``(K, level, time)``, from the training ODE."""
    u = np.linspace(math.log(SIGMA_MIN), math.log(SIGMA_MAX), N_SIGMAS)
    variances, frame = np.linalg.eigh(law.patch_covariance)
    speed = law.dim * (variances[:, None] + np.exp(2.0 * u))
    centre = frame[len(frame) // 2]
    drive = (law.dim * variances * centre)[:, None]
    start = np.repeat((frame.T @ law.start(1.0))[:, None], N_SIGMAS, axis=1)
    solved = solve_ivp(
        lambda _, along: (drive - speed * along.reshape(speed.shape)).ravel(),
        (0.0, times[-1]), start.ravel(),
        method="LSODA", t_eval=times, rtol=TOLERANCE, atol=1e-12, lband=0, uband=0,
    )  # fmt: skip
    return np.tensordot(frame, solved.y.reshape(*speed.shape, len(times)), axes=1)


def sampled_variance(gains: np.ndarray) -> np.ndarray:
    """Logarithm of the generated variance at all times, from gains ``(level, time)`` of one frequency."""
    u = np.linspace(math.log(SIGMA_MIN), math.log(SIGMA_MAX), N_SIGMAS)
    spline = CubicSpline(u, gains)
    solved = solve_ivp(
        lambda v, _: 2.0 * (1.0 - spline(v)),
        (u[-1], u[0]), np.full(gains.shape[1], 2.0 * u[-1]), method="DOP853", rtol=TOLERANCE, atol=1e-10,
    )  # fmt: skip
    return solved.y[:, -1]


def exact_variance(law: PatchConvolution, cosine: np.ndarray, flow_time: float) -> float:
    """Logarithm of the generated variance of one frequency, by quadrature of the gains."""
    edges = np.linspace(math.log(SIGMA_MIN), math.log(SIGMA_MAX), 23)
    parts = [
        quad(lambda u: cosine @ law.parameters(math.exp(u), flow_time), low, high, epsabs=1e-13)[0]
        for low, high in pairwise(edges)
    ]
    return 2.0 * math.log(SIGMA_MIN) + 2.0 * sum(parts)


def main() -> None:
    """Print the times, the errors, the memory and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=256, help="side of the image")
    parser.add_argument("--patch", type=int, default=5, help="side of the filter")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--sampled", type=int, default=8, help="frequencies that the alternative is timed on")
    given = parser.parse_args()
    power, offsets = natural_images(given.pixels), square_patch(given.patch)
    times = np.geomspace(1e-4, 1e5, given.times) / given.pixels**2
    sampled = np.unique(np.geomspace(1, power.size // 2, given.sampled).astype(int) - 1)
    frequency = np.stack(np.unravel_index(sampled, power.shape), axis=-1)
    cosines = np.cos(2.0 * np.pi * frequency @ offsets.T / given.pixels)

    begin = time.perf_counter()
    law = PatchConvolution.of_power(power, offsets, 0.1 * (offsets == 0).all(axis=1))
    ours = law.log_generated_variance(times, SIGMA_MIN, SIGMA_MAX)
    our_time, memory = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    begin = time.perf_counter()
    taps = trained_taps(law, times)
    shared = time.perf_counter() - begin
    begin = time.perf_counter()
    theirs = np.stack([sampled_variance(np.tensordot(cosine, taps, axes=1)) for cosine in cosines], axis=1)
    each = (time.perf_counter() - begin) / len(sampled)
    their_time = shared + each * power.size

    checked = np.linspace(0, given.times - 1, 5).astype(int)
    exact = np.array([[exact_variance(law, cosine, times[at]) for cosine in cosines] for at in checked])
    mine = ours.reshape(given.times, -1)[np.ix_(checked, sampled)]
    print("| route | seconds | largest error of the log variance |\n| --- | --- | --- |")
    print(f"| ours | {our_time:.2f} | {np.abs(mine - exact).max():.1e} |")
    print(
        f"| two ODEs ({shared:.1f} s of training, and {each:.3f} s per frequency on {len(sampled)}) "
        f"| {their_time:.0f} | {np.abs(theirs[checked] - exact).max():.1e} |"
    )
    print(
        f"\nratio {their_time / our_time:.0f} at {power.size} frequencies, {len(offsets)} taps and "
        f"{given.times} times; output {ours.nbytes / 2**20:.0f} MiB, peak memory of the process then "
        f"{memory:.0f} MiB"
    )


if __name__ == "__main__":
    main()
