"""Many scores of one law, and the reverse ODE with each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.vkernel import euler_times

Method = Literal["euler", "heun", "rk4"]
Velocity = Callable[[np.ndarray, float], np.ndarray]


class ScoreEnsemble(ABC):
    """Scores ``s_m(x, t)`` of ``members`` models in ``dim`` dimensions, noised by one ``schedule``.

    Each member is an ODE of its own: no Ito correction enters (generalisation, section 7).
    """

    schedule: Schedule

    @property
    @abstractmethod
    def members(self) -> int: ...

    @property
    @abstractmethod
    def dim(self) -> int: ...

    @abstractmethod
    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        """The score of each member at its own points ``x (members, p, d)``; same shape."""

    @abstractmethod
    def score_on(self, x: ArrayLike, t: float) -> np.ndarray:
        """The score of every member at the same ``x (p, d)``; ``(members, p, d)``."""

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
        if x.ndim not in (2, 3) or x.shape[-1] != self.dim or (x.ndim == 3 and len(x) != self.members):
            raise ValueError(f"x_start must be (p, {self.dim}) or ({self.members}, p, .), got {x.shape}")
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
