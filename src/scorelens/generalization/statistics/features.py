"""Features in state and time of a score that is linear in its weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.estimators.equations.time_separable import TimeBasis
from scorelens.estimators.features import Affine, Bins, FeatureMap, Fourier, Hermite, Monomials
from scorelens.generalization.laws import DataLaw


class Level(NamedTuple):
    """A noise level ``x = alpha x_0 + std n``, and the time at which a schedule reaches it, if any."""

    alpha: float
    std: float
    time: float | None = None


class ScoreFeatures(ABC):
    """``F`` functions of a point in ``d`` dimensions and of the noise level."""

    name: ClassVar[str]
    reference: ClassVar[str]

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number of features ``F``, a constant included."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension ``d`` of a point."""

    @abstractmethod
    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        """Features at the rows of ``x (n, d)``; ``(n, F)``."""

    @property
    @abstractmethod
    def degree(self) -> int | None:
        """Degree as a polynomial of the point; None for what is no polynomial."""

    @property
    @abstractmethod
    def frequency(self) -> float | None:
        """Largest frequency of features that are waves, 0 for polynomials, None for others."""

    @abstractmethod
    def breaks(self, level: Level) -> tuple[float, ...]:
        """Where a feature jumps, on a line or on each axis; with any, all are constant between them."""

    @abstractmethod
    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        """``start``, ``stop`` and every time between where a feature is not smooth, ascending."""


class SmoothFeatures(ScoreFeatures):
    """Features that are smooth everywhere and at all times, and neither polynomials nor waves."""

    @property
    def degree(self) -> int | None:
        return None

    @property
    def frequency(self) -> float | None:
        return None

    def breaks(self, level: Level) -> tuple[float, ...]:
        return ()

    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        return np.array([start, stop])


@final
@dataclass(frozen=True, eq=False)
class StateFeatures(ScoreFeatures):
    """A map of the point alone, with a constant before it where ``intercept`` is asked.

    ``omit`` leaves out features of the map by their index: of bins that cover the line, one is redundant
    beside a constant.

    >>> halves = StateFeatures(Bins([0.0]), intercept=True, omit=(1,))
    >>> halves.value(np.array([[-1.0], [2.0]]), Level(1.0, 0.1))
    array([[1., 1.],
           [1., 0.]])
    """

    map: FeatureMap
    intercept: bool = False
    omit: tuple[int, ...] = ()
    name: ClassVar[str] = "state"
    reference: ClassVar[str] = "generalisation, section 2"

    def __post_init__(self) -> None:
        m = self.map.n_features
        if any(not -m <= i < m for i in self.omit) or len({i % m for i in self.omit}) < len(self.omit):
            raise ValueError(f"omit must hold distinct indices of {m} features, got {self.omit}")
        checks.at_least("the number of features", self.n_features, 1, "omit fewer")

    @property
    def n_features(self) -> int:
        return self.map.n_features - len(self.omit) + self.intercept

    @property
    def dim(self) -> int:
        return self.map.dim

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        found = self.map.value(x)
        found = np.delete(found, list(self.omit), axis=1) if self.omit else found
        return np.concatenate([np.ones((len(x), 1)), found], axis=1) if self.intercept else found

    @property
    def degree(self) -> int | None:
        if isinstance(self.map, Monomials | Hermite):
            return int(self.map.index.sum(axis=1).max())
        return 1 if isinstance(self.map, Affine) else None

    @property
    def frequency(self) -> float | None:
        if isinstance(self.map, Fourier):
            return float(np.linalg.norm(self.map.frequencies, axis=1).max())
        return None if self.degree is None else 0.0

    def breaks(self, level: Level) -> tuple[float, ...]:
        return tuple(self.map.edges.tolist()) if isinstance(self.map, Bins) else ()

    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        return np.array([start, stop])


@final
@dataclass(frozen=True, eq=False)
class SeparableFeatures(ScoreFeatures):
    """Every feature of ``state`` times every function ``c_l(t)``; index ``l F + j``.

    Indicators of time intervals make the fits of all intervals independent: the time-binned reading.
    """

    state: StateFeatures
    times: TimeBasis
    name: ClassVar[str] = "separable"
    reference: ClassVar[str] = "generalisation, section 5"

    @property
    def n_features(self) -> int:
        return self.state.n_features * self.times.n_functions

    @property
    def dim(self) -> int:
        return self.state.dim

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        if level.time is None:
            raise ValueError("features of the time need a time; give a schedule, or use StateFeatures")
        of_time = self.times.value(np.array([level.time]))[0]
        return (of_time[:, None] * self.state.value(x, level)[:, None]).reshape(len(x), -1)

    @property
    def degree(self) -> int | None:
        return self.state.degree

    @property
    def frequency(self) -> float | None:
        return self.state.frequency

    def breaks(self, level: Level) -> tuple[float, ...]:
        return self.state.breaks(level)

    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        return self.times.breaks(start, stop)


@final
@dataclass(frozen=True, eq=False)
class MixtureFeatures(ScoreFeatures):
    """The parts of a mixture's own score: ``r_m(x) S_m^-1 (alpha mu_m - x)``, index ``m d + i`` ([G29]).

    Their sum over ``m`` is the score of ``law`` at every level: fitted to data from it, the model is well
    specified and has no bias. They are minus the derivatives of ``log p`` by the centres, so their second
    moment is the Fisher information of the centres. With ``d x d`` weights per component these are ``M d``
    features.

    >>> MixtureFeatures(DataLaw.gaussian([1.0], [[3.0]])).value(np.array([[5.0]]), Level(1.0, 1.0))
    array([[-1.]])
    """

    law: DataLaw
    intercept: bool = False
    name: ClassVar[str] = "mixture"
    reference: ClassVar[str] = "generalisation, [G29]"

    @property
    def n_features(self) -> int:
        return self.law.n_components * self.law.dim + self.intercept

    @property
    def dim(self) -> int:
        return self.law.dim

    def value(self, x: np.ndarray, level: Level) -> np.ndarray:
        share = self.law.responsibilities(x, level.alpha, level.std)
        parts = share[..., None] * self.law.component_pull(x, level.alpha, level.std)
        found = parts.reshape(len(x), -1)
        return np.concatenate([np.ones((len(x), 1)), found], axis=1) if self.intercept else found

    @property
    def degree(self) -> int | None:
        return 1 if self.law.n_components == 1 else None

    @property
    def frequency(self) -> float | None:
        return 0.0 if self.law.n_components == 1 else None

    def breaks(self, level: Level) -> tuple[float, ...]:
        return ()

    def time_breaks(self, start: float, stop: float) -> np.ndarray:
        return np.array([start, stop])
