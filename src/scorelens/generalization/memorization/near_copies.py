"""Samples that lie closer to a training point than fresh data do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from scorelens.generalization.memorization.calibration import Calibration, calibrate, calibrate_rate
from scorelens.generalization.memorization.intervals import Estimate, share


def nearness(distances: np.ndarray) -> np.ndarray:
    """Distance to the nearest training point over that to the last of those found, ``(n, k)`` to ``(n,)``.

    In [0, 1]; near 0 for a copy. It has no units and adapts to how dense the data are around the sample.
    A sample at distance 0 from all ``k`` (a copy of a point that the training set holds ``k`` times) has 0.

    >>> nearness(np.array([[1.0, 4.0], [0.0, 0.0]]))
    array([0.25, 0.  ])
    """
    first, last = distances[:, 0], distances[:, -1]
    return np.divide(first, last, out=np.zeros_like(first), where=last > 0)


@final
@dataclass(frozen=True, eq=False)
class NearCopies:
    """Samples whose `nearness` is 0, or below a threshold that fresh data rarely pass.

    - ``flagged``: mask ``(n,)`` of the samples.
    - ``share``: of the samples flagged, with its Clopper-Pearson interval.
    - ``p_value``: the probability that as many of ``n`` fresh points would be flagged, or a bound on it.
    - ``calibration``: the threshold, and how rarely fresh data pass it; see `Calibration`.
    - ``held_out_flagged``: how many held-out points are flagged: those that are training points, unless a
      rate of false alarms was asked for.
    """

    flagged: np.ndarray = field(repr=False)
    share: Estimate
    p_value: float
    calibration: Calibration
    held_out_flagged: int

    @property
    def threshold(self) -> float:
        """Of `nearness`; samples below it are flagged."""
        return self.calibration.threshold

    @property
    def false_alarm(self) -> float:
        """The probability that a fresh point is flagged."""
        return self.calibration.false_alarm

    @property
    def family_wise(self) -> float:
        """The probability that any of as many fresh points as there are samples is flagged, at most."""
        return self.calibration.family_wise

    @property
    def count(self) -> int:
        """Number of samples flagged."""
        return int(self.flagged.sum())

    @property
    def indices(self) -> np.ndarray:
        """Which samples are flagged."""
        return np.flatnonzero(self.flagged)


def near_copies(
    scores: np.ndarray,
    held_out_scores: np.ndarray,
    *,
    family_wise: float = 0.05,
    false_alarm: float | None = None,
    level: float = 0.95,
) -> NearCopies:
    """Samples whose `nearness` ``scores (n,)`` is 0 or below what ``held_out_scores (h,)`` calibrate.

    ``family_wise`` is the probability, at most, that any of ``n`` fresh points is flagged. ``false_alarm``
    asks instead for the largest rate of false alarms per fresh point. Raises ``ValueError`` for probabilities
    beyond 0 to 1, and a rate that so few held-out points cannot calibrate.

    >>> held_out = np.linspace(0.5, 1, 99)
    >>> found = near_copies(np.array([0.1, 0.7, 0.8]), held_out)
    >>> found.flagged, found.calibration.status, round(found.p_value, 4)
    (array([ True, False, False]), 'counted', 0.0294)
    """
    n = len(scores)
    if false_alarm is None:
        found = calibrate(held_out_scores, n, family_wise)
    else:
        found = calibrate_rate(held_out_scores, n, false_alarm)
    flagged, missed = ((values == 0) | (values < found.threshold) for values in (scores, held_out_scores))
    count = int(flagged.sum())
    chance = found.p_value(count, int((scores == 0).sum()))
    return NearCopies(flagged, share(count, n, level), chance, found, int(missed.sum()))
