"""The variance of a score with weights shared over times, as training reaches smaller times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.estimators.features import Affine
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import BROWNIAN
from scorelens.generalization.statistics import (
    SharedWeights,
    SmallTimePrediction,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
    with_cutoff,
)
from scorelens.generalization.statistics.regression import Target
from scorelens.generalization.vkernel import as_printed
from scorelens.instruments.labels import PURE, variable
from scorelens.results import schema
from scorelens.studies.objective_scores import PER_SCORE
from scorelens.studies.score_variance.rows import variance_and_error
from scorelens.studies.score_variance.shared_refits import refitted_scores

AT = (1.0, 0.5)
"""Point and time at which the score is looked at."""
SAMPLES_TIME = 20.0
"""``c = N dt``."""
UNIFORM, VARIANCE = TimeFunction.constant(), TimeFunction.of_variance(BROWNIAN)
GAUSSIAN, POINTS = DataLaw.gaussian([0.4], [[0.7]]), DataLaw.points([[-1.0], [0.0], [1.0]])


@final
@dataclass(frozen=True)
class Budget:
    """How many training sets are drawn for each case and cut-off, and the cut-offs."""

    fits: int = 2000
    other_fits: int = 1000
    cutoffs: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003, 0.001)


@final
@dataclass(frozen=True, eq=False)
class Case:
    """How training draws its times and weighs them, on which data, to which target."""

    name: str
    law: DataLaw
    density: TimeFunction
    weight: TimeFunction
    target: Target = "dsm"

    def fit(self, t_min: float) -> SharedWeights:
        times = TrainingTimes(self.density, self.weight, t_min, 1.0)
        return SharedWeights(StateFeatures(Affine(1)), self.law, BROWNIAN, times)


PROXY = Case("Gaussian", GAUSSIAN, VARIANCE, UNIFORM)
NAIVE = Case("Gaussian, true score", GAUSSIAN, VARIANCE, UNIFORM, "naive")
POINT = Case("points", POINTS, VARIANCE, UNIFORM)
POINT_NAIVE = Case("points, true score", POINTS, VARIANCE, UNIFORM, "naive")
WEIGHTED = Case("uniform times, weight σ²", GAUSSIAN, UNIFORM, VARIANCE)
UNWEIGHTED = Case("uniform times, weight 1", GAUSSIAN, UNIFORM, UNIFORM)
CASES: tuple[Case, ...] = (PROXY, NAIVE, POINT, POINT_NAIVE, WEIGHTED, UNWEIGHTED)
"""Times drawn with the density ``sigma^2`` and no weight unless the name says otherwise."""


def small_time(budget: Budget | None = None) -> xr.Dataset:
    """``N`` times the variance over ``(case, cutoff)`` at ``N dt = 20``: ``predicted`` ([G9]), ``measured``.

    ``printed (cutoff)`` is that of Eq. 49 with its missing prefactor, for the first case; ``slope (case)``
    the coefficient of ``log(1 / dt)`` in the limit ([G15]), ``finite (case)`` whether the variance stays
    finite without a cut-off ([G17]).
    """
    asked = budget or Budget()
    cutoffs = asked.cutoffs
    predicted = np.array([[_sandwich(case, t) for t in cutoffs] for case in CASES])
    measured = np.array([[_refitted(asked, i, j) for j in range(len(cutoffs))] for i in range(len(CASES))])
    return _labelled(cutoffs, predicted, measured)


def samples(cutoffs: Sequence[float] | np.ndarray) -> np.ndarray:
    """Draws of a training set at each cut-off, ``N = c / dt``."""
    return np.round(SAMPLES_TIME / np.asarray(cutoffs)).astype(int)


def _sandwich(case: Case, t_min: float) -> float:
    return float(case.fit(t_min).covariance([[AT[0]]], AT[1], target=case.target).item())


def _refitted(asked: Budget, i: int, j: int) -> tuple[float, float]:
    """``N`` times the measured variance, and its standard error."""
    case, t_min = CASES[i], asked.cutoffs[j]
    n = int(samples([t_min])[0])
    fits = asked.fits if case is PROXY else asked.other_fits
    found = refitted_scores(case.fit(t_min), n, AT, fits, 100 * i + j, case.target)
    variance, error = variance_and_error(found)
    return n * variance, n * error


def _printed(t_min: float) -> float:
    """Of Eq. 49 with its prefactor; ``N`` times the variance at ``N dt = c``."""
    found = as_printed.score_covariance_eq_49(PROXY.fit(t_min), SAMPLES_TIME, [[AT[0]]], AT[1])
    return float(found.item()) * SAMPLES_TIME / t_min


def _limit(case: Case) -> tuple[bool, float]:
    """Whether it stays finite, and the slope against ``log(1 / dt)`` where it grows like that."""
    prediction = SmallTimePrediction(with_cutoff(case.fit(0.1), 1e-3))
    leading = prediction.covariance([[AT[0]]], AT[1], target=case.target)
    logarithmic = leading.growth == (0.0, 1.0, 0.0)
    return leading.growth.bounded, float(leading.coefficient.item()) if logarithmic else np.nan


def _labelled(cutoffs: tuple[float, ...], predicted: np.ndarray, measured: np.ndarray) -> xr.Dataset:
    both, limits = ("case", "cutoff"), [_limit(case) for case in CASES]
    unit = PER_SCORE
    variables = {
        "predicted": variable(both, predicted, "N Var of the score, [G9]", unit),
        "measured": variable(both, measured[..., 0], "N Var of the score over training sets", unit),
        "stderr": variable(both, measured[..., 1], "Standard error of N Var", unit),
        "printed": variable(("cutoff",), [_printed(t) for t in cutoffs], "N Var by Eq. 49, restored", unit),
        "finite": variable(("case",), [one for one, _ in limits], "Finite without a cut-off", PURE),
        "slope": variable(("case",), [one for _, one in limits], "N Var per log(1/dt) in the limit", unit),
        "samples": variable(("cutoff",), samples(cutoffs), "Draws of a training set", PURE),
    }
    coordinates = {"case": [case.name for case in CASES], "cutoff": np.array(cutoffs)}
    return schema.labelled(xr.Dataset(variables, coordinates))
