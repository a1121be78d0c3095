"""What is predicted of the published toy: where between the points the scores of its models vary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.generalization.ensembles.boundary import BoundaryPicture
from scorelens.generalization.ensembles.toy import SCHEDULE, ToyProtocol
from scorelens.generalization.quadrature import panels

PANELS, NODES = 24, 8
"""Of the logarithm of the time."""


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
class ToyTheory:
    """The law of the models of a ``toy`` over training sets, to leading order.

    >>> theory = ToyTheory(ToyProtocol(n_samples=1024, cutoff=1e-2))
    >>> theory.score_variance([0.5], 0.3).shape, bool(theory.leverage([0.5], 0.3) < 0.1)
    ((1,), True)
    """

    toy: ToyProtocol
    reference: ClassVar[str] = "generalisation, [G9]"

    @cached_property
    def prediction(self) -> Prediction:
        """[G9] for this parametrisation, the sandwich with the ridge: mean and covariance of the weights."""
        toy, (rows, x0, weight, mass) = self.toy, self._nodes
        weighted = (mass * weight)[:, None] * rows
        moment, vector = toy.n_samples * weighted.T @ rows, toy.n_samples * weighted.T @ x0
        ridged = moment + toy.ridge * np.eye(len(moment))
        mean = np.linalg.solve(ridged, vector)
        pull = (weight * (x0 - rows @ mean))[:, None] * rows
        average = mass @ pull
        meat = toy.n_samples * ((mass[:, None] * pull).T @ pull - np.outer(average, average))
        bread = np.linalg.inv(ridged)
        effective = float(np.trace(bread @ moment))
        return Prediction(mean, bread @ meat @ bread, bread, effective)

    def score_variance(self, x: ArrayLike, t: float) -> np.ndarray:
        """Variance between models of the score at ``x (p,)``, to leading order (`prediction`); ``(p,)``."""
        x = np.asarray(x, dtype=float)
        rows = self.toy.features.at(x, np.full(len(x), t))
        return self.toy.gain(t) * np.einsum("pa,ab,pb->p", rows, self.prediction.covariance, rows)

    def leverage(self, x: ArrayLike, t: float) -> np.ndarray:
        """Share that one sample at ``x (p,)`` and ``t`` has in the fit there; ``(p,)``.

        The leading order needs it to be far below 1: it is not at small times, where few samples fall.
        """
        x = np.asarray(x, dtype=float)
        rows = self.toy.features.at(x, np.full(len(x), t))
        weight = float(SCHEDULE.alpha(t) ** 2 / SCHEDULE.variance(t))
        return weight * np.einsum("pa,ab,pb->p", rows, self.prediction.bread, rows)

    def boundary_picture(self, weights: np.ndarray, x: ArrayLike, t: ArrayLike) -> BoundaryPicture:
        """Variance of the target, of the models and of the prediction over ``x (p,)`` and ``t (m,)``."""
        x, t = np.asarray(x, dtype=float), np.asarray(t, dtype=float)
        levels = [(float(SCHEDULE.alpha(one)), float(SCHEDULE.std(one))) for one in t]
        target = [self.toy.law.target_covariance(x[:, None], *level)[:, 0, 0] for level in levels]
        measured = [self.toy.score_variance(weights, x, float(one)) for one in t]
        predicted = [self.score_variance(x, float(one)) for one in t]
        leverage = [self.leverage(x, float(one)) for one in t]
        centers = np.outer([level[0] for level in levels], self.toy.points)
        found, predicted, leverage = np.array(measured), np.array(predicted), np.array(leverage)
        return BoundaryPicture(x, t, np.array(target), found, predicted, leverage, centers)

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Features, target, weight and probability at nodes of (time, data, noise)."""
        toy = self.toy
        logs, widths = panels(np.linspace(np.log(toy.cutoff), 0.0, PANELS + 1), NODES)
        t = np.exp(logs)
        z, of_noise = np.polynomial.hermite_e.hermegauss(24)
        count = len(toy.points)
        mass = np.multiply.outer(widths * t / (1 - toy.cutoff), of_noise / of_noise.sum() / count)
        shape = (len(t), count, len(z))
        x0 = np.broadcast_to(np.array(toy.points)[:, None], shape).ravel()
        x = SCHEDULE.alpha(t)[:, None, None] * np.array(toy.points)[:, None]
        x = (x + SCHEDULE.std(t)[:, None, None] * z).ravel()
        times = np.broadcast_to(t[:, None, None], shape).ravel()
        weight = SCHEDULE.alpha(times) ** 2 / SCHEDULE.variance(times)
        return (
            toy.features.at(x, times),
            toy.aim(x0, x, times),
            weight,
            np.repeat(mass, count, axis=0).ravel(),
        )
