"""What fresh fits at every step add to the covariance of what is generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.estimators.features import Affine
from scorelens.generalization.ensembles import stepwise_refits
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import Noise, generated_moments, noise_free
from scorelens.generalization.schedules import BROWNIAN, PolynomialSchedule
from scorelens.generalization.statistics import StateFeatures
from scorelens.generalization.vkernel import TimeBinned, earlier_steps_factor
from scorelens.instruments.labels import PURE, VARIANCE, variable
from scorelens.results import schema
from scorelens.studies.score_variance.rows import Row, mean_and_error, table_of

EXACT, LEADING, LAST = "[G23]", "L/(nσ²) at every step", "last step only"
NAMES: dict[Noise, str] = {"exact": EXACT, "leading": LEADING, "last-step": LAST}
VP, TIMES = PolynomialSchedule([1.0], [2.0]), np.linspace(0.0, 1.0, 9)
SMOOTH = DataLaw.gaussian([0.4], [[0.7]])


@final
@dataclass(frozen=True)
class Budget:
    """How many trajectories are run, each with its own training sets, and where the factor is computed."""

    trajectories: int = 30_000
    cutoffs: tuple[float, ...] = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
    first_samples: tuple[int, ...] = (2000, 500, 20, 6)


@final
@dataclass(frozen=True, eq=False)
class Run:
    """Gaussian data, fits of ``n`` draws at each of 8 steps, and the Gaussian start."""

    name: str
    law: DataLaw
    n: int
    mean: np.ndarray
    covariance: np.ndarray


RUNS: tuple[Run, ...] = (
    Run("1-D", DataLaw.gaussian([0.5], [[2.0]]), 10, np.zeros(1), np.array([[1.2]])),
    Run(
        "2-D",
        DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]]),
        14,
        np.array([0.1, 0.2]),
        np.array([[1.2, 0.3], [0.3, 0.9]]),
    ),
)


def reverse_covariance(budget: Budget | None = None) -> dict[str, xr.Dataset]:
    """``added``: covariance that fits add, by recursion and by fresh regressions, as `table_of` has it.

    That of the displacement from the noise-free run of the same start: affine fits of Gaussian data have no
    bias, so that it is what the covariance of the samples exceeds that of the noise-free run by.

    ``factor``, over ``(case, cutoff)``: the variance that all steps add over what the last one does to
    leading order, ``kappa F``, by the exact recursion, for data smooth at the scale of the noise ([G22]).
    """
    asked = budget or Budget()
    rows = [row for seed, run in enumerate(RUNS) for row in _entries(run, asked.trajectories, seed)]
    return {"added": table_of(rows, "added covariance", VARIANCE), "factor": _factors(asked)}


def _entries(run: Run, trajectories: int, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    binned = TimeBinned(StateFeatures(Affine(run.law.dim)), run.law, VP, TIMES, np.full(8, run.n))
    start = run.mean + rng.standard_normal((trajectories, run.law.dim)) @ np.linalg.cholesky(run.covariance).T
    apart = stepwise_refits(binned, start, rng) - noise_free(binned, start)

    def covariance(noise: Noise) -> np.ndarray:
        made = generated_moments(run.law, VP, TIMES, run.n, run.mean, run.covariance, noise=noise)
        return made.covariance[0]

    known = {label: covariance(noise) - covariance("none") for noise, label in NAMES.items()}
    indices = "₁₂" if run.law.dim > 1 else " "
    found = []
    for i, j in zip(*np.triu_indices(run.law.dim), strict=True):
        name = f"{run.name} {indices[i]}{indices[j]}".strip()
        predicted = {label: float(added[i, j]) for label, added in known.items()}
        found.append(Row(run.name, name, *mean_and_error(apart[:, i] * apart[:, j]), predicted))
    return found


def _factors(asked: Budget) -> xr.Dataset:
    values = [[_factor(n, step) for step in asked.cutoffs] for n in asked.first_samples]
    leading = [earlier_steps_factor(round(1 / step)) for step in asked.cutoffs]
    variables = {
        "factor": variable(("case", "cutoff"), values, "Added variance over that of the last step", PURE),
        "leading": variable(("cutoff",), leading, "Sum of 1/k² over the steps", PURE),
        "first_samples": variable(("case",), asked.first_samples, "Draws of the last step's fit", PURE),
    }
    coordinates = {"case": [f"{n:,} draws" for n in asked.first_samples], "cutoff": np.array(asked.cutoffs)}
    return schema.labelled(xr.Dataset(variables, coordinates))


def _factor(first_samples: int, step: float) -> float:
    """For Brownian noise to time 1 in equal steps, ``N`` such that the last fit has ``first_samples``."""
    times = np.linspace(0.0, 1.0, round(1 / step) + 1)
    features = StateFeatures(Affine(1))
    share = TimeBinned.of_total(features, SMOOTH, BROWNIAN, times, 1.0).n_samples[0]
    binned = TimeBinned.of_total(features, SMOOTH, BROWNIAN, times, first_samples / share)
    end = SMOOTH.noised(1.0, 1.0)
    exact, none = (
        generated_moments(SMOOTH, BROWNIAN, times, binned.n_samples, end.mean, end.covariance, noise=noise)
        .covariance[0]
        .item()
        for noise in ("exact", "none")
    )
    return (exact - none) / (binned.smear * features.n_features)
