"""Linear noise schedules with any drift and diffusion: the noise they have added by a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple, final

import numpy as np
from numpy.polynomial import Polynomial as Series
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.core.processes import NoiseProcess
from scorelens.generalization.decaying_integral import DecayingIntegral
from scorelens.generalization.quadrature import integral_from_zero

_EARLY = 1e-14


class SmallTime(NamedTuple):
    """``variance(t) ~ coefficient t^power`` as ``t -> 0``."""

    coefficient: float
    power: float


class Schedule(ABC):
    """``dx = -beta(t) x dt + g(t) dw``, hence ``x_t = alpha(t) x_0 + sigma_t n``, with ``n`` standard normal.

    ``alpha = exp(-int beta)``, and ``sigma^2`` solves ``d sigma^2 / dt = -2 beta sigma^2 + g^2`` from 0: its
    integral is ``int_0^t g_u^2 (alpha_t / alpha_u)^2 du`` (generalisation, [G1]). Times are >= 0, in any unit
    ``T``; ``beta`` has the unit ``1/T`` and ``g^2`` that of ``x^2 / T``. NumPy float64, any shape of ``t``.
    """

    name: ClassVar[str]
    reference: ClassVar[str]

    def alpha(self, t: ArrayLike) -> np.ndarray:
        """Multiplier of the data, dimensionless."""
        return self._alpha(_time(t))

    def variance(self, t: ArrayLike) -> np.ndarray:
        """``sigma_t^2``, in squared data units, to a relative accuracy near rounding also at small ``t``."""
        return self._variance(_time(t))

    def std(self, t: ArrayLike) -> np.ndarray:
        """``sigma_t``, in data units."""
        return np.sqrt(self.variance(t))

    def accumulated_variance(self, t: ArrayLike) -> np.ndarray:
        """``Z(t) = int_0^t sigma_u^2 du``; the ``Z_sigma`` of [G6] at the last time."""
        return integral_from_zero(self._variance, _time(t))

    def beta(self, t: ArrayLike) -> np.ndarray:
        """Rate at which the data shrink."""
        return self._beta(_time(t))

    def diffusion_squared(self, t: ArrayLike) -> np.ndarray:
        """``g(t)^2``."""
        return self._diffusion_squared(_time(t))

    @property
    @abstractmethod
    def small_time(self) -> SmallTime:
        """How the noise begins; a power of 1 wherever ``g^2(0) > 0``."""

    @abstractmethod
    def _alpha(self, t: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _variance(self, t: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _beta(self, t: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _diffusion_squared(self, t: np.ndarray) -> np.ndarray: ...


@final
@dataclass(frozen=True)
class PolynomialSchedule(Schedule):
    """``beta(t)`` and ``g^2(t)`` by their coefficients in rising powers of ``t``.

    ``beta_coefficients=[0], g2_coefficients=[1]`` is Brownian noise on resting data (``sigma^2 = t``); a
    ``g^2`` of twice ``beta`` is variance preserving. ``ValueError`` where ``g^2`` is 0 at all times.

    >>> PolynomialSchedule([1.0], [0.0, 2.0]).variance([0.3, 1.0]).round(6)
    array([0.074406, 0.567668])
    """

    beta_coefficients: Sequence[float]
    g2_coefficients: Sequence[float]
    name: ClassVar[str] = "polynomial"
    reference: ClassVar[str] = "generalisation, [G1]"

    def __post_init__(self) -> None:
        for field in ("beta_coefficients", "g2_coefficients"):
            found = _coefficients(field, getattr(self, field))
            object.__setattr__(self, field, tuple(float(c) for c in found))
        if not any(self.g2_coefficients):
            raise ValueError("g2_coefficients must not all be 0: there would be no noise; give g^2 > 0")

    @property
    def small_time(self) -> SmallTime:
        first = next(n for n, c in enumerate(self.g2_coefficients) if c)
        return SmallTime(self.g2_coefficients[first] / (first + 1), first + 1.0)

    @cached_property
    def _shrink(self) -> Series:
        """``int_0^t beta``."""
        return Series(self.beta_coefficients).integ()

    @cached_property
    def _ratio(self) -> float | None:
        """``g^2 / (2 beta)`` where that is a constant."""
        beta, g2 = (np.trim_zeros(np.array(c), "b") for c in (self.beta_coefficients, self.g2_coefficients))
        if len(beta) != len(g2):
            return None
        ratio = g2[-1] / (2 * beta[-1])
        same = np.allclose(2 * beta * ratio, g2, rtol=4 * np.finfo(float).eps, atol=0.0)
        return float(ratio) if same else None

    def _alpha(self, t: np.ndarray) -> np.ndarray:
        return np.exp(-self._shrink(t))

    def _variance(self, t: np.ndarray) -> np.ndarray:
        if not any(self.beta_coefficients):
            return _positive(Series(self.g2_coefficients).integ()(t), t)
        if self._ratio is not None:
            return -self._ratio * np.expm1(-2 * self._shrink(t))
        return _positive(_noise(self, _reach(t))(t), t)

    def _beta(self, t: np.ndarray) -> np.ndarray:
        return Series(self.beta_coefficients)(t)

    def _diffusion_squared(self, t: np.ndarray) -> np.ndarray:
        return Series(self.g2_coefficients)(t)


@final
@dataclass(frozen=True)
class SubVariancePreservingSchedule(Schedule):
    """``g^2 = 2 beta (1 - alpha^4)`` for a polynomial ``beta``: ``sigma^2 = (1 - alpha^2)^2`` ([G1]).

    >>> SubVariancePreservingSchedule([1.0]).variance(20.0).round(12)
    np.float64(1.0)
    """

    beta_coefficients: Sequence[float]
    name: ClassVar[str] = "sub-vp"
    reference: ClassVar[str] = "generalisation, [G1]; song2021, Eq. 12"

    def __post_init__(self) -> None:
        found = _coefficients("beta_coefficients", self.beta_coefficients)
        object.__setattr__(self, "beta_coefficients", tuple(float(c) for c in found))
        if not any(self.beta_coefficients):
            raise ValueError("beta_coefficients must not all be 0: there would be no noise")

    @property
    def small_time(self) -> SmallTime:
        first = next(n for n, c in enumerate(self.beta_coefficients) if c)
        return SmallTime((2 * self.beta_coefficients[first] / (first + 1)) ** 2, 2.0 * (first + 1))

    @cached_property
    def _shrink(self) -> Series:
        return Series(self.beta_coefficients).integ()

    def _alpha(self, t: np.ndarray) -> np.ndarray:
        return np.exp(-self._shrink(t))

    def _variance(self, t: np.ndarray) -> np.ndarray:
        return np.expm1(-2 * self._shrink(t)) ** 2

    def _beta(self, t: np.ndarray) -> np.ndarray:
        return Series(self.beta_coefficients)(t)

    def _diffusion_squared(self, t: np.ndarray) -> np.ndarray:
        return -2 * self._beta(t) * np.expm1(-4 * self._shrink(t))


@final
@dataclass(frozen=True)
class ProcessSchedule(Schedule):
    """A noise process of `scorelens.core.processes`, on its own process time.

    EDM's process has ``sigma`` itself for a time, so its variance begins as ``t^2``.

    >>> from scorelens.core.processes import VarianceExploding
    >>> ProcessSchedule(VarianceExploding()).small_time
    SmallTime(coefficient=1.0, power=2.0)
    """

    process: NoiseProcess
    name: ClassVar[str] = "process"
    reference: ClassVar[str] = "generalisation, [G1]"

    @property
    def small_time(self) -> SmallTime:
        # read off at a time so early that the next power of it is below rounding
        early = self._variance(np.array([_EARLY, 2 * _EARLY]))
        power = float(np.round(np.log2(early[1] / early[0])))
        return SmallTime(float(early[0] / _EARLY**power), power)

    def _alpha(self, t: np.ndarray) -> np.ndarray:
        return self.process.alpha(t)

    def _variance(self, t: np.ndarray) -> np.ndarray:
        return self.process.std(t) ** 2

    def _beta(self, t: np.ndarray) -> np.ndarray:
        return -self.process.drift(t)

    def _diffusion_squared(self, t: np.ndarray) -> np.ndarray:
        return self.process.diffusion(t) ** 2


def _time(t: ArrayLike) -> np.ndarray:
    found = np.asarray(t, dtype=float)
    checks.non_negative("t", found)
    return found


def _coefficients(name: str, values: ArrayLike) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"{name} must be a list of at least one number, got shape {found.shape}")
    checks.finite(name, found)
    return found


def _positive(variance: np.ndarray, t: np.ndarray) -> np.ndarray:
    bad = (variance < 0) | ((variance == 0) & (t > 0))
    if bad.any():
        raise ValueError(
            f"sigma^2 must be > 0 at every t > 0, got {variance[bad][0]:g} at t = {t[bad][0]:g}; "
            "g^2 must be >= 0 at all times up to there"
        )
    return variance


def _reach(t: np.ndarray) -> float:
    """The next quarter of an octave above all times: one integration serves many calls, and none goes far
    beyond the times that are asked for."""
    latest = float(t.max(initial=0.0))
    return max(latest, float(2.0 ** (np.ceil(4 * np.log2(latest)) / 4))) if latest else 1.0


@lru_cache(maxsize=256)
def _noise(schedule: PolynomialSchedule, end: float) -> DecayingIntegral:
    """``sigma^2`` up to ``end`` ([G1], not the integral of ``g_u^2 alpha_u^2``)."""

    exponents = polynomial.polyint(np.multiply(2.0, schedule.beta_coefficients))
    return DecayingIntegral.up_to(
        end,
        lambda t: polynomial.polyval(t, schedule.g2_coefficients),
        lambda t: polynomial.polyval(t, exponents),
    )


BROWNIAN = PolynomialSchedule((0.0,), (1.0,))
"""``alpha = 1`` and ``sigma^2 = t``."""
