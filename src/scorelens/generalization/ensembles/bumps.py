"""Gaussian bumps on a grid of state and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np

from scorelens.core import checks
from scorelens.generalization.statistics import Level, SmoothFeatures


@final
@dataclass(frozen=True, eq=False)
class BumpFeatures(SmoothFeatures):
    """``exp(-(x - c_i)^2 / (2 w^2)) exp(-(t - u_j)^2 / (2 v^2))``, on a line; index ``i n_t + j``.

    >>> bumps = BumpFeatures.on_grid(16, 16, x_reach=2.0)
    >>> bumps.n_features, bumps.value(np.zeros((3, 1)), Level(1.0, 0.1, 0.5)).shape
    (256, (3, 256))
    """

    x_centers: np.ndarray
    x_width: float
    t_centers: np.ndarray
    t_width: float
    name: ClassVar[str] = "bumps"
    reference: ClassVar[str] = "generalisation, section 8"

    def __post_init__(self) -> None:
        for name in ("x_centers", "t_centers"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=float)))
            checks.finite(name, getattr(self, name))
        checks.positive("x_width", self.x_width)
        checks.positive("t_width", self.t_width)

    @classmethod
    def on_grid(cls, n_x: int, n_t: int, x_reach: float, t_max: float = 1.0) -> Self:
        """Centres at equal steps in ``[-x_reach, x_reach]`` and ``[0, t_max]``; a step is a width."""
        checks.whole("n_x", n_x, 2)
        checks.whole("n_t", n_t, 2)
        x, t = np.linspace(-x_reach, x_reach, n_x), np.linspace(0.0, t_max, n_t)
        return cls(x, float(x[1] - x[0]), t, float(t[1] - t[0]))

    @property
    def n_features(self) -> int:
        return len(self.x_centers) * len(self.t_centers)

    @property
    def dim(self) -> int:
        return 1

    def of_state(self, x: np.ndarray) -> np.ndarray:
        """The factor of the state at ``x`` of any shape; one more axis ``(n_x,)``."""
        return np.exp(-(((x[..., None] - self.x_centers) / self.x_width) ** 2) / 2)

    def of_time(self, t: np.ndarray) -> np.ndarray:
        """The factor of the time at ``t`` of any shape; one more axis ``(n_t,)``."""
        return np.exp(-(((t[..., None] - self.t_centers) / self.t_width) ** 2) / 2)

    def at(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Features at ``x (n,)``, each at its own time ``t (n,)``; ``(n, F)``."""
        return (self.of_state(x)[:, :, None] * self.of_time(t)[:, None]).reshape(len(x), -1)

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        if level.time is None:
            raise ValueError("bumps in time need a time; give a schedule")
        return self.at(x[:, 0], np.full(len(x), level.time))
