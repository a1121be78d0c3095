"""The covariance of a fitted score: predicted from the law, and found by fitting thousands of times.

Both answer the same question, how the score at a few points varies over training sets of ``--samples``
draws, in one process. The prediction is the sandwich [G9]: its time includes the averages over the law, none
of which are kept. The alternative draws ``--fits`` training sets and solves the normal equations of each,
stacked for fits at one noise level, one by one for weights shared over times (whose features see another time
in each row). The draws are part of its work.

The error is that of the variances, in root mean square over points and coordinates, relative to the refits;
beside it is what the refits alone would leave, their standard error. z is the largest distance of an entry of
the covariance, between any two points and coordinates, in standard errors of the refits. What [G9] leaves out
is of the order of features over draws: more fits, or fewer draws, will find it.

CPU seconds: run it with ``OMP_NUM_THREADS=1``.

    python benchmarks/score_covariance.py [--samples 1000] [--fits 4000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scorelens.estimators.equations import Intervals
from scorelens.estimators.features import Affine, Bins, Fourier, Hermite
from scorelens.generalization.ensembles import Refit, compare_covariance, refit_ensemble
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import BROWNIAN
from scorelens.generalization.statistics import (
    Level,
    MixtureFeatures,
    OneTime,
    ScoreFeatures,
    SeparableFeatures,
    SharedWeights,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
)

LINE = DataLaw.mixture(np.ones(3), [[-1.0], [0.0], [1.2]], np.full((3, 1, 1), 0.09))
PLANE = DataLaw.mixture(
    np.ones(3), [[-1.0, 0.0], [1.0, 0.3], [0.2, 1.2]], np.tile(0.16 * np.eye(2), (3, 1, 1))
)
SPACE = DataLaw.mixture(
    [0.3, 0.7], [[-0.5] * 6, [0.4] * 6], np.stack([np.diag(np.linspace(0.2, 1.0, 6)), 0.3 * np.eye(6)])
)
ALPHA, STD, TIME = 0.95, 0.3, 0.5
BLOCK = 2**21
"""Features of one stack of fits."""

Fit = OneTime | SharedWeights


class Case(NamedTuple):
    """A fit under its name, made anew for every timing."""

    name: str
    make: Callable[[], Fit]


def one_time(features: ScoreFeatures, law: DataLaw) -> Callable[[], Fit]:
    return lambda: OneTime(features, law, ALPHA, STD)


def shared(features: ScoreFeatures, law: DataLaw) -> Callable[[], Fit]:
    """Uniform times in 0.05 to 1, weighed by the variance of the noise."""
    times = TrainingTimes(TimeFunction.constant(), TimeFunction.of_variance(BROWNIAN), 0.05, 1.0)
    return lambda: SharedWeights(features, law, BROWNIAN, times)


AFFINE = StateFeatures(Affine(1))
CASES = (
    Case("affine", one_time(AFFINE, LINE)),
    Case("affine", one_time(StateFeatures(Affine(6)), SPACE)),
    Case("Hermite, degree 5", one_time(StateFeatures(Hermite(np.arange(1, 6)[:, None]), True), LINE)),
    Case("bins", one_time(StateFeatures(Bins(np.linspace(-1.2, 1.4, 8))), LINE)),
    Case("waves", one_time(StateFeatures(Fourier(np.array([[0.7], [1.4], [2.1]])), True), LINE)),
    Case("mixture's own", one_time(MixtureFeatures(LINE), LINE)),
    Case("mixture's own", one_time(MixtureFeatures(PLANE), PLANE)),
    Case("affine, all times", shared(AFFINE, LINE)),
    Case(
        "affine, 4 intervals",
        shared(SeparableFeatures(AFFINE, Intervals((0.05, 0.2, 0.4, 0.7, 1.0))), LINE),
    ),
)


def places(dim: int) -> np.ndarray:
    """Three points inside the data, ``(3, d)``."""
    return np.multiply.outer([-0.9, 0.3, 1.4], np.cos(np.arange(dim)))


def prediction(fit: Fit, n: int) -> np.ndarray:
    """Covariance between all points and coordinates, ``(3 d, 3 d)``."""
    x = places(fit.law.dim)
    found = fit.covariance_of(n, x) if isinstance(fit, OneTime) else fit.covariance_of(n, x, TIME)
    return found.reshape(x.size, x.size)


def refits(fit: Fit, n: int, fits: int) -> np.ndarray:
    """Scores of ``fits`` training sets at the points, ``(fits, 3 d)``."""
    x = places(fit.law.dim)
    if isinstance(fit, SharedWeights):
        return refit_ensemble(Refit(fit, n), fits, seed=0).score_on(x, TIME).reshape(fits, -1)
    rng, size = np.random.default_rng(0), max(BLOCK // (n * fit.n_features), 1)
    stacks = [stacked(fit, n, x, min(size, fits - done), rng) for done in range(0, fits, size)]
    return np.concatenate(stacks)


def stacked(fit: OneTime, n: int, at: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The normal equations of ``count`` training sets, ``(count, 3 d)``."""
    level = Level(fit.alpha, fit.std)
    noise = rng.standard_normal((count * n, fit.law.dim))
    x = fit.alpha * fit.law.sample(count * n, rng) + fit.std * noise
    rows = fit.features.value(x, level).reshape(count, n, -1)
    target, across = (-noise / fit.std).reshape(count, n, -1), rows.transpose(0, 2, 1)
    weights = np.linalg.solve(across @ rows, across @ target)
    return (fit.features.value(at, level) @ weights).reshape(count, -1)


def timed(work: Callable[[], np.ndarray], repeats: int) -> tuple[np.ndarray, float]:
    """The result, and the least CPU seconds of ``repeats``."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        spent.append(time.process_time() - start)
    return result, min(spent)  # pyright: ignore[reportPossiblyUnbound]


def line(case: Case, n: int, fits: int) -> str:
    """One row of the table."""
    predicted, fast = timed(lambda: prediction(case.make(), n), repeats=3)
    scores, slow = timed(lambda: refits(case.make(), n, fits), repeats=1)
    found, fit = compare_covariance(scores, predicted), case.make()
    variances = np.diag(found.measured)
    error, noise = np.diag(predicted) / variances - 1, np.diag(found.stderr) / variances
    cells = [case.name, fit.law.dim, fit.n_features, f"{fast:.3f}", f"{slow:.1f}", f"{slow / fast:,.0f}"]
    cells += [f"{rms(error):.1%}", f"{rms(noise):.1%}", f"{np.abs(found.z).max():.1f}", found.z.size]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def main() -> None:
    """Print a row per kind of features."""
    parser = argparse.ArgumentParser(description="Predicted covariance of a score against refits.")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--fits", type=int, default=4000)
    given = parser.parse_args()
    prediction(CASES[0].make(), given.samples)  # warm up
    print(f"{given.samples} draws, {given.fits} refits, CPU seconds")
    heads = ("features", "d", "F", "predicted, s", "refits, s", "ratio", "error", "of refits", "max z", "of")
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    for case in CASES:
        print(line(case, given.samples, given.fits), flush=True)


if __name__ == "__main__":
    main()
