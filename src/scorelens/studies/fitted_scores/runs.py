"""Samples of fitted scores: single models, and the law averaged over training sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from scorelens.analysis.named_features import MOST_DIMENSIONS, ChosenFeatures
from scorelens.core.processes import VarianceExploding
from scorelens.generalization.ensembles import LevelFit
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import generated_moments, square_root
from scorelens.generalization.schedules import ProcessSchedule
from scorelens.generalization.statistics import AffineOfPoints
from scorelens.generalization.validity import TOLERATED
from scorelens.instruments.labels import LENGTH, PURE, VARIANCE, variable
from scorelens.studies.fitted_scores.asked import Asked
from scorelens.studies.fitted_scores.levels import PLACES, missed

SCHEDULE = ProcessSchedule(VarianceExploding())
"""``x = x_0 + t n``: the time is the noise level."""
#: Models of which samples are shown, and how many of each; runs of which moments are taken.
SINGLE, SHOWN, MOST_RUNS, LEAST_RUNS = 4, 400, 2000, 200
#: Numbers in the features of all refits of the runs.
BUDGET = 1.5e8
#: A trajectory farther out than this many standard deviations of noised data has run away.
AWAY = 30.0
TOTAL = "mean of all"

Score = Callable[[LevelFit, np.ndarray], np.ndarray]


class Runs(NamedTuple):
    """Where ``free`` trajectories of the population's fit end ``(p, d)``, and those of fits and prediction.

    ``predicted`` are None where only closed forms predict. ``kept (p,)``: which ran away nowhere.
    """

    free: np.ndarray
    refitted: np.ndarray
    predicted: np.ndarray | None
    kept: np.ndarray


def sampled(asked: Asked) -> tuple[xr.Dataset, xr.Dataset]:
    """``samples`` of population's fit and single models in a line or plane, and ``moments`` over runs."""
    clouds, moments = {}, []
    for i, one in enumerate(asked.chosen):
        fits = asked.fits(one, asked.sampler[:-1])
        rng = np.random.default_rng((asked.seed, 2, i))
        clouds |= _clouds(asked, one, fits, rng)
        moments.append(_moments(asked, one, fits, rng))
    return _labelled_clouds(asked, clouds), _labelled_moments(asked, moments)


def starts(asked: Asked, count: int, rng: np.random.Generator) -> np.ndarray:
    """Noised data at the first level of the sampler, ``(count, d)``."""
    chosen = rng.integers(len(asked.points), size=count)
    return asked.points[chosen] + asked.sampler[0] * rng.standard_normal((count, asked.dim))


