"""Features named before the data's dimension is known: the rule makes them when an estimator is fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.estimators.features import (
    Affine,
    Bins,
    FeatureMap,
    Fourier,
    FourierQuadratic,
    Hermite,
    Monomials,
)


class PlacedByData(ABC):
    """Features whose place is learnt from the data: ``rule(points)`` with clean ``points (n, d)``.

    The points are centred and in units of their root mean variance, in the frame of the estimator.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, points: np.ndarray) -> FeatureMap:
        """Raises ``ValueError`` where the features would not fit in memory, or the points are too few."""


Features = Callable[[int], FeatureMap] | PlacedByData
"""What an estimator takes as its features: a function of the dimension, or of the data."""


def features_for(rule: Features, points: np.ndarray) -> FeatureMap:
    """The features of ``rule`` for ``points (n, d)``."""
    return rule(points) if isinstance(rule, PlacedByData) else rule(points.shape[1])


class FeatureRule(ABC):
    """``rule(dim)`` is a feature map of points of ``dim`` coordinates of unit variance.

    Any function from a dimension to a feature map will do in its place.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, dim: int) -> FeatureMap:
        """Raises ``ValueError``, with the predicted size, where the features would not fit in memory."""


@final
@dataclass(frozen=True)
class AffineRule(FeatureRule):
    """A constant and the coordinates; for `scorelens.estimators.WeightScore` only.

    >>> AffineRule()(3).n_features
    4
    """

    name: ClassVar[str] = "affine"

    def __call__(self, dim: int) -> FeatureMap:
        return Affine(dim)


@final
@dataclass(frozen=True)
class MonomialRule(FeatureRule):
    """Every monomial of total degree 1 to ``degree``; with ``constant``, of degree 0 too.

    >>> MonomialRule(degree=2)(2).n_features
    5
    """

    degree: int = 2
    constant: bool = False
    name: ClassVar[str] = "monomials"

    def __call__(self, dim: int) -> FeatureMap:
        return Monomials(_index(Monomials.of_degree(dim, self.degree).index, self.constant))


@final
@dataclass(frozen=True)
class HermiteRule(FeatureRule):
    """Every Hermite product of total degree 1 to ``degree``; with ``constant``, of degree 0 too.

    >>> HermiteRule(degree=2, constant=True)(2).n_features
    6
    """

    degree: int = 2
    constant: bool = False
    name: ClassVar[str] = "hermite"

    def __call__(self, dim: int) -> FeatureMap:
        return Hermite(_index(Hermite.of_degree(dim, self.degree).index, self.constant))


@final
@dataclass(frozen=True)
class FourierRule(FeatureRule):
    """Waves on a lattice or, with ``n_random``, of random frequencies; with coordinates and squares.

    - ``degree``, ``period``: every wave of ``period`` whose integer frequencies go up to ``degree``.
    - ``n_random``, ``length``, ``seed``: instead, frequencies from ``N(0, I / length^2)``.
    - ``quadratic``: add coordinates and squares, without which no Gaussian can be represented ([S19]).

    Lengths are in standard deviations of the noised data.

    >>> FourierRule(degree=2)(1).n_features, FourierRule(n_random=10, quadratic=False)(1).n_features
    (6, 20)
    """

    degree: int = 3
    period: float = 8.0
    n_random: int | None = None
    length: float = 1.0
    seed: int = 0
    quadratic: bool = True
    name: ClassVar[str] = "fourier"

    def __call__(self, dim: int) -> FeatureMap:
        waves = self._waves(dim)
        return FourierQuadratic(waves) if self.quadratic else waves

    def _waves(self, dim: int) -> Fourier:
        if self.n_random is None:
            return Fourier.lattice(dim, self.degree, self.period)
        return Fourier.random(dim, self.n_random, self.length, self.seed)


@final
@dataclass(frozen=True)
class BinsRule(FeatureRule):
    """``n_bins`` indicators: equal bins up to ``extent`` on both sides, the outer two unbounded.

    One dimension only; for `scorelens.estimators.WeightScore` only. The bins sum to one: ``constant``, one
    more feature, makes them exactly dependent.

    >>> BinsRule(n_bins=4, extent=2.0)(1).arrays()["edges"]
    array([-2.,  0.,  2.])
    """

    n_bins: int = 20
    extent: float = 3.0
    constant: bool = False
    name: ClassVar[str] = "bins"

    def __call__(self, dim: int) -> FeatureMap:
        checks.at_least("n_bins", self.n_bins, 3)
        checks.positive("extent", self.extent)
        if dim != 1:
            raise ValueError(f"bins are made for one dimension, the data have {dim}; take other features")
        return Bins(np.linspace(-self.extent, self.extent, self.n_bins - 1), self.constant)


RULES: tuple[type[FeatureRule], ...] = (AffineRule, MonomialRule, HermiteRule, FourierRule, BinsRule)


def _index(index: np.ndarray, constant: bool) -> np.ndarray:
    return np.concatenate([np.zeros_like(index[:1]), index]) if constant else index
