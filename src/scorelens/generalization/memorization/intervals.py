"""Estimates with confidence intervals: a share, a median, a ratio of medians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import stats

from scorelens.core import checks


@final
@dataclass(frozen=True)
class Estimate:
    """``value`` and the interval from ``low`` to ``high`` that covers the truth at confidence ``level``."""

    value: float
    low: float
    high: float
    level: float


def share(count: int, n: int, level: float = 0.95) -> Estimate:
    """``count / n`` with the exact interval of Clopper & Pearson (1934).

    >>> found = share(0, 10)
    >>> found.value, found.low, round(found.high, 4)
    (0.0, 0.0, 0.3085)
    """
    tail = _tail(level)
    low = stats.beta.ppf(tail, count, n - count + 1) if count else 0.0
    high = stats.beta.ppf(1 - tail, count + 1, n - count) if count < n else 1.0
    return Estimate(count / n, float(low), float(high), level)


def median(values: np.ndarray, level: float = 0.95) -> Estimate:
    """Median of ``values (n,)`` with the interval between two order statistics, free of any distribution.

    It covers the median with at least ``level`` from 6 values on (at 0.95); below, it spans all of them.

    >>> median(np.arange(100.0))
    Estimate(value=49.5, low=39.0, high=60.0, level=0.95)
    """
    n, ordered = len(values), np.sort(values)
    # The r-th smallest exceeds the median with probability P(Bin(n, 1/2) < r).
    rank = max(int(stats.binom.ppf(_tail(level), n, 0.5)), 1)
    return Estimate(float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[n - rank]), level)


def ratio_of_medians(
    above: np.ndarray, below: np.ndarray, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> Estimate:
    """``median(above) / median(below)`` of independent samples, with a percentile bootstrap interval.

    Raises ``ValueError`` if the median below is not > 0.

    >>> ratio_of_medians(np.full(20, 1.0), np.full(20, 2.0))
    Estimate(value=0.5, low=0.5, high=0.5, level=0.95)
    """
    checks.positive("the median below", np.median(below))
    checks.whole("n_resamples", n_resamples, 100)
    draws = np.random.default_rng(seed)
    medians = [_resampled_medians(values, n_resamples, draws) for values in (above, below)]
    tail = _tail(level)
    with np.errstate(divide="ignore"):
        low, high = np.quantile(medians[0] / medians[1], [tail, 1 - tail])
    return Estimate(float(np.median(above) / np.median(below)), float(low), float(high), level)


def _resampled_medians(values: np.ndarray, n_resamples: int, draws: np.random.Generator) -> np.ndarray:
    """Medians of ``n_resamples`` samples drawn from ``values`` with replacement.

    The rank of the median among the ordered values is all that resampling changes: the ``m``-th of ``n``
    uniform draws is a beta variable.
    """
    n, ordered = len(values), np.sort(values)
    middle = (n + 1) // 2
    ranks = draws.beta(middle, n - middle + 1, n_resamples)
    return ordered[np.minimum((ranks * n).astype(int), n - 1)]


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must be > 0 and < 1, got {level:g}; 0.95 is usual")
    return (1 - level) / 2


def standard_error(influence: np.ndarray) -> float:
    """Standard error of an estimate with the ``influence (n,)`` of each of ``n`` independent events."""
    n = len(influence)
    return float(np.sqrt(np.sum((influence - influence.mean()) ** 2) / (n * (n - 1)))) if n > 1 else math.nan
