"""Scores fitted in closed form to drawn training sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.linalg import solve_triangular

from scorelens.core import checks
from scorelens.generalization.ensembles.parallel import in_parallel
from scorelens.generalization.ensembles.training_sets import TrainingSet
from scorelens.generalization.reverse import FieldEnsemble
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics import (
    Level,
    ScoreFeatures,
    SeparableFeatures,
    SharedWeights,
    StateFeatures,
    check_samples,
)
from scorelens.generalization.statistics.regression import Target


@final
@dataclass(frozen=True, eq=False)
class Refit:
    """Least squares as in ``theory``, on ``n_samples`` fresh draws, or resamples of ``resampled``.

    ``ridge`` times the identity is added to the sum over samples of ``w a^2 phi phi^T``; without it, no more
    samples than features are refused. The target ``"naive"`` is the true score at the noised point.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.laws import DataLaw
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures, TimeFunction, TrainingTimes
    >>> times = TrainingTimes(TimeFunction.of_variance(BROWNIAN), TimeFunction.constant(), 0.05, 1.0)
    >>> law = DataLaw.gaussian([0.0], [[1.0]])
    >>> theory = SharedWeights(StateFeatures(Affine(1)), law, BROWNIAN, times)
    >>> Refit(theory, n_samples=100)(np.random.default_rng(0)).shape
    (1, 2)
    """

    theory: SharedWeights
    n_samples: int
    ridge: float = 0.0
    target: Target = "dsm"
    resampled: TrainingSet | None = None

    def __post_init__(self) -> None:
        checks.non_negative("ridge", self.ridge)
        checks.choice("target", self.target, ("dsm", "naive"))
        checks.whole("n_samples", self.n_samples, 1)
        if self.ridge == 0:
            check_samples(self.n_samples, self.theory.n_features)
        if self.resampled is not None and len(self.resampled) != self.n_samples:
            raise ValueError(
                f"a bootstrap has the size of its training set, {len(self.resampled)}, got n_samples "
                f"{self.n_samples}"
            )

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        """Weights ``(d, F)`` of one member."""
        fit = self.theory
        if self.resampled is not None:
            return self.weights(self.resampled.bootstrapped(rng))
        return self.weights(TrainingSet.fresh(fit.law, fit.times, self.n_samples, rng))

    def weights(self, data: TrainingSet) -> np.ndarray:
        """Weights ``(d, F)`` fitted to ``data``; ``ValueError`` where they are not unique."""
        fit = self.theory
        std = fit.schedule.std(data.t)[:, None]
        x = fit.schedule.alpha(data.t)[:, None] * data.x0 + std * data.noise
        target = -data.noise / std if self.target == "dsm" else self._true_scores(x, data.t)
        rows = sample_features(fit.features, fit.schedule, x, data.t) / std
        root = np.sqrt(fit.times.weight(data.t))[:, None]
        return ridge_solution(root * rows, root * target, self.ridge).T

    def _true_scores(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        law, schedule = self.theory.law, self.theory.schedule
        levels = zip(x[:, None], schedule.alpha(t), schedule.std(t), strict=True)
        return np.concatenate([law.score(point, float(a), float(s)) for point, a, s in levels])


def sample_features(features: ScoreFeatures, schedule: Schedule, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Features at ``x (n, d)``, each point at its own time ``t (n,)``; ``(n, F)``."""
    if isinstance(features, StateFeatures):
        return features.value(x, Level(1.0, 0.0))
    if isinstance(features, SeparableFeatures):
        of_state, of_time = features.state.value(x, Level(1.0, 0.0)), features.times.value(t)
        return (of_time[:, :, None] * of_state[:, None]).reshape(len(x), -1)
    levels = (Level(*map(float, at)) for at in zip(schedule.alpha(t), schedule.std(t), t, strict=True))
    return np.concatenate([features.value(p[None], at) for p, at in zip(x, levels, strict=True)])


def refit_ensemble(refit: Refit, members: int, seed: int, workers: int = 1) -> FieldEnsemble:
    """``members`` independent fits; the same for any number of ``workers`` (processes)."""
    weights = in_parallel(refit, members, seed, workers)
    return FieldEnsemble(refit.theory.features, refit.theory.schedule, weights)


def ridge_solution(rows: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """``(rows^T rows + ridge)^-1 rows^T target``, ``(F, d)``, by factors of the rows themselves.

    Raises ``ValueError`` where it is not unique.

    >>> ridge_solution(np.array([[1.0], [1.0]]), np.array([[1.0], [3.0]]), ridge=2.0)
    array([[1.]])
    """
    size = rows.shape[1]
    if ridge > 0:
        rows = np.concatenate([rows, np.sqrt(ridge) * np.eye(size)])
        target = np.concatenate([target, np.zeros((size, target.shape[1]))])
        triangle = np.asarray(np.linalg.qr(np.concatenate([rows, target], axis=1), mode="r"))
        return solve_triangular(triangle[:size, :size], triangle[:size, size:])
    found, _, rank, _ = np.linalg.lstsq(rows, target, rcond=None)
    if rank < size:
        raise ValueError(
            f"the samples determine {rank} of {size} weights; take more samples, fewer features or ridge > 0"
        )
    return found
