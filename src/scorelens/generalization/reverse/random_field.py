"""Scores linear in their weights, one draw of the weights per member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.reverse.score_ensemble import ScoreEnsemble
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics import Level, ScoreFeatures, SharedWeights


@final
@dataclass(frozen=True, eq=False)
class FieldEnsemble(ScoreEnsemble):
    """Scores ``s_m(x, t) = W_m phi(x, t) / sigma_t``, one for each of ``weights (members, d, F)``.

    Drawn by `of_law` as Gaussians around the biased optimum, or made of real fits
    (`scorelens.generalization.ensembles`). Weights shared over times make a field that is smooth in time, so
    each member is an ODE: no Ito correction enters (generalisation, section 7).

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> field = FieldEnsemble(StateFeatures(Affine(1)), BROWNIAN, np.array([[[0.0, -1.0]], [[0.0, -2.0]]]))
    >>> field.score(np.array([[[3.0]], [[3.0]]]), 1.0).ravel()
    array([-3., -6.])
    """

    features: ScoreFeatures
    schedule: Schedule
    weights: np.ndarray
    reference: ClassVar[str] = "generalisation, section 7"

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=float)
        wanted = (self.features.dim, self.features.n_features)
        if weights.ndim != 3 or weights.shape[1:] != wanted:
            raise ValueError(
                f"weights must have shape (members, {wanted[0]}, {wanted[1]}), got {weights.shape}"
            )
        checks.finite("weights", weights)
        object.__setattr__(self, "weights", weights)

    @classmethod
    def of_law(
        cls, fit: SharedWeights, n_samples: int, members: int, rng: np.random.Generator
    ) -> FieldEnsemble:
        """``members`` draws from the Gaussian law of a fit to ``n_samples`` ([G9], [G10])."""
        return cls(fit.features, fit.schedule, fit.draw_weights(n_samples, members, rng))

    @property
    def members(self) -> int:
        return len(self.weights)

    @property
    def dim(self) -> int:
        return self.features.dim

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        std = float(self.schedule.std(t))
        level = Level(float(self.schedule.alpha(t)), std, float(t))
        phi = self.features.value(x.reshape(-1, x.shape[-1]), level).reshape(*x.shape[:-1], -1)
        return np.einsum("mpa,mia->mpi", phi, self.weights, optimize=True) / std

    def score_on(self, x: ArrayLike, t: float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        std = float(self.schedule.std(t))
        phi = self.features.value(x, Level(float(self.schedule.alpha(t)), std, float(t)))
        return np.einsum("pa,mia->mpi", phi, self.weights) / std
