"""Training sets of a score: draws of (time, data, noise), fresh or resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np

from scorelens.core import checks
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics import TrainingTimes


@final
@dataclass(frozen=True, eq=False)
class TrainingSet:
    """``n`` draws: times ``t (n,)``, data ``x0 (n, d)`` and standard normal ``noise (n, d)``.

    >>> from scorelens.generalization.statistics import TimeFunction
    >>> uniform = TimeFunction.constant()
    >>> times, rng = TrainingTimes(uniform, uniform, 0.1, 1.0), np.random.default_rng(0)
    >>> made = TrainingSet.fresh(DataLaw.points([[-1.0], [1.0]]), times, 5, rng)
    >>> len(made), made.bootstrapped(rng).noise.shape
    (5, (5, 1))
    """

    t: np.ndarray
    x0: np.ndarray
    noise: np.ndarray

    def __post_init__(self) -> None:
        if self.x0.ndim != 2 or self.noise.shape != self.x0.shape or self.t.shape != (len(self.x0),):
            raise ValueError(
                "t, x0 and noise must be (n,), (n, d), (n, d), got "
                f"{self.t.shape}, {self.x0.shape}, {self.noise.shape}"
            )

    @classmethod
    def fresh(cls, law: DataLaw, times: TrainingTimes, n: int, rng: np.random.Generator) -> Self:
        """``n`` independent draws; with ``DataLaw.points`` data are drawn from a set, with repeats."""
        checks.whole("n", n, 1)
        x0 = law.sample(n, rng)
        return cls(times.sample(n, rng), x0, rng.standard_normal(x0.shape))

    def bootstrapped(self, rng: np.random.Generator) -> Self:
        """As many draws from these, with repeats: an estimate of the variance from one training set."""
        chosen = rng.integers(len(self), size=len(self))
        return type(self)(self.t[chosen], self.x0[chosen], self.noise[chosen])

    def __len__(self) -> int:
        return len(self.x0)
