"""When a mode counts as emerged: thresholds between where its variance starts and where it is bound."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks

_FAR = 30.0


class Criterion(ABC):
    """A threshold as a function of ``distance = log(target / start)``, the way a mode has to go.

    ``threshold`` is ``log(threshold / start)``, of the sign of ``distance``; 0 means: there from the start.
    """

    name: ClassVar[str]

    @abstractmethod
    def threshold(self, distance: np.ndarray) -> np.ndarray:
        """``log(threshold / start)``, same shape as ``distance``; ``-inf`` for an unreachable target 0."""

    @abstractmethod
    def slope(self, distance: np.ndarray) -> np.ndarray:
        """Derivative of ``threshold`` by ``distance``."""


@final
class Harmonic(Criterion):
    """Harmonic mean of start and target, the published choice (Wang & Pehlevan 2025)."""

    name: ClassVar[str] = "harmonic"

    def threshold(self, distance: np.ndarray) -> np.ndarray:
        return -_log_mean_with_one(-np.asarray(distance))

    def slope(self, distance: np.ndarray) -> np.ndarray:
        return _logistic(-np.asarray(distance))


@final
class Geometric(Criterion):
    """Geometric mean: half the way in the logarithm.

    >>> float(Geometric().threshold(np.array(3.0)))
    1.5
    """

    name: ClassVar[str] = "geometric"

    def threshold(self, distance: np.ndarray) -> np.ndarray:
        return 0.5 * np.asarray(distance)

    def slope(self, distance: np.ndarray) -> np.ndarray:
        return np.full_like(distance, 0.5)


@final
class Arithmetic(Criterion):
    """Arithmetic mean of start and target."""

    name: ClassVar[str] = "arithmetic"

    def threshold(self, distance: np.ndarray) -> np.ndarray:
        return _log_mean_with_one(np.asarray(distance))

    def slope(self, distance: np.ndarray) -> np.ndarray:
        return _logistic(np.asarray(distance))


@final
class Band(Criterion):
    """Within a factor ``factor > 1`` of the target; a mode that starts in its band is there from the
    start."""

    name: ClassVar[str] = "band"

    def __init__(self, factor: float = 1.25) -> None:
        if not 1.0 < factor < math.inf:
            raise ValueError(
                f"band must be a factor > 1, got {factor:g}; 1.25 means 0.8 to 1.25 times the target"
            )
        self.factor = factor

    def threshold(self, distance: np.ndarray) -> np.ndarray:
        distance = np.asarray(distance)
        return np.sign(distance) * np.maximum(np.abs(distance) - math.log(self.factor), 0.0)

    def slope(self, distance: np.ndarray) -> np.ndarray:
        return np.where(np.abs(distance) > math.log(self.factor), 1.0, 0.0)


CRITERIA: tuple[type[Criterion], ...] = (Harmonic, Geometric, Arithmetic, Band)


def criterion_named(name: str, band: float = 1.25) -> Criterion:
    """The criterion of that name; ``band`` is the factor of the one called ``band``.

    Raises ``ValueError`` for an unknown name (naming the nearest) and for a factor not above 1.

    >>> criterion_named("harmonic").name
    'harmonic'
    """
    checks.choice("criterion", name, [member.name for member in CRITERIA])
    banded = Band(band)
    if name == Band.name:
        return banded
    return next(member() for member in CRITERIA if member.name == name)


def _log_mean_with_one(distance: np.ndarray) -> np.ndarray:
    """``log((1 + exp(distance)) / 2)``, exact near 0 and without overflow."""
    near = np.log1p(0.5 * np.expm1(np.minimum(distance, _FAR)))
    far = distance + np.log1p(np.exp(-np.maximum(distance, _FAR))) - math.log(2.0)
    return np.where(distance < _FAR, near, far)


def _logistic(distance: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(distance))
    return np.where(distance >= 0.0, 1.0, small) / (1.0 + small)
