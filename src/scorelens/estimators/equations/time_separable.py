"""One basis for all noise levels: features of the point times functions of the time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.estimators.equations.chebyshev import interpolated
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.features.base import SmoothFeatureMap, refuse_too_large


def ornstein_uhlenbeck(time: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """``alpha`` and ``std`` of ``dX = -X dt + sqrt(2) dW`` after ``time``, without cancellation at time 0.

    >>> alpha, std = ornstein_uhlenbeck(0.5)
    >>> round(float(alpha**2 + std**2), 12)
    1.0
    """
    time = np.asarray(time, dtype=float)
    return np.exp(-time), np.sqrt(-np.expm1(-2 * time))


class TimeBasis(ABC):
    """Functions ``c_l`` of the time alone."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def n_functions(self) -> int:
        """Number of functions."""

    @abstractmethod
    def value(self, time: np.ndarray) -> np.ndarray:
        """Each function at each time; ``(n_times, n_functions)``."""

    @abstractmethod
    def breaks(self, start: float, stop: float) -> np.ndarray:
        """``start``, ``stop`` and every time between where a function is not smooth, ascending."""


@final
@dataclass(frozen=True)
class Exponentials(TimeBasis):
    """``c_l(t) = exp(-rate_l t)``; the rate 0 is what remains at late times.

    >>> Exponentials((0.0, 1.0)).value(np.array([0.0, 1.0])).round(4)
    array([[1.    , 1.    ],
           [1.    , 0.3679]])
    """

    rates: tuple[float, ...]
    name: ClassVar[str] = "exponentials"

    def __post_init__(self) -> None:
        checks.at_least("the number of rates", len(self.rates), 1)
        checks.non_negative("rates", self.rates, "a growing function has no limit at late times")

    @property
    def n_functions(self) -> int:
        return len(self.rates)

    def value(self, time: np.ndarray) -> np.ndarray:
        return np.exp(-np.multiply.outer(time, np.asarray(self.rates)))

    def breaks(self, start: float, stop: float) -> np.ndarray:
        return np.array([start, stop])


@final
@dataclass(frozen=True)
class Intervals(TimeBasis):
    """Indicator of each interval between consecutive ``edges``: the system splits into one per interval.

    A time at an edge belongs to the interval that starts there, the last edge to the last interval.

    >>> Intervals((0.0, 1.0, 2.0)).value(np.array([0.0, 1.0, 2.0, 2.1]))
    array([[1., 0.],
           [0., 1.],
           [0., 1.],
           [0., 0.]])
    """

    edges: tuple[float, ...]
    name: ClassVar[str] = "intervals"

    def __post_init__(self) -> None:
        checks.at_least("the number of edges", len(self.edges), 2)
        if not (np.diff(self.edges) > 0).all():
            raise ValueError("edges must increase; sort them and drop repeated ones")

    @property
    def n_functions(self) -> int:
        return len(self.edges) - 1

    def value(self, time: np.ndarray) -> np.ndarray:
        edges = np.asarray(self.edges)
        inside = (time[:, None] >= edges[:-1]) & (time[:, None] < edges[1:])
        inside[:, -1] |= time == edges[-1]
        return inside.astype(float)

    def breaks(self, start: float, stop: float) -> np.ndarray:
        inside = [edge for edge in self.edges if start < edge < stop]
        return np.array([start, *inside, stop])


def uniform_weight(start: float, stop: float) -> Callable[[np.ndarray], np.ndarray]:
    """The uniform density on the times from ``start`` to ``stop``."""
    return lambda time: np.full_like(time, 1 / (stop - start))


def variance_weight(time: np.ndarray) -> np.ndarray:
    """The noise variance at each time: every noise level's error counts alike."""
    return ornstein_uhlenbeck(time)[1] ** 2


def time_separable(
    features: SmoothFeatureMap,
    basis: TimeBasis,
    x0: ArrayLike,
    times: tuple[float, float],
    weight: Callable[[np.ndarray], np.ndarray] | None = None,
    schedule: Callable[[ArrayLike], tuple[np.ndarray, np.ndarray]] = ornstein_uhlenbeck,
) -> NormalEquations:
    """The normal equations of ``sum_lj theta_lj c_l(t) grad phi_j(x)`` over a range of times ([S23]).

    Coefficient ``(l, j)`` has index ``l * m + j``. ``weight`` is a density of times times a loss weight,
    uniform if not given; ``schedule`` maps a time to ``(alpha, std)``. The integral is by Gauss-Legendre
    rules that are refined until two agree to 1e-13. To hold the coefficients of late times fixed, see
    ``NormalEquations.clamped``.

    >>> from scorelens.estimators.features import Hermite
    >>> system = time_separable(Hermite([[2]]), Exponentials((0.0,)), [[1.0]], (0.1, 1.0))
    >>> float(system.vector[0])
    2.0
    """
    start, stop = times
    checks.non_negative("times", times)
    if not start < stop:
        raise ValueError(f"times must be (start, stop) with start < stop, got {times}")
    count = features.n_features * basis.n_functions
    refuse_too_large("the matrix of a time-separable basis", (count, count))
    weight = uniform_weight(start, stop) if weight is None else weight
    x0 = features.points(x0)

    def averages(time: float) -> np.ndarray:
        level = (x0, *(float(value) for value in schedule(time)))
        return np.r_[features.gradient_gram(*level), features.mean_laplacian(*level)[None]]

    averaged = _in_decay(averages, start, stop) if schedule is ornstein_uhlenbeck else averages

    def integrand(time: float) -> tuple[np.ndarray, np.ndarray]:
        at, average = np.array([time]), averaged(time)
        c, loss = basis.value(at)[0], float(weight(at)[0])
        return loss * np.kron(np.outer(c, c), average[:-1]), loss * np.kron(c, average[-1])

    breaks = basis.breaks(start, stop)
    pieces = [_integrated(integrand, *piece) for piece in pairwise(breaks)]
    matrix, vector = (np.sum(part, axis=0) for part in zip(*pieces, strict=True))
    return NormalEquations(matrix, vector)


def _in_decay(
    averages: Callable[[float], np.ndarray], start: float, stop: float
) -> Callable[[float], np.ndarray]:
    """The same function of time from few samples: averages are smooth in ``exp(-t)``, often polynomials."""
    smooth = interpolated(lambda decay: averages(-np.log(decay)), float(np.exp(-stop)), float(np.exp(-start)))
    return lambda time: smooth(float(np.exp(-time)))


def _integrated(
    integrand: Callable[[float], tuple[np.ndarray, np.ndarray]], start: float, stop: float
) -> tuple[np.ndarray, np.ndarray]:
    """Both integrals, by twice the nodes until nothing moves."""
    last = None
    for n_nodes in (16, 32, 64, 128, 256):
        nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
        matrix, vector = 0.0, 0.0
        for node, w in zip((start + stop) / 2 + (stop - start) / 2 * nodes, weights, strict=True):
            at = integrand(float(node))
            matrix, vector = matrix + w * at[0], vector + w * at[1]
        found = np.asarray(matrix) * (stop - start) / 2, np.asarray(vector) * (stop - start) / 2
        if last is not None and all(_agree(*pair) for pair in zip(found, last, strict=True)):
            return found
        last = found
    raise ValueError(
        f"the integral over times from {start:g} to {stop:g} has not settled with 256 nodes; "
        "take a smoother weight or split the range"
    )


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() <= 1e-13 * np.abs(a).max())
