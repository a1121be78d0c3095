"""A score whose weights are shared over all times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics.features import Level, ScoreFeatures
from scorelens.generalization.statistics.one_time import check_dimensions
from scorelens.generalization.statistics.regression import Draw, ScoreRegression
from scorelens.generalization.statistics.times import TrainingTimes


@final
@dataclass(frozen=True, eq=False)
class SharedWeights(ScoreRegression):
    """``s(x, t) = W phi(x, t) / sigma_t`` fitted to ``n`` samples of (time, data, noise) ([G8]-[G10]).

    As a prediction of the noise it is ``-W phi`` ([G7]).

    Where an average over times diverges at ``t_min = 0``, asking for it raises ``ValueError`` with the power.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures, TimeFunction
    >>> times = TrainingTimes(TimeFunction.of_variance(BROWNIAN), TimeFunction.constant(), 0.05, 1.0)
    >>> law = DataLaw.gaussian([0.4], [[0.7]])
    >>> SharedWeights(StateFeatures(Affine(1)), law, BROWNIAN, times).optimum.round(6)
    array([[ 0.226582, -0.566456]])
    """

    features: ScoreFeatures
    law: DataLaw
    schedule: Schedule
    times: TrainingTimes
    name: ClassVar[str] = "shared-weights"
    reference: ClassVar[str] = "generalisation, [G8]-[G10]"

    def __post_init__(self) -> None:
        check_dimensions(self.features, self.law)

    def _over_levels(
        self,
        what: str,
        function: Callable[[Draw], np.ndarray],
        weights: int,
        noise_power: float,
        start: float,
    ) -> np.ndarray:
        power, log_power = self.times.log_powers(weights)
        power -= noise_power / 2 * self.schedule.small_time.power
        begin = max(start, self.times.t_min)
        if begin == 0:
            self.times.require_convergence(what, power, log_power)
        breaks = self.features.time_breaks(begin, self.times.t_max)
        return self.times.mean(lambda t: function(self._draw(t)), power, breaks, sizes=1)

    def _places(self, x: ArrayLike, t: ArrayLike | None) -> list[tuple[slice, Draw]]:
        if t is None:
            raise ValueError("weights shared over times need the time t of each point; give t")
        count = len(np.asarray(x))
        times = np.broadcast_to(np.asarray(t, dtype=float), (count,))
        checks.positive("t", times, "the score is not defined without noise")
        if np.ptp(times) == 0:
            return [(slice(None), self._draw(float(times[0])))]
        return [(slice(i, i + 1), self._draw(float(one))) for i, one in enumerate(times)]

    def _draw(self, t: float) -> Draw:
        std = float(self.schedule.std(t))
        level = Level(float(self.schedule.alpha(t)), std, t)
        return Draw(level, 1.0 / std, float(self.times.weight(np.array([t]))[0]))
