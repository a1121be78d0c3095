"""Samples that lie closer to a training point than fresh data ever do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np
from scipy import stats

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
    """Samples whose `nearness` lies below a ``threshold`` that fresh data rarely pass.

    - ``flagged``: mask ``(n,)`` of the samples.
    - ``share``: of the samples flagged, with its Clopper-Pearson interval.
    - ``false_alarm``: the probability that a fresh point of the data's law is flagged, averaged over held-out
      sets: ``rank / (n_held_out + 1)``, exactly, for any law without ties.
    - ``p_value``: the probability that as many of ``n`` fresh points would be flagged, exact likewise.
    - ``held_out_flagged``: how many held-out points are flagged, ``rank - 1`` (0 at the strictest threshold).
    """

    flagged: np.ndarray = field(repr=False)
    share: Estimate
    threshold: float
    false_alarm: float
    p_value: float
    held_out_flagged: int

    @property
    def count(self) -> int:
        """Number of samples flagged."""
        return int(self.flagged.sum())

    @property
    def indices(self) -> np.ndarray:
        """Which samples are flagged."""
        return np.flatnonzero(self.flagged)


def near_copies(
    scores: np.ndarray, held_out_scores: np.ndarray, false_alarm: float | None = None, level: float = 0.95
) -> NearCopies:
    """Samples with `nearness` ``scores (n,)`` below an order statistic of those of held-out points ``(h,)``.

    ``false_alarm`` is the largest rate of false alarms allowed; without it the threshold is the strictest
    that ``h`` points can calibrate, their smallest score, with rate ``1 / (h + 1)``. Raises ``ValueError``
    for a rate that so few held-out points cannot calibrate.

    >>> held_out = np.linspace(0.5, 1, 99)
    >>> found = near_copies(np.array([0.1, 0.7, 0.8]), held_out)
    >>> found.flagged, found.false_alarm, round(found.p_value, 4)
    (array([ True, False, False]), 0.01, 0.0294)
    """
    n, h = len(scores), len(held_out_scores)
    rank = 1 if false_alarm is None else math.floor(false_alarm * (h + 1) * (1 + 1e-12))
    if not 1 <= rank <= h:
        raise ValueError(
            f"a false-alarm rate of {false_alarm:g} cannot be calibrated with {h} held-out points; choose "
            f"one between {1 / (h + 1):.3g} and {h / (h + 1):.3g}, or hold out more"
        )
    threshold = float(np.sort(held_out_scores)[rank - 1])
    flagged = scores < threshold
    count = int(flagged.sum())
    # Of the count + rank - 1 smallest of all scores, at most rank - 1 belong to held-out points.
    chance = stats.hypergeom.cdf(rank - 1, n + h, h, count + rank - 1) if count else 1.0
    missed = int((held_out_scores < threshold).sum())
    return NearCopies(flagged, share(count, n, level), threshold, rank / (h + 1), float(chance), missed)
