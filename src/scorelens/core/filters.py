"""Filters: functions of the eigenvalues that turn a normal equation into a solution.

A filter is a stable stand-in for ``1 / eigenvalue``. Minimum norm and ridge solutions, early-stopped
iterations and training time itself are filters of the same spectrum (Engl, Hanke & Neubauer 1996).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks

_LEAST = float(np.finfo(float).tiny)


class Filter(ABC):
    """``filter(eigenvalue)`` approximates ``1 / eigenvalue``: any shape, ``eigenvalue >= 0``, float64.

    Raises ``ValueError`` for a negative or non-finite eigenvalue.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    bound: ClassVar[float]
    """Largest value of ``eigenvalue * filter``: 1, or 2 where the residual may change sign."""

    def __call__(self, eigenvalue: ArrayLike) -> np.ndarray:
        """Stand-in for ``1 / eigenvalue``, same shape; finite at eigenvalue 0."""
        return self._filter(self._valid(eigenvalue))

    def residual(self, eigenvalue: ArrayLike) -> np.ndarray:
        """``1 - eigenvalue * filter(eigenvalue)``, the part not yet solved, without cancellation."""
        return self._residual(self._valid(eigenvalue))

    @property
    @abstractmethod
    def qualification(self) -> float:
        """Largest ``q`` with ``eigenvalue^q |residual| <= c regularization^q`` for all eigenvalues."""

    @property
    @abstractmethod
    def regularization(self) -> float:
        """Eigenvalue scale below which the filter no longer inverts; 0 would be ``1 / eigenvalue``."""

    @abstractmethod
    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray: ...

    def _valid(self, eigenvalue: ArrayLike) -> np.ndarray:
        checks.non_negative(
            "eigenvalue", eigenvalue, "set rounding noise of a semi-definite matrix to 0 first"
        )
        return np.asarray(eigenvalue, dtype=float)


@final
@dataclass(frozen=True)
class MinimumNorm(Filter):
    """The pseudo-inverse: ``1 / eigenvalue`` above the numerical rank's tolerance, 0 below.

    >>> MinimumNorm.at_precision_of([4.0, 2.0, 1e-18])([4.0, 2.0, 1e-18])
    array([0.25, 0.5 , 0.  ])
    """

    rank_tolerance: float = _LEAST
    name: ClassVar[str] = "minimum-norm"
    reference: ClassVar[str] = "engl1996, Moore-Penrose inverse"
    bound: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        checks.positive("rank_tolerance", self.rank_tolerance, "eigenvalues of 0 have no inverse")

    @classmethod
    def at_precision_of(cls, eigenvalues: ArrayLike) -> MinimumNorm:
        """Tolerance ``n eps max(eigenvalues)``: what rounding leaves of a matrix's zero eigenvalues."""
        values = np.asarray(eigenvalues, dtype=float)
        checks.at_least("the number of eigenvalues", values.size, 1)
        return cls(max(values.size * float(np.finfo(float).eps) * float(values.max()), _LEAST))

    @property
    def qualification(self) -> float:
        return math.inf

    @property
    def regularization(self) -> float:
        return self.rank_tolerance

    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray:
        return _cut_inverse(eigenvalue, self.rank_tolerance)

    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray:
        return np.where(eigenvalue < self.rank_tolerance, 1.0, 0.0)


@final
@dataclass(frozen=True)
class SpectralCutoff(Filter):
    """``1 / eigenvalue`` from ``cutoff`` on, 0 below: a chosen cut instead of the numerical rank."""

    cutoff: float
    name: ClassVar[str] = "spectral-cutoff"
    reference: ClassVar[str] = "engl1996, truncated singular values"
    bound: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        checks.positive("cutoff", self.cutoff, "for no regularization use MinimumNorm")

    @property
    def qualification(self) -> float:
        return math.inf

    @property
    def regularization(self) -> float:
        return self.cutoff

    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray:
        return _cut_inverse(eigenvalue, self.cutoff)

    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray:
        return np.where(eigenvalue < self.cutoff, 1.0, 0.0)


@final
@dataclass(frozen=True)
class Ridge(Filter):
    """``1 / (eigenvalue + ridge)``, Tikhonov regularization.

    >>> float(Ridge(0.5)(1.5))
    0.5
    """

    ridge: float
    name: ClassVar[str] = "ridge"
    reference: ClassVar[str] = "engl1996, Tikhonov regularization"
    bound: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        checks.positive("ridge", self.ridge, "for no regularization use MinimumNorm")

    @property
    def qualification(self) -> float:
        return 1.0

    @property
    def regularization(self) -> float:
        return self.ridge

    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray:
        return 1 / (eigenvalue + self.ridge)

    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray:
        return self.ridge / (eigenvalue + self.ridge)