def euler(asked: Asked, fits: list[LevelFit], x: np.ndarray, score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Where ``x (p, d)`` ends by Euler steps of the reverse ODE ([G2]), and which ``(p,)`` never ran away."""
    centre, kept = asked.points.mean(axis=0), np.ones(len(x), dtype=bool)
    for fit, to in zip(fits, asked.sampler[1:], strict=True):
        push = (fit.std - to) * fit.std  # dt g^2 / 2 with g^2 = 2 t
        x = x + push * score(fit, x)
        near = np.abs(x - centre).max(axis=1) < AWAY * np.hypot(asked.scale, fit.std)
        kept &= near
        x = np.where(near[:, None], x, centre)
    return x, kept


def run(asked: Asked, one: ChosenFeatures, fits: list[LevelFit], rng: np.random.Generator) -> Runs:
    """The same starts with the population's fit, with fits to fresh draws, and by the noisy scheme."""
    n = asked.n_samples
    cost = n * len(fits) * fits[0].n_features
    start = starts(asked, int(np.clip(BUDGET / cost, LEAST_RUNS, MOST_RUNS)), rng)

    def refit(fit: LevelFit, x: np.ndarray) -> np.ndarray:
        return fit.fresh_scores(n, x, rng)

    def noisy(fit: LevelFit, x: np.ndarray) -> np.ndarray:
        spread = square_root(fit.theory.local_covariance(x) / n)  # pyright: ignore[reportAttributeAccessIssue]
        noise = np.einsum("pij,pj->pi", spread, rng.standard_normal(x.shape))
        return fit.score(x) + fit.bias(x) / n + noise  # section 7, with [G9] and [G10]

    free, kept = euler(asked, fits, start, lambda fit, x: fit.score(x))
    refitted, stayed = euler(asked, fits, start, refit)
    if isinstance(fits[0].theory, AffineOfPoints):
        return Runs(free, refitted, None, kept & stayed)
    predicted, also = euler(asked, fits, start, noisy)
    return Runs(free, refitted, predicted, kept & stayed & also)


def _moments(
    asked: Asked, one: ChosenFeatures, fits: list[LevelFit], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Per axis and over all: variances ``(axes + 1,)`` and what fits add to them, by names of `_LABELS`."""
    made = run(asked, one, fits, rng)
    kept, count = made.kept, len(made.kept)
    correction = max(missed(fit, asked.n_samples, fit.leverage(fit.draw(PLACES, rng).x)) for fit in fits)
    found = {
        "data": _with_mean(asked.points.var(axis=0)),
        "free": _with_mean(made.free[kept].var(axis=0)),
        "runs": np.array(float(count)),
        "lost": np.array(float(count - kept.sum())),
        "correction": np.array(correction),
        "status": np.array(_status(count, int(kept.sum()), correction)),
    }
    blank = np.full(len(found["data"]), np.nan)
    told = kept.sum() > 0.9 * count
    measured = _added(made.refitted[kept], made.free[kept]) if told else (blank, blank)
    found["measured"], found["measured_error"] = measured
    predicted = (blank, blank)
    if told and made.predicted is not None:
        predicted = _added(made.predicted[kept], made.free[kept])
    found["predicted"], found["predicted_error"] = predicted
    found["if_gaussian"] = _if_gaussian(asked) if one.is_affine else blank
    return found


def _status(count: int, kept: int, correction: float) -> str:
    if kept <= 0.9 * count:
        return "ran-away"
    return "few-samples" if correction > TOLERATED else "reached"


def _with_mean(values: np.ndarray) -> np.ndarray:
    return np.append(values, values.mean())


def _added(ends: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change of the variance from ``free`` to ``ends``, trajectory by trajectory, and standard errors."""
    change = (ends - ends.mean(axis=0)) ** 2 - (free - free.mean(axis=0)) ** 2
    change = np.concatenate([change, change.mean(axis=1, keepdims=True)], axis=1)
    return change.mean(axis=0), change.std(axis=0, ddof=1) / np.sqrt(len(change))


def _if_gaussian(asked: Asked) -> np.ndarray:
    """What fits add by [G23], for a Gaussian of the same moments; NaN where the covariance is infinite."""
    d, times = asked.dim, asked.sampler[::-1]
    if asked.n_samples <= d + 2:
        return np.full(d + 1, np.nan)
    covariance = np.atleast_2d(np.cov(asked.points.T, bias=True))
    law = DataLaw.gaussian(asked.points.mean(axis=0), covariance)
    start = covariance + times[-1] ** 2 * np.eye(d)
    with_noise, without = (
        generated_moments(law, SCHEDULE, times, asked.n_samples, law.mean, start, noise=noise).covariance[0]
        for noise in ("exact", "none")
    )
    return _with_mean(np.diag(with_noise - without))


def _clouds(
    asked: Asked, one: ChosenFeatures, fits: list[LevelFit], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    start = starts(asked, SHOWN, rng)
    found = {f"{one.spec}, the population's fit": euler(asked, fits, start, lambda fit, x: fit.score(x))[0]}
    for model in range(1, SINGLE + 1):
        own = {id(fit): fit.weights(asked.n_samples, 1, rng)[0] for fit in fits}
        made, _ = euler(asked, fits, start, lambda fit, x, own=own: fit.orthonormal(x) @ own[id(fit)])
        found[f"{one.spec}, training set {model}"] = made
    return found


def _labelled_clouds(asked: Asked, clouds: dict[str, np.ndarray]) -> xr.Dataset:
    """Along the two leading axes of the data where there are more."""
    _, vectors = np.linalg.eigh(np.atleast_2d(np.cov(asked.points.T)))
    centre = asked.points.mean(axis=0)
    titles = (
        ["first number", "second number"][: asked.dim] if asked.dim <= 2 else ["along mode 1", "along mode 2"]
    )

    def plane(points: np.ndarray) -> np.ndarray:
        return points if asked.dim <= 2 else (points - centre) @ vectors[:, ::-1][:, :2]

    chosen = np.random.default_rng(asked.seed).permutation(len(asked.points))[:SHOWN]
    made = np.stack([plane(cloud) for cloud in clouds.values()])
    variables = {
        "sampled": variable(("estimator", "sample", "axis"), made, "Generated samples", LENGTH),
        "data": variable(("example", "axis"), plane(asked.points[chosen]), "Data", LENGTH),
    }
    return xr.Dataset(variables, {"estimator": list(clouds), "axis": titles})


_LABELS: dict[str, tuple[str, str, str | None]] = {
    "data": ("Variance of the data", VARIANCE, None),
    "free": ("Variance of samples of the population's fit", VARIANCE, None),
    "measured": ("What fits to fresh draws at every step add to the variance of samples", VARIANCE, None),
    "measured_error": ("Standard error of it", VARIANCE, None),
    "predicted": ("What the Euler scheme with the noise and bias of the fits adds", VARIANCE, "[G9], [G10]"),
    "predicted_error": ("Standard error of it, from simulation", VARIANCE, None),
    "if_gaussian": ("What affine fits of Gaussian data of these moments add, exact", VARIANCE, "[G23]"),
    "runs": ("Trajectories", PURE, None),
    "lost": ("Trajectories that ran away", PURE, None),
    "correction": ("Share of the variance that the leading order misses, about", PURE, "[G12]"),
    "status": ("How far the prediction may be trusted", PURE, None),
}


def _labelled_moments(asked: Asked, rows: list[dict[str, np.ndarray]]) -> xr.Dataset:
    shown = asked.dim if 1 < asked.dim <= MOST_DIMENSIONS else 0
    entries, picked = [*(f"axis {i + 1}" for i in range(shown)), TOTAL], [*range(shown), asked.dim]
    variables = {}
    for name, label in _LABELS.items():
        values = np.array([row[name] if row[name].ndim == 0 else row[name][picked] for row in rows])
        dims = ("features", "entry")[: values.ndim]
        variables[name] = variable(dims, values, *label)
    return xr.Dataset(variables, {"features": [one.spec for one in asked.chosen], "entry": entries})
