"""The published toy: three points on a line, denoisers of 256 bumps, and where their scores vary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.ensembles.boundary import BoundaryPicture
from scorelens.generalization.ensembles.bumps import BumpFeatures
from scorelens.generalization.ensembles.parallel import in_parallel
from scorelens.generalization.ensembles.refits import ridge_solution
from scorelens.generalization.ensembles.training_sets import TrainingSet
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.quadrature import panels
from scorelens.generalization.schedules import PolynomialSchedule
from scorelens.generalization.statistics import TimeFunction, TrainingTimes
from scorelens.generalization.statistics.regression import Target

SCHEDULE = PolynomialSchedule((0.1, 19.9), (0.2, 39.8))
"""Variance preserving, ``beta = 0.1 + 19.9 t``."""
PANELS, NODES = 24, 8


class Prediction(NamedTuple):
    """Leading law of the weights ``(F,)``, and how many of the features the ridge leaves.

    ``bread (F, F)`` is the inverse of the ridged second moment.
    """

    mean: np.ndarray
    covariance: np.ndarray
    bread: np.ndarray
    effective_features: float


@final
@dataclass(frozen=True, eq=False)
class ToyProtocol:
    """Denoisers ``W phi(x, t)`` fitted to ``n_samples`` draws, times uniform in ``[cutoff, 1]``.

    Least squares with weight ``alpha^2 / sigma^2`` (``sigma^2`` for the score) and ``ridge`` added to the
    sum over samples. What the public code leaves open is ours: where the bumps lie, and that the
    steps from time 1 to the cut-off are equal.

    >>> toy = ToyProtocol(n_samples=64, cutoff=1e-2, models=4)
    >>> weights = toy.fit(seed=0)
    >>> toy.sample(weights, np.random.default_rng(0).normal(size=10)).shape
    (4, 10)
    """

    n_samples: int
    cutoff: float
    models: int = 100
    steps: int = 30
    ridge: float = 0.1
    points: tuple[float, ...] = (-1.0, 0.0, 1.0)
    features: BumpFeatures = BumpFeatures.on_grid(16, 16, x_reach=2.5)  # noqa: RUF009
    target: Target = "dsm"
    reference: ClassVar[str] = "vastola2025; generalisation, section 8"

    def __post_init__(self) -> None:
        checks.whole("n_samples", self.n_samples, 1)
        checks.choice("target", self.target, ("dsm", "naive"))
        checks.whole("models", self.models, 2)
        checks.whole("steps", self.steps, 1)
        checks.positive("ridge", self.ridge, "256 features are more than most numbers of samples")
        checks.positive("cutoff", self.cutoff, "the weight diverges at time 0")
        if self.cutoff >= 1:
            raise ValueError(f"cutoff must be below the last time 1, got {self.cutoff:g}")

    @property
    def law(self) -> DataLaw:
        return DataLaw.points(np.array(self.points)[:, None])

    @property
    def times(self) -> np.ndarray:
        """Of the Euler steps, rising."""
        return np.linspace(self.cutoff, 1.0, self.steps + 1)

    def fit(self, seed: int, workers: int = 1) -> np.ndarray:
        """Weights ``(models, F)`` on independent training sets; the same for any number of workers."""
        return in_parallel(self._member, self.models, seed, workers)

    def weights(self, data: TrainingSet) -> np.ndarray:
        """Weights ``(F,)`` fitted to one training set."""
        alpha, std = SCHEDULE.alpha(data.t), SCHEDULE.std(data.t)
        x = alpha * data.x0[:, 0] + std * data.noise[:, 0]
        rows, aim = self.features.at(x, data.t), self._aim(data.x0[:, 0], x, data.t)
        root = (alpha / std)[:, None]
        return ridge_solution(root * rows, root * aim[:, None], self.ridge)[:, 0]

    def score(self, weights: np.ndarray, x: np.ndarray, t: float) -> np.ndarray:
        """``(alpha D - x) / sigma^2`` of each model at its own ``x (models, p)``; same shape."""
        alpha, variance = float(SCHEDULE.alpha(t)), float(SCHEDULE.variance(t))
        found = np.einsum("mpi,mi->mp", self.features.of_state(x), self._at_time(weights, t))
        return (alpha * found - x) / variance

    def sample(self, weights: np.ndarray, x_start: ArrayLike) -> np.ndarray:
        """Where each of ``x_start (p,)`` at time 1 ends at the cut-off, for each model; ``(models, p)``."""
        x = np.tile(np.asarray(x_start, dtype=float), (len(weights), 1))
        return self._euler(x, lambda x, t: self.score(weights, x, t))

    def exact_sample(self, x_start: ArrayLike) -> np.ndarray:
        """The same steps with the score of the points themselves, which no model is fitted to; ``(p,)``."""

        def score(x: np.ndarray, t: float) -> np.ndarray:
            return self.law.score(x[:, None], float(SCHEDULE.alpha(t)), float(SCHEDULE.std(t)))[:, 0]

        return self._euler(np.asarray(x_start, dtype=float), score)

    def _euler(self, x: np.ndarray, score: Callable[[np.ndarray, float], np.ndarray]) -> np.ndarray:
        for t, length in zip(self.times[:0:-1], np.diff(self.times)[::-1], strict=True):
            rate = float(SCHEDULE.beta(t)) * length
            x = x + rate * (x + score(x, float(t)))  # g^2 = 2 beta
        return x

    def score_variance(self, weights: np.ndarray, x: ArrayLike, t: float) -> np.ndarray:
        """Variance between models of the score at ``x (p,)``; ``(p,)``."""
        bumps = self.features.of_state(np.asarray(x, dtype=float))
        return self._gain(t) * (bumps @ self._at_time(weights, t).T).var(axis=1, ddof=1)

    def predicted_score_variance(self, x: ArrayLike, t: float) -> np.ndarray:
        """The same by the sandwich with the ridge, to leading order; ``(p,)``. See `prediction`."""
        x = np.asarray(x, dtype=float)
        rows = self.features.at(x, np.full(len(x), t))
        return self._gain(t) * np.einsum("pa,ab,pb->p", rows, self.prediction.covariance, rows)

    @cached_property
    def prediction(self) -> Prediction:
        """[G9] for this parametrisation, with the ridge: mean and covariance of the weights."""
        rows, x0, weight, mass = self._nodes
        weighted = (mass * weight)[:, None] * rows
        moment, vector = self.n_samples * weighted.T @ rows, self.n_samples * weighted.T @ x0
        ridged = moment + self.ridge * np.eye(len(moment))
        mean = np.linalg.solve(ridged, vector)
        pull = (weight * (x0 - rows @ mean))[:, None] * rows
        average = mass @ pull
        meat = self.n_samples * ((mass[:, None] * pull).T @ pull - np.outer(average, average))
        bread = np.linalg.inv(ridged)
        effective = float(np.trace(bread @ moment))
        return Prediction(mean, bread @ meat @ bread, bread, effective)

    def leverage(self, x: ArrayLike, t: float) -> np.ndarray:
        """Share that one sample at ``x (p,)`` and ``t`` has in the fit there; ``(p,)``.

        The leading order needs it to be far below 1: it is not at small times, where few samples fall.
        """
        x = np.asarray(x, dtype=float)
        rows = self.features.at(x, np.full(len(x), t))
        weight = float(SCHEDULE.alpha(t) ** 2 / SCHEDULE.variance(t))
        return weight * np.einsum("pa,ab,pb->p", rows, self.prediction.bread, rows)

    def boundary_picture(self, weights: np.ndarray, x: ArrayLike, t: ArrayLike) -> BoundaryPicture:
        """Variance of the target, of the models and of the prediction over ``x (p,)`` and ``t (m,)``."""
        x, t = np.asarray(x, dtype=float), np.asarray(t, dtype=float)
        levels = [(float(SCHEDULE.alpha(one)), float(SCHEDULE.std(one))) for one in t]
        target = [self.law.target_covariance(x[:, None], *level)[:, 0, 0] for level in levels]
        measured = [self.score_variance(weights, x, float(one)) for one in t]
        predicted = [self.predicted_score_variance(x, float(one)) for one in t]
        leverage = [self.leverage(x, float(one)) for one in t]
        centers = np.outer([level[0] for level in levels], self.points)
        found, predicted, leverage = np.array(measured), np.array(predicted), np.array(leverage)
        return BoundaryPicture(x, t, np.array(target), found, predicted, leverage, centers)

    def _aim(self, x0: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        """What the denoiser is told at ``x (n,)``, noised from ``x0``: that, or its mean given ``x``."""
        if self.target == "dsm":
            return x0
        apart = (x[:, None] - SCHEDULE.alpha(t)[:, None] * self.points) ** 2
        log_share = -apart / (2 * SCHEDULE.variance(t)[:, None])
        share = np.exp(log_share - log_share.max(axis=1, keepdims=True))
        return share @ self.points / share.sum(axis=1)

    def _member(self, rng: np.random.Generator) -> np.ndarray:
        uniform = TimeFunction.constant()
        drawn = TrainingTimes(uniform, uniform, self.cutoff, 1.0)
        return self.weights(TrainingSet.fresh(self.law, drawn, self.n_samples, rng))

    def _at_time(self, weights: np.ndarray, t: float) -> np.ndarray:
        """Weights of the bumps in the state, ``(models, n_x)``."""
        shape = (len(weights), len(self.features.x_centers), -1)
        return weights.reshape(shape) @ self.features.of_time(np.asarray(t))

    @staticmethod
    def _gain(t: float) -> float:
        """Variance of the score over that of the denoiser."""
        return float(SCHEDULE.alpha(t) ** 2 / SCHEDULE.variance(t) ** 2)

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Features, target, weight and probability at nodes of (time, data, noise)."""
        logs, widths = panels(np.linspace(np.log(self.cutoff), 0.0, PANELS + 1), NODES)
        t = np.exp(logs)
        z, of_noise = np.polynomial.hermite_e.hermegauss(24)
        count = len(self.points)
        mass = np.multiply.outer(widths * t / (1 - self.cutoff), of_noise / of_noise.sum() / count)
        shape = (len(t), count, len(z))
        x0 = np.broadcast_to(np.array(self.points)[:, None], shape).ravel()
        x = SCHEDULE.alpha(t)[:, None, None] * np.array(self.points)[:, None]
        x = (x + SCHEDULE.std(t)[:, None, None] * z).ravel()
        times = np.broadcast_to(t[:, None, None], shape).ravel()
        weight = SCHEDULE.alpha(times) ** 2 / SCHEDULE.variance(times)
        return (
            self.features.at(x, times),
            self._aim(x0, x, times),
            weight,
            np.repeat(mass, count, axis=0).ravel(),
        )


