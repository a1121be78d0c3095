"""The published toy: three points on a line, denoisers of 256 bumps, and what they generate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.ensembles.bumps import BumpFeatures
from scorelens.generalization.ensembles.parallel import in_parallel
from scorelens.generalization.ensembles.refits import ridge_solution
from scorelens.generalization.ensembles.training_sets import TrainingSet
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import PolynomialSchedule
from scorelens.generalization.statistics import TimeFunction, TrainingTimes
from scorelens.generalization.statistics.regression import Target

SCHEDULE = PolynomialSchedule((0.1, 19.9), (0.2, 39.8))
"""Variance preserving, ``beta = 0.1 + 19.9 t``."""


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
        rows, aim = self.features.at(x, data.t), self.aim(data.x0[:, 0], x, data.t)
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
        return self.gain(t) * (bumps @ self._at_time(weights, t).T).var(axis=1, ddof=1)

    def aim(self, x0: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
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
    def gain(t: float) -> float:
        """Variance of the score over that of the denoiser."""
        return float(SCHEDULE.alpha(t) ** 2 / SCHEDULE.variance(t) ** 2)
