"""At which noise level a curve of dimension over sigma is read: where it rests, or at its knee."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, final

import numpy as np

from scorelens.core import checks

STATUSES: Final = {
    "plateau": "the curve rests: the dimension is read there",
    "ambient": "the curve rests at the ambient dimension only: no lower dimension is seen at these levels",
    "point": "dimension 0 at all levels: isolated points (a memorised set below its spacing, or far noise)",
    "knee": "the curve falls and bends: the dimension is read at the bend",
    "no plateau": "the curve never rests: the value is read where it varies least, and is no dimension",
    "no knee": "the curve does not fall: the value is read where it varies least, and is no dimension",
    "not finite": "the denoiser or its derivative is not finite at these levels",
}
"""What is said of every point, and what it means."""


class Reading(NamedTuple):
    """``value`` read at ``sigma``, over ``levels`` (a slice of the curve), its ``drift`` and ``status``."""

    value: float
    sigma: float
    drift: float
    levels: slice
    status: str


class Rule(ABC):
    """How one number is read off a curve."""

    name: ClassVar[str]
    reference: ClassVar[str]

    @abstractmethod
    def read(self, sigmas: np.ndarray, values: np.ndarray, ambient: int) -> Reading:
        """Read ``values (s,)`` at ascending ``sigmas (s,)``; ``ambient`` is the number of coordinates.

        Raises ``ValueError`` for fewer levels than the rule needs.
        """


@final
@dataclass(frozen=True)
class Plateau(Rule):
    """The mean over the stretch of ``sigma`` by a factor ``span`` where the curve varies least.

    A stretch counts as a plateau if the curve varies there by at most ``tolerance`` of its mean, or by
    half a dimension, whichever is more.
    Stretches within half a dimension of 0 (isolated points) or of the ambient dimension (everything is noise)
    are read only if there is no other plateau, and said so.

    >>> sigmas = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    >>> Plateau().read(sigmas, np.array([0.0, 0.1, 2.0, 5.1, 5.0, 4.9, 2.0]), 20)
    Reading(value=5.0, sigma=0.215, drift=0.2, levels=slice(3, 6, None), status='plateau')
    """

    span: float = 3.0
    tolerance: float = 0.1
    name: ClassVar[str] = "plateau"
    reference: ClassVar[str] = "kamkari2024, Sec. 4"

    def __post_init__(self) -> None:
        checks.positive("span", self.span - 1, "give a factor above 1")
        checks.positive("tolerance", self.tolerance)

    def read(self, sigmas: np.ndarray, values: np.ndarray, ambient: int) -> Reading:
        stretches = _stretches(sigmas, self.span)
        if not stretches:
            raise ValueError(
                f"sigmas must span a factor of at least {self.span:g}, got "
                f"{sigmas[0]:g} to {sigmas[-1]:g}; give more levels or a smaller span"
            )
        readings = [_mean(sigmas, values, part) for part in stretches]
        sound = [found for found in readings if np.isfinite(found.value)]
        if not sound:
            return readings[0]._replace(status="not finite")
        resting = [found for found in sound if found.drift <= max(self.tolerance * found.value, 0.5)]
        inside = [found for found in resting if 0.5 < found.value < ambient - 0.5]
        if inside:
            return _steadiest(inside)._replace(status="plateau")
        full = [found for found in resting if found.value >= ambient - 0.5]
        if full:
            return _steadiest(full)._replace(status="ambient")
        if len(resting) == len(sound):
            return _steadiest(sound)._replace(status="point")
        return _steadiest([found for found in sound if found.value > 0.5] or sound)


@final
@dataclass(frozen=True)
class Knee(Rule):
    """The bend of a falling, convex curve over log sigma: the point farthest below its chord (kneedle).

    For trained networks, whose curves fall from the ambient dimension at small noise. ``drift`` is the
    difference from the next level.

    >>> sigmas = np.array([0.01, 0.1, 1.0, 10.0])
    >>> Knee().read(sigmas, np.array([20.0, 5.0, 4.0, 3.0]), 20).value
    5.0
    """

    name: ClassVar[str] = "knee"
    reference: ClassVar[str] = "satopaa2011; kamkari2024, Sec. 4"

    def read(self, sigmas: np.ndarray, values: np.ndarray, ambient: int) -> Reading:
        checks.at_least("the number of sigmas", len(sigmas), 3, "a bend needs three levels")
        if not np.isfinite(values).all():
            return Reading(np.nan, float(sigmas[0]), np.nan, slice(0, 1), "not finite")
        along = np.log(sigmas / sigmas[0]) / np.log(sigmas[-1] / sigmas[0])
        below = values[0] + along * (values[-1] - values[0]) - values
        at = int(below.argmax())
        if not (values[-1] < values[0] and below[at] > 0.05 * (values[0] - values[-1])):
            two = [_mean(sigmas, values, slice(i, i + 2)) for i in range(len(sigmas) - 1)]
            return _steadiest(two)._replace(status="no knee")
        drift = abs(float(values[at + 1] - values[at]))
        return Reading(float(values[at]), float(sigmas[at]), drift, slice(at, at + 1), "knee")


def _stretches(sigmas: np.ndarray, span: float) -> list[slice]:
    """For each first level the shortest stretch that covers ``span``, of two levels at least."""
    found = []
    for first in range(len(sigmas) - 1):
        last = np.searchsorted(sigmas, span * sigmas[first] * (1 - 1e-9))
        if last < len(sigmas):
            found.append(slice(first, int(max(last, first + 1)) + 1))
    return found


def _mean(sigmas: np.ndarray, values: np.ndarray, part: slice) -> Reading:
    held = values[part]
    level = float(np.exp(np.log(sigmas[part]).mean()))
    return Reading(float(held.mean()), level, float(np.ptp(held)), part, "no plateau")


def _steadiest(readings: list[Reading]) -> Reading:
    """Least drift relative to the value; below one dimension, relative to one."""
    return min(readings, key=lambda found: found.drift / max(found.value, 1.0))


RULES: tuple[type[Rule], ...] = (Plateau, Knee)