class ToyStudy(NamedTuple):
    """The protocol over numbers of samples ``(P,)`` and cut-offs ``(E,)``.

    ``samples (P, E, models, p)`` from the starts ``(p,)``, the same for all; ``of_mean (P, E, p)`` with the
    mean of the models' scores, ``naive`` like ``samples`` with the same training sets and a target without
    noise, ``exact (E, p)`` with the score of the points; ``model_variance`` and
    ``predicted_variance (P, E, m, q)`` over ``times (m,)`` and ``x (q,)``, the latter where ``leverage``, of
    the same shape, is far below 1; ``target_variance (m, q)``; ``effective_features (P, E)``, what the ridge
    leaves of the features.
    """

    n_samples: np.ndarray
    cutoffs: np.ndarray
    samples: np.ndarray
    of_mean: np.ndarray
    naive: np.ndarray
    exact: np.ndarray
    x: np.ndarray
    times: np.ndarray
    target_variance: np.ndarray
    model_variance: np.ndarray
    predicted_variance: np.ndarray
    leverage: np.ndarray
    effective_features: np.ndarray


def toy_study(
    n_samples: ArrayLike = (64, 128, 256, 512, 1024),
    cutoffs: ArrayLike = (1e-4, 1e-3, 1e-2),
    *,
    models: int = 100,
    particles: int = 200,
    seed: int = 0,
    workers: int = 1,
) -> ToyStudy:
    """The published toy protocol: each number of samples with each cut-off; minutes on one core.

    Every combination has its own training sets, and all of them the same starting points.
    """
    counts, ends = (
        np.atleast_1d(np.asarray(n_samples, dtype=int)),
        np.atleast_1d(np.asarray(cutoffs, dtype=float)),
    )
    start = np.random.default_rng(np.random.SeedSequence((seed, 1))).standard_normal(particles)
    x, times = np.linspace(-2.0, 2.0, 161), np.array([0.01, 0.03, 0.1, 0.2, 0.3, 0.5])
    base = ToyProtocol(int(counts[0]), float(ends[0]), models)
    samples, of_mean, naive, pictures, effective = [], [], [], [], []
    for p in counts:
        for cutoff in ends:
            toy = replace(base, n_samples=int(p), cutoff=float(cutoff))
            chosen = seed + 1 + len(samples)
            weights = toy.fit(chosen, workers)
            naive.append(toy.sample(replace(toy, target="naive").fit(chosen, workers), start))
            samples.append(toy.sample(weights, start))
            of_mean.append(toy.sample(weights.mean(axis=0, keepdims=True), start)[0])
            pictures.append(toy.boundary_picture(weights, x, times))
            effective.append(toy.prediction.effective_features)
    grid = (len(counts), len(ends))

    def gridded(parts: list) -> np.ndarray:
        return np.array(parts).reshape(*grid, *np.shape(parts[0]))

    return ToyStudy(
        counts,
        ends,
        gridded(samples),
        gridded(of_mean),
        gridded(naive),
        np.array([replace(base, cutoff=float(cutoff)).exact_sample(start) for cutoff in ends]),
        x,
        times,
        pictures[0].target_variance,
        gridded([picture.model_variance for picture in pictures]),
        gridded([picture.predicted_variance for picture in pictures]),
        gridded([picture.leverage for picture in pictures]),
        gridded(effective),
    )
