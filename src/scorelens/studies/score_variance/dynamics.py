"""Whole reverse runs with fresh fits at every step against an Euler scheme with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.estimators.features import Affine, Bins
from scorelens.generalization.ensembles import stepwise_refits
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import euler_ensemble, noise_free
from scorelens.generalization.schedules import BROWNIAN
from scorelens.generalization.statistics import Level, MixtureFeatures, OneTime, ScoreFeatures, StateFeatures
from scorelens.generalization.vkernel import TimeBinned
from scorelens.instruments.labels import PURE, VARIANCE
from scorelens.studies.score_variance.cells import Cells
from scorelens.studies.score_variance.rows import Row, mean_and_error, table_of

BIASED, UNBIASED = "with the bias", "without"
TIMES, SAMPLES = np.linspace(0.0, 1.0, 9), 80
LINE = DataLaw.mixture(np.ones(2), [[-1.0], [0.8]], np.full((2, 1, 1), 0.16))
LOPSIDED, BIAS_STD, BIAS_SAMPLES = (
    DataLaw.mixture([0.15, 0.85], [[-2.0], [0.5]], [[[0.05]], [[0.3]]]),
    0.6,
    400,
)
PLANE = DataLaw.mixture(np.ones(2), [[-1.0, 0.0], [0.8, 0.4]], np.tile(0.16 * np.eye(2), (2, 1, 1)))


@final
@dataclass(frozen=True)
class Budget:
    """How many runs, each with its own training set at every step; the scheme has five times as many."""

    trajectories: int = 12_000
    scheme: int = 60_000
    fits: int = 20_000
    """Of one time, for the bias."""


FITS: dict[str, tuple[ScoreFeatures, DataLaw]] = {
    "1-D mixture": (MixtureFeatures(LINE), LINE),
    "1-D affine": (StateFeatures(Affine(1)), LINE),
    "1-D bins": (StateFeatures(Bins(np.array([-0.8, 0.0, 0.8]))), LINE),
    "2-D mixture": (MixtureFeatures(PLANE), PLANE),
    "2-D affine": (StateFeatures(Affine(2)), PLANE),
    "2-D bins": (Cells(np.zeros(1), 2), PLANE),
}
"""Features and data; the mixture features hold the score of the data, the others do not."""


def effective_dynamics(budget: Budget | None = None) -> dict[str, xr.Dataset]:
    """``displacement``: its variance from the noise-free run; ``change``: of the variance of the samples;
    ``bias``: of affine scores of one time.

    Measured with fresh fits to 80 draws at each of 8 steps; predicted by the Euler scheme with the noise
    [G9] over ``n`` and the drift with or without the bias [G10] over ``n``. Standard errors are of both.
    """
    asked, displaced, changed = budget or Budget(), [], []
    for seed, (name, (features, law)) in enumerate(FITS.items()):
        binned = TimeBinned(features, law, BROWNIAN, TIMES, np.full(8, SAMPLES))
        of_run = _moments(binned, asked.trajectories, seed, None)
        of_scheme = {
            label: _moments(binned, asked.scheme, 100 + seed, label == BIASED) for label in (BIASED, UNBIASED)
        }
        for axis in range(law.dim):
            label = name + ("₁₂"[axis] if law.dim > 1 else "")
            for kind, rows in enumerate((displaced, changed)):
                found, error = of_run[kind][axis]
                predicted = {way: one[kind][axis][0] for way, one in of_scheme.items()}
                spread = np.hypot(error, of_scheme[BIASED][kind][axis][1])
                rows.append(Row(name, label, found, float(spread), predicted))
    return {
        "displacement": table_of(displaced, "variance of the displacement", VARIANCE),
        "change": table_of(changed, "change of the variance of the samples", VARIANCE),
        "bias": single_time_bias(asked.fits),
    }


def single_time_bias(fits: int) -> xr.Dataset:
    """Mean weights of ``fits`` affine scores of `LOPSIDED`, less the optimal ones, against [G10] over ``n``.

    The influence of single samples, whose mean is zero, is taken off: what is left has a small error.
    """
    fit, rng = OneTime(StateFeatures(Affine(1)), LOPSIDED, 1.0, BIAS_STD), np.random.default_rng(200)
    noise = rng.standard_normal((fits * BIAS_SAMPLES, 1))
    x = LOPSIDED.sample(fits * BIAS_SAMPLES, rng) + BIAS_STD * noise
    phi = fit.features.value(x, Level(1.0, BIAS_STD)).reshape(fits, BIAS_SAMPLES, 2)
    residual = (-noise / BIAS_STD).reshape(fits, BIAS_SAMPLES, 1) - phi @ fit.optimum.T
    across = phi.transpose(0, 2, 1)
    pulled = across @ residual
    found = np.linalg.solve(across @ phi, pulled) - np.linalg.solve(fit.second_moment, pulled / BIAS_SAMPLES)
    at_0, at_1 = fit.bias([[0.0], [1.0]])[:, 0] / BIAS_SAMPLES
    rows = [
        Row("affine", name, *mean_and_error(one), {BIASED: float(predicted), UNBIASED: 0.0})
        for name, one, predicted in zip(
            ("constant", "slope"), found[..., 0].T, (at_0, at_1 - at_0), strict=True
        )
    ]
    return table_of(rows, "bias of a weight", PURE)


Moments = list[tuple[float, float]]


def _moments(binned: TimeBinned, count: int, seed: int, bias: bool | None) -> tuple[Moments, Moments]:
    """Per component: variance of the displacement, and change of the variance; fits, or the scheme."""
    rng = np.random.default_rng(seed)
    start = binned.law.noised(1.0, 1.0).sample(count, rng)
    free = noise_free(binned, start)
    ends = (
        stepwise_refits(binned, start, rng) if bias is None else euler_ensemble(binned, start, rng, bias=bias)
    )
    moved = ends - free
    own = (moved - moved.mean(axis=0)) ** 2
    change = (ends - ends.mean(axis=0)) ** 2 - (free - free.mean(axis=0)) ** 2
    return [mean_and_error(one) for one in own.T], [mean_and_error(one) for one in change.T]
