"""How near fresh data come to training points, and the threshold that they do not pass.

`nearness` ``r`` of fresh data follows ``P(r < u) ~ u^m`` near 0, with ``m`` the dimension of the data around
the training point (facco2017). So its tail can be fitted (hill1975) where held-out data still are, and
extrapolated to where too few of them are left to be counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy import stats
from scipy.special import gammaln

COUNTED, EXTRAPOLATED, DUPLICATES = "counted", "extrapolated", "duplicates"

LEAST_TAIL, LARGEST_TAIL = 10, 0.1
"""Values of the smallest tail that is fitted; and the share of all values in the largest."""


@final
@dataclass(frozen=True)
class Calibration:
    """Fresh data rarely lie below the ``threshold``; how rarely, and how that is known.

    - ``false_alarm``: the probability that a fresh point lies below, averaged over held-out sets.
    - ``family_wise``: the probability that any of ``n`` fresh points does; for an extrapolated threshold an
      upper bound.
    - ``status``: "counted": an order statistic of ``n_held_out`` values; both probabilities are exact for any
      law without ties. "extrapolated": below the values that can be counted, by a power law of
      ``dimension`` (NaN if counted). "duplicates": fresh data hold exact copies (``n_exact`` held-out values
      are 0), so no threshold controls the false alarms; what is not an exact copy is judged as before.
    - ``remark``: what the reader must know, or "".
    """

    threshold: float
    false_alarm: float
    family_wise: float
    status: str
    n: int
    n_held_out: int
    rank: int = 0
    allowed: float = 0.0
    dimension: float = math.nan
    n_exact: int = 0
    remark: str = ""
    reference: ClassVar[str] = "facco2017; hill1975"

    def p_value(self, near: int, exact: int = 0) -> float:
        """Probability that of ``n`` fresh points ``near`` or more lie below the threshold, ``exact`` at 0.

        Exact where counted, else an upper bound. Where held-out data hold no exact copies these count among
        the ``near``.
        """
        if self.n_exact == 0:
            return self._p_near(near)
        total = self.n + self.n_held_out
        of_exact = stats.hypergeom.sf(exact - 1, total, self.n, exact + self.n_exact)
        return min(1.0, 2 * min(float(of_exact), self._p_near(near - exact)))

    def _p_near(self, near: int) -> float:
        h = self.n_held_out - self.n_exact
        if near == 0:
            return 1.0
        if self.rank:
            # Of the near + rank - 1 smallest of all values, at most rank - 1 belong to held-out points.
            below = near + self.rank - 1
            return float(stats.hypergeom.cdf(self.rank - 1, self.n + h, h, below))
        # Each tail alone bounds what passes the least of their thresholds.
        rate = self.allowed / self.n
        return min((tail.at_least(near, self.n, rate) for tail in tails(h)), default=1.0)


@final
@dataclass(frozen=True)
class Tail:
    """The ``count`` smallest of ``total`` values, taken to follow a power law below the largest of them.

    The law is ``F(u) = B (u / edge)^m``, with ``edge`` the largest and ``B`` a beta variable; the mean gap
    ``log(edge / value)`` of the others is gamma distributed about ``1 / m``. A point lies at ``depth`` ``c``
    if ``log(edge / u)`` is ``c`` mean gaps, and ``F`` there depends neither on ``m`` nor on the edge.
    """

    count: int
    total: int

    def depth(self, rate: float) -> float:
        """Where the mean of ``F`` over held-out sets is ``rate``, which lies below ``count / total``."""
        above = self.count / (self.total + 1) / rate
        return (self.count - 1) * (above ** (1 / (self.count - 1)) - 1)

    def threshold(self, ordered: np.ndarray, rate: float) -> float:
        """The value at that depth, given all values ascending."""
        return float(ordered[self.count - 1] * np.exp(-self.depth(rate) * self.mean_gap(ordered)))

    def mean_gap(self, ordered: np.ndarray) -> float:
        """Of the logarithms of the values from that of the edge: one over the dimension (hill1975)."""
        return float(np.log(ordered[self.count - 1] / ordered[: self.count - 1]).mean())

    def at_least(self, near: int, n: int, rate: float) -> float:
        """Bound on the probability that ``near`` >= 1 of ``n`` fresh points lie below the threshold.

        Markov's inequality for the factorial moments of their number: ``C(n, i) E[F^i] / C(near, i)``, the
        least of all ``i <= near``. For ``near`` 1 it is ``n rate``.
        """
        i = np.arange(1, min(near, n) + 1)
        k, h = self.count, self.total
        of_edge = gammaln(k + i) - gammaln(k) + gammaln(h + 1) - gammaln(h + 1 + i)
        moment = of_edge - (k - 1) * np.log1p(i * self.depth(rate) / (k - 1))
        bound = _log_choose(n, i) + moment - _log_choose(near, i)
        return float(np.exp(min(bound.min(), 0.0)))


def tails(total: int) -> tuple[Tail, ...]:
    """The 10, 20, 40, ... smallest of ``total`` values, up to a tenth; none of 10 values or fewer.

    >>> [tail.count for tail in tails(500)]
    [10, 20, 40]
    """
    if total <= LEAST_TAIL:
        return ()
    doublings = int(math.log2(max(LARGEST_TAIL * total / LEAST_TAIL, 1)))
    return tuple(Tail(LEAST_TAIL * 2**i, total) for i in range(doublings + 1))


def calibrate(held_out: np.ndarray, n: int, family_wise: float = 0.05) -> Calibration:
    """The threshold that any of ``n`` fresh points passes with probability ``family_wise`` at most.

    ``held_out`` ``(h,)`` are values of fresh data, >= 0. If ``h`` is large enough it is the smallest of them,
    passed with probability ``n / (n + h)``. Else the tail is extrapolated, from several numbers of values;
    the least threshold counts, and never one above the smallest value: a fit to many values is precise, one
    to few is right also where data of several dimensions are mixed. Raises ``ValueError`` unless
    0 < ``family_wise`` < 1.

    >>> few = calibrate(np.random.default_rng(0).random(2000) ** (1 / 8), 1000)
    >>> few.status, round(few.threshold, 2), round(few.dimension, 1), few.false_alarm
    ('extrapolated', 0.21, 6.8, 5e-05)
    >>> calibrate(np.linspace(0.4, 1, 2000), 100).threshold
    0.4
    """
    if not 0 < family_wise < 1:
        raise ValueError(f"family_wise must be > 0 and < 1, got {family_wise:g}; 0.05 is usual")
    positive = np.sort(held_out[held_out > 0])
    h, n_exact = len(positive), len(held_out) - len(positive)
    if n / (n + h) <= family_wise:
        found = _counted(positive, n, 1)
    else:
        found = _extrapolated(positive, n, family_wise)
    return found if n_exact == 0 else _with_duplicates(found, len(held_out), n_exact)


def calibrate_rate(held_out: np.ndarray, n: int, false_alarm: float) -> Calibration:
    """The order statistic of ``held_out`` that a fresh point passes with probability ``false_alarm`` at most.

    More sensitive than `calibrate`, at the price of ``n false_alarm`` false alarms. Raises ``ValueError`` for
    a rate that so few held-out points cannot calibrate.
    """
    h = len(held_out)
    rank = math.floor(false_alarm * (h + 1) * (1 + 1e-12))
    if not 1 <= rank <= h:
        raise ValueError(
            f"a false-alarm rate of {false_alarm:g} cannot be calibrated with {h} held-out points; choose "
            f"one between {1 / (h + 1):.3g} and {h / (h + 1):.3g}, or hold out more"
        )
    return _counted(np.sort(held_out), n, rank)


def _counted(ordered: np.ndarray, n: int, rank: int) -> Calibration:
    h, i = len(ordered), np.arange(rank)
    # Nobody passes if the first `rank` of all are held-out points.
    none = float(np.prod((h - i) / (n + h - i)))
    return Calibration(float(ordered[rank - 1]), rank / (h + 1), 1 - none, COUNTED, n, h, rank)


def _extrapolated(ordered: np.ndarray, n: int, family_wise: float) -> Calibration:
    h, rate = len(ordered), family_wise / n
    fits = [(tail.threshold(ordered, rate), tail) for tail in tails(h)]
    if not fits:
        remark = f"only {h} held-out points are no training points: only exact copies are near-copies"
        return Calibration(0.0, 0.0, 0.0, EXTRAPOLATED, n, h, allowed=family_wise, remark=remark)
    threshold, tail = min(fits, key=lambda fit: fit[0])
    gap = tail.mean_gap(ordered)
    return Calibration(
        min(threshold, float(ordered[0])),
        rate,
        family_wise,
        EXTRAPOLATED,
        n,
        h,
        allowed=family_wise,
        dimension=1 / gap if gap > 0 else math.inf,
        remark=_few(h),
    )


def _few(h: int) -> str:
    needed = round(LEAST_TAIL / LARGEST_TAIL)
    if h >= needed:
        return ""
    return (
        f"only {h} held-out points calibrate near-copies: their {LEAST_TAIL} nearest are no tail, so "
        f"false alarms may be more frequent than stated; hold out {needed} or more"
    )


def _with_duplicates(found: Calibration, n_held_out: int, n_exact: int) -> Calibration:
    rate = n_exact / n_held_out + found.false_alarm
    remark = (
        f"{n_exact} of {n_held_out} held-out points are training points (distance 0): so are fresh data now "
        "and then, and exact copies among the samples are false alarms at that rate; remove duplicates "
        "between the two sets"
    )
    return Calibration(
        found.threshold,
        min(rate, 1.0),
        1 - (1 - min(rate, 1.0)) ** found.n,
        DUPLICATES,
        found.n,
        n_held_out,
        found.rank,
        found.allowed,
        found.dimension,
        n_exact,
        " ".join(filter(None, (remark, found.remark))),
    )


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
