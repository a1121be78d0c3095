"""The published toy: what denoisers of three points generate, and where their scores vary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import xarray as xr

from scorelens.generalization.ensembles import (
    BoundaryPicture,
    BumpFeatures,
    ToyProtocol,
    ToyStudy,
    averaged_law,
    toy_study,
)
from scorelens.generalization.ensembles.toy import SCHEDULE
from scorelens.instruments.labels import LENGTH, PURE, variable
from scorelens.results import schema
from scorelens.studies.objective_scores import PER_SCORE

POINTS = (-1.0, 0.0, 1.0)
AWAY = 0.2
"""Samples farther than this from all three points are generalised: three times the noise at the largest
cut-off, a fifth of the distance between points."""
EDGES = np.linspace(-2.025, 2.025, 82)
BETWEEN, OUTSIDE = "between the points", "outside"
VARIATIONS: dict[str, dict[str, Any]] = {
    "as published": {},
    "with a tenth of the ridge": {"ridge": 0.01},
    "with bumps half as wide": {"features": BumpFeatures.on_grid(32, 16, x_reach=2.5)},
}
"""What of the protocol is varied; bumps half as wide in the state are twice as many."""
VARIED_MODELS = 30


@final
@dataclass(frozen=True)
class Budget:
    """Numbers of samples, cut-offs, models of each combination, starting points, and processes."""

    n_samples: tuple[int, ...] = (64, 128, 256, 512, 1024)
    cutoffs: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    models: int = 100
    particles: int = 200
    workers: int = 2


def toy(budget: Budget | None = None) -> dict[str, xr.Dataset]:
    """``samples``, their ``shares`` away from the points and the ``variance`` of the score.

    Dimensions are ``n_samples``, ``cutoff``, ``seed`` (the model), ``sample``, ``x`` and ``time``.
    """
    asked = budget or Budget()
    found = toy_study(
        asked.n_samples,
        asked.cutoffs,
        models=asked.models,
        particles=asked.particles,
        workers=asked.workers,
    )
    return {
        "samples": _samples(found),
        "shares": shares(found),
        "variance": _variances(found),
        "varied": varied(asked),
    }


def varied(asked: Budget) -> xr.Dataset:
    """Shares between the points ``(case, n_samples)`` with one part of the protocol changed.

    At the middle cut-off, with the fewest and the most samples, and at most `VARIED_MODELS` models.
    """
    cutoff, counts = asked.cutoffs[len(asked.cutoffs) // 2], np.array(asked.n_samples)[[0, -1]]
    start = np.random.default_rng(0).standard_normal(asked.particles)
    models = min(asked.models, VARIED_MODELS)

    def between(toy: ToyProtocol) -> np.ndarray:
        return _parts(toy.sample(toy.fit(0, asked.workers), start))[0]

    toys = [[ToyProtocol(int(n), cutoff, models, **change) for n in counts] for change in VARIATIONS.values()]
    of_model = np.array([[between(one) for one in row] for row in toys])
    naive = np.array([[between(replace(one, target="naive")) for one in row] for row in toys])
    exact = _parts(toys[0][0].exact_sample(start))[0]
    dims = ("case", "n_samples")
    variables = {
        "share": variable(dims, of_model.mean(axis=-1), "Share between the points, mean over models", PURE),
        "stderr": variable(dims, _error(of_model), "Standard error of the share, over models", PURE),
        "naive": variable(dims, naive.mean(axis=-1), "Share with a target without noise", PURE),
        "naive_stderr": variable(dims, _error(naive), "Standard error of that", PURE),
        "exact": variable((), exact, "Share with the score of the points", PURE),
    }
    return _labelled(variables, {"case": list(VARIATIONS), "n_samples": counts, "cutoff": cutoff})


def picture(variance: xr.Dataset) -> BoundaryPicture:
    """Of one number of samples and one cut-off of the Dataset ``variance``."""
    names = ("x", "time", "target", "measured", "predicted", "leverage")
    alpha = SCHEDULE.alpha(variance["time"].values)
    return BoundaryPicture(*(variance[name].values for name in names), centers=np.outer(alpha, POINTS))


def shares(found: ToyStudy) -> xr.Dataset:
    """``share (part, n_samples, cutoff)`` of samples away from the points, mean and error over models.

    ``of_mean`` is that of samples with the mean of the models' scores; ``naive`` of models whose target has
    no noise, and ``added`` the difference to these; ``exact (part, cutoff)`` with the score of the points.
    ``spread (n_samples, cutoff)`` is the share of the samples' variance that differs between models from one
    start.
    """
    of_model, naive = _parts(found.samples), _parts(found.naive)
    dims = ("part", "n_samples", "cutoff")
    laws = [[averaged_law(cell[..., None]) for cell in row] for row in found.samples]
    spread = [[law.between.item() / law.covariance.item() for law in row] for row in laws]
    variables = {
        "share": variable(dims, of_model.mean(axis=-1), "Share of the samples, mean over models", PURE),
        "stderr": variable(dims, _error(of_model), "Standard error of the share, over models", PURE),
        "naive": variable(dims, naive.mean(axis=-1), "Share with a target without noise", PURE),
        "naive_stderr": variable(dims, _error(naive), "Standard error of that", PURE),
        "added": variable(
            dims, (of_model - naive).mean(axis=-1), "Share that the noise of the target adds", PURE
        ),
        "added_stderr": variable(dims, _error(of_model - naive), "Standard error of that", PURE),
        "of_mean": variable(dims, _parts(found.of_mean), "Share with the mean of the scores", PURE),
        "exact": variable(("part", "cutoff"), _parts(found.exact), "Share with the exact score", PURE),
        "spread": variable(dims[1:], spread, "Share of the variance between models", PURE),
        "effective_features": variable(
            dims[1:], found.effective_features, "Features that the ridge leaves", PURE
        ),
    }
    part = variable(("part",), [BETWEEN, OUTSIDE], "Where samples away from the points lie", PURE)
    return _labelled(variables, {"part": part, **_grid(found)})


def _error(of_model: np.ndarray) -> np.ndarray:
    """Standard error of the mean over models, the last axis."""
    return of_model.std(axis=-1, ddof=1) / np.sqrt(of_model.shape[-1])


def _parts(samples: np.ndarray) -> np.ndarray:
    """Share of ``samples (..., p)`` away from the points, between them and outside; ``(2, ...)``."""
    away = np.abs(samples[..., None] - np.array(POINTS)).min(axis=-1) > AWAY
    inside = np.abs(samples) < POINTS[-1]
    return np.stack([(away & inside).mean(axis=-1), (away & ~inside).mean(axis=-1)])


def _samples(found: ToyStudy) -> xr.Dataset:
    both, unit = ("n_samples", "cutoff"), "1 / data units"
    variables = {
        "sampled": variable((*both, "seed", "sample"), found.samples, "Samples of every model", LENGTH),
        "of_mean": variable((*both, "sample"), found.of_mean, "Samples with the mean of the scores", LENGTH),
        "exact": variable(("cutoff", "sample"), found.exact, "Samples with the score of the points", LENGTH),
        "naive": variable((*both, "seed", "sample"), found.naive, "With a target without noise", LENGTH),
        "density": variable((*both, "seed", "x"), _density(found.samples), "Density of every model", unit),
        "density_of_naive": variable(
            (*both, "x"), _density(found.naive).mean(axis=2), "Density with a target without noise", unit
        ),
        "density_of_mean": variable((*both, "x"), _density(found.of_mean), "With the mean of scores", unit),
    }
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    return _labelled(variables, {"x": variable(("x",), middle, "Place", LENGTH), **_grid(found)})


def _density(samples: np.ndarray) -> np.ndarray:
    """Histogram of ``samples (..., p)`` in bins of 0.05, over the number of all samples; ``(..., 81)``."""
    rows = samples.reshape(-1, samples.shape[-1])
    counts = np.array([np.histogram(row, EDGES)[0] for row in rows])
    found = counts / (samples.shape[-1] * np.diff(EDGES))
    return found.reshape(*samples.shape[:-1], -1)


def _variances(found: ToyStudy) -> xr.Dataset:
    place, every = ("time", "x"), ("n_samples", "cutoff", "time", "x")
    variables = {
        "target": variable(place, found.target_variance, "Variance of the target, [G4]", PER_SCORE),
        "measured": variable(every, found.model_variance, "Variance between models", PER_SCORE),
        "predicted": variable(every, found.predicted_variance, "Leading order, [G9] with ridge", PER_SCORE),
        "leverage": variable(every, found.leverage, "Leverage of one sample", PURE),
    }
    coordinates = {"x": variable(("x",), found.x, "Place", LENGTH), "time": found.times}
    return _labelled(variables, coordinates | _grid(found))


def _grid(found: ToyStudy) -> dict[str, np.ndarray]:
    return {"n_samples": found.n_samples, "cutoff": found.cutoffs}


def _labelled(variables: dict, coordinates: dict) -> xr.Dataset:
    return schema.labelled(xr.Dataset(variables, coordinates))
