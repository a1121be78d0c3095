"""The reverse ODE with one draw of the estimator's weights per member of an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics import Level, ScoreFeatures, SharedWeights
from scorelens.generalization.vkernel import euler_times

Method = Literal["euler", "heun", "rk4"]
Velocity = Callable[[np.ndarray, float], np.ndarray]


@final
@dataclass(frozen=True, eq=False)
class FieldEnsemble:
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

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        """The score of each member at its own points ``x (members, p, d)``; same shape."""
        std = float(self.schedule.std(t))
        level = Level(float(self.schedule.alpha(t)), std, float(t))
        phi = self.features.value(x.reshape(-1, x.shape[-1]), level).reshape(*x.shape[:-1], -1)
        return np.einsum("mpa,mia->mpi", phi, self.weights, optimize=True) / std

    def score_on(self, x: ArrayLike, t: float) -> np.ndarray:
        """The score of every member at the same ``x (p, d)``; ``(members, p, d)``."""
        x = np.asarray(x, dtype=float)
        std = float(self.schedule.std(t))
        phi = self.features.value(x, Level(float(self.schedule.alpha(t)), std, float(t)))
        return np.einsum("pa,mia->mpi", phi, self.weights) / std

    def velocity(self, x: np.ndarray, t: float) -> np.ndarray:
        """``-beta x - g^2 / 2 s(x, t)``, the right-hand side in forward time ([G2])."""
        half = float(self.schedule.diffusion_squared(t)) / 2
        return -float(self.schedule.beta(t)) * x - half * self.score(x, t)

    def sample(self, x_start: ArrayLike, times: ArrayLike, method: Method = "euler") -> np.ndarray:
        """Trajectories from ``x_start`` at ``times[-1]`` down to ``times[0]``; ``(K + 1, members, p, d)``.

        ``x_start`` is ``(p, d)``, the same for every member, or ``(members, p, d)``; ``times (K + 1,)`` rise,
        and entry ``k`` of the result belongs to ``times[k]``. Methods other than Euler use the score at
        ``times[0]``, which must then be above 0. Raises ``ValueError`` where a member runs away.
        """
        times = euler_times(times)
        checks.choice("method", method, STEPS)
        if method != "euler" and times[0] == 0:
            raise ValueError(
                "the score is not defined at time 0, which this method uses; stop above 0, or use euler"
            )
        x = np.asarray(x_start, dtype=float)
        if (
            x.ndim not in (2, 3)
            or x.shape[-1] != self.features.dim
            or (x.ndim == 3 and len(x) != self.members)
        ):
            raise ValueError(
                f"x_start must be (p, {self.features.dim}) or ({self.members}, p, .), got {x.shape}"
            )
        x = np.broadcast_to(x, (self.members, *x.shape[-2:]))
        path = [x]
        for k in range(len(times) - 1, 0, -1):
            x = STEPS[method](self.velocity, x, float(times[k]), float(times[k - 1] - times[k]))
            checks.finite(f"samples at time {times[k - 1]:g}", x, "take more steps or more training samples")
            path.append(x)
        return np.array(path[::-1])


def _euler(f: Velocity, x: np.ndarray, t: float, h: float) -> np.ndarray:
    return x + h * f(x, t)


def _heun(f: Velocity, x: np.ndarray, t: float, h: float) -> np.ndarray:
    first = f(x, t)
    return x + h / 2 * (first + f(x + h * first, t + h))


def _rk4(f: Velocity, x: np.ndarray, t: float, h: float) -> np.ndarray:
    a = f(x, t)
    b = f(x + h / 2 * a, t + h / 2)
    c = f(x + h / 2 * b, t + h / 2)
    return x + h / 6 * (a + 2 * b + 2 * c + f(x + h * c, t + h))


STEPS: dict[str, Callable[[Velocity, np.ndarray, float, float], np.ndarray]] = {
    "euler": _euler,
    "heun": _heun,
    "rk4": _rk4,
}