@final
@dataclass(frozen=True)
class GradientFlow(Filter):
    """Training time as a filter: gradient flow from zero, ``(1 - exp(-eigenvalue flow_time)) / eigenvalue``.

    ``flow_time`` is learning rate x training time, with the factor of the loss (2 for a plain square).

    >>> GradientFlow(3.0)([0.0, 1.0]).round(4)
    array([3.    , 0.9502])
    """

    flow_time: float
    name: ClassVar[str] = "gradient-flow"
    reference: ClassVar[str] = "engl1996, asymptotic regularization; learning dynamics, section 13"
    bound: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        checks.positive("flow_time", self.flow_time)

    @property
    def qualification(self) -> float:
        return math.inf

    @property
    def regularization(self) -> float:
        return 1 / self.flow_time

    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray:
        exponent = self._exponent(eigenvalue)
        early = self.flow_time * _ratio(-np.expm1(-exponent), np.minimum(exponent, 1.0), 1.0)
        late = _ratio(-np.expm1(-exponent), eigenvalue, 0.0)
        return np.where(exponent < 1, early, late)

    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray:
        return np.exp(-self._exponent(eigenvalue))

    def _exponent(self, eigenvalue: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # an infinite exponent is a finished solution
            return eigenvalue * self.flow_time


@final
@dataclass(frozen=True)
class Landweber(Filter):
    """Gradient descent of ``n_steps`` from zero: residual ``(1 - step eigenvalue)^n_steps``.

    Raises ``ValueError`` at an eigenvalue where it diverges, ``step * eigenvalue >= 2``.

    >>> Landweber(step=0.5, n_steps=2)([0.0, 1.0, 2.0])
    array([1.  , 0.75, 0.5 ])
    """

    step: float
    n_steps: int
    name: ClassVar[str] = "landweber"
    reference: ClassVar[str] = "engl1996, Landweber iteration; learning dynamics, section 2.3"
    bound: ClassVar[float] = 2.0

    def __post_init__(self) -> None:
        checks.positive("step", self.step)
        checks.at_least("n_steps", self.n_steps, 1)

    @property
    def qualification(self) -> float:
        return math.inf

    @property
    def regularization(self) -> float:
        return 1 / (self.step * self.n_steps)

    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray:
        scaled = self._scaled(eigenvalue)
        flips = (scaled > 1) & (self.n_steps % 2 == 1)
        power = self._log_power(scaled)
        solved = np.where(flips, 1 + np.exp(power), -np.expm1(power))
        return self.step * _ratio(solved, scaled, float(self.n_steps))

    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray:
        scaled = self._scaled(eigenvalue)
        flips = (scaled > 1) & (self.n_steps % 2 == 1)
        return np.where(flips, -1.0, 1.0) * np.exp(self._log_power(scaled))

    def _log_power(self, scaled: np.ndarray) -> np.ndarray:
        """``n log|1 - scaled|``, accurate at both ends of ``[0, 2]``; minus infinity at 1."""
        with np.errstate(divide="ignore"):
            return self.n_steps * np.log1p(-np.minimum(scaled, 2 - scaled))

    def _scaled(self, eigenvalue: np.ndarray) -> np.ndarray:
        return _below(self.step * eigenvalue, 2.0, strict=True, why="gradient descent diverges there")


@final
@dataclass(frozen=True)
class NuMethod(Filter):
    """Brakhage's nu-method: accelerated gradient descent, ``n`` steps of it do what ``n^2`` of Landweber do.

    The residual is a Jacobi polynomial in ``step * eigenvalue``, which must lie in ``[0, 1]``.

    >>> float(NuMethod(step=1.0, n_steps=1, nu=1.0)(0.5))
    1.2
    """

    step: float
    n_steps: int
    nu: float = 1.0
    name: ClassVar[str] = "nu-method"
    reference: ClassVar[str] = "engl1996, nu-methods; brakhage1987"
    bound: ClassVar[float] = 2.0

    def __post_init__(self) -> None:
        checks.positive("step", self.step)
        checks.at_least("n_steps", self.n_steps, 1)
        checks.positive("nu", self.nu)

    @property
    def qualification(self) -> float:
        return self.nu

    @property
    def regularization(self) -> float:
        return 1 / (self.step * self.n_steps**2)

    def _filter(self, eigenvalue: np.ndarray) -> np.ndarray:
        return self.step * self._iterate(eigenvalue)[0]

    def _residual(self, eigenvalue: np.ndarray) -> np.ndarray:
        return self._iterate(eigenvalue)[1]

    def _iterate(self, eigenvalue: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Filter (in units of ``step``) and residual, each by its own three-term recurrence."""
        scaled = _below(self.step * eigenvalue, 1.0, strict=False, why="the method is made for [0, 1]")
        solution, residual = np.zeros_like(scaled), np.ones_like(scaled)
        last_solution, last_residual = solution, residual
        for k in range(1, self.n_steps + 1):
            momentum, weight = self._coefficients(k)
            step = weight * residual
            solution, last_solution = solution + momentum * (solution - last_solution) + step, solution
            residual, last_residual = (
                residual + momentum * (residual - last_residual) - scaled * step,
                residual,
            )
        return solution, residual

    def _coefficients(self, k: int) -> tuple[float, float]:
        # engl1996, nu-methods, with momentum 0 at the first step
        nu = self.nu
        shared = (k + 2 * nu - 1) * (2 * k + 4 * nu - 1)
        momentum = (
            (k - 1) * (2 * k - 3) * (2 * k + 2 * nu - 1) / (shared * (2 * k + 2 * nu - 3)) if k > 1 else 0.0
        )
        return momentum, 4 * (2 * k + 2 * nu - 1) * (k + nu - 1) / shared


ALL: tuple[type[Filter], ...] = (MinimumNorm, SpectralCutoff, Ridge, GradientFlow, Landweber, NuMethod)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, limit: float) -> np.ndarray:
    """``numerator / denominator``, and ``limit`` where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(denominator.shape, limit), where=denominator > 0)


def _cut_inverse(eigenvalue: np.ndarray, cutoff: float) -> np.ndarray:
    return np.divide(1.0, eigenvalue, out=np.zeros(eigenvalue.shape), where=eigenvalue >= cutoff)


def _below(scaled: np.ndarray, limit: float, *, strict: bool, why: str) -> np.ndarray:
    """``step * eigenvalue`` if all of it stays below ``limit``; otherwise refuse the step."""
    largest = float(np.max(scaled, initial=0.0))
    if largest > limit or (strict and largest == limit):
        sign = "<" if strict else "<="
        raise ValueError(
            f"step * eigenvalue must be {sign} {limit:g}, got {largest:g}; {why}: take a smaller step"
        )
    return scaled
