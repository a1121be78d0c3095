"""How the normal equations of every noise level are solved: one setting of the spectral estimators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, final, runtime_checkable

import numpy as np

from scorelens.core import checks
from scorelens.core.filters import Filter, MinimumNorm
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import Solution, solve_exactly, solve_filtered, solve_penalized
from scorelens.estimators.features.base import FeatureMap


@runtime_checkable
class Rough(Protocol):
    """Features that know how rough each of them is."""

    name: ClassVar[str]

    def roughness(self, order: float = 1) -> np.ndarray:
        """Mean square of the derivative of this order, ``(m,)``, >= 0."""
        ...


@final
@dataclass(frozen=True)
class Roughness:
    """Diagonal penalty ``Lambda_jj`` on derivatives of any Sobolev ``order >= 0`` ([S14], [S15]).

    ``|k|^(2 order)`` for waves, ``degree^order`` times the mean square for polynomials, 0 for the coordinates
    and squares beside waves. Order 1 is the Fisher divergence to the uniform or standard normal law, order 0
    a ridge on normalised features. Raises ``TypeError`` for features without a roughness.

    >>> from scorelens.estimators.features import Fourier
    >>> Roughness(2)(Fourier([[1.0], [2.0]]))
    array([ 1., 16.,  1., 16.])
    """

    order: float = 1

    def __post_init__(self) -> None:
        checks.non_negative("order", self.order)

    def __call__(self, features: Any) -> np.ndarray:
        if not isinstance(features, Rough):
            raise TypeError(
                f"{features.name} features have no roughness; take waves or polynomials, or give the penalty "
                "as a function of the features"
            )
        return features.roughness(self.order)


Penalty = Callable[[Any], np.ndarray]
"""From the features to the diagonal ``(m,)`` of the penalty matrix, for example a `Roughness`."""


class Solver(ABC):
    """Turns normal equations into coefficients; members are frozen dataclasses."""

    name: ClassVar[str]
    reference: ClassVar[str]

    @abstractmethod
    def solve(self, equations: NormalEquations, features: Any) -> Solution:
        """Coefficients of ``features``; ``ValueError`` where the member defines none."""


@final
@dataclass(frozen=True)
class Exact(Solver):
    """The unique minimiser; equations with none, or with several, are refused with rank and residual.

    >>> Exact().solve(NormalEquations([[2.0]], [1.0]), None).theta
    array([-0.5])
    """

    name: ClassVar[str] = "exact"
    reference: ClassVar[str] = "score estimation [S8], [S17]"

    def solve(self, equations: NormalEquations, features: Any) -> Solution:
        try:
            return solve_exactly(equations)
        except ValueError as error:
            # Rank and unseen features would not tell what no data can cure.
            why = features.dependence if isinstance(features, FeatureMap) else ""
            raise ValueError(f"{error}; {why}" if why else str(error)) from None


@final
@dataclass(frozen=True)
class Filtered(Solver):
    """Any filter of the eigenvalues, minimum norm unless given; with ``penalty``, of the scaled equations.

    >>> from scorelens.core.filters import Ridge
    >>> Filtered(Ridge(2.0)).solve(NormalEquations([[2.0]], [1.0]), None).theta
    array([-0.25])
    """

    filter: Filter = field(default_factory=MinimumNorm)
    penalty: Penalty | None = None
    name: ClassVar[str] = "filtered"
    reference: ClassVar[str] = "score estimation [S9], [S10]; engl1996"

    def solve(self, equations: NormalEquations, features: Any) -> Solution:
        return solve_filtered(equations, self.filter, self.penalty and self.penalty(features))


@final
@dataclass(frozen=True)
class Penalized(Solver):
    """``-(A + strength Lambda)^-1 b``; unlike a filter's, this penalty may leave some features free.

    >>> Penalized(2.0, lambda features: np.ones(1)).solve(NormalEquations([[2.0]], [1.0]), None).theta
    array([-0.25])
    """

    strength: float
    penalty: Penalty = field(default_factory=Roughness)
    name: ClassVar[str] = "penalized"
    reference: ClassVar[str] = "score estimation [S15]"

    def __post_init__(self) -> None:
        checks.positive("strength", self.strength, "for no penalty use Exact")

    def solve(self, equations: NormalEquations, features: Any) -> Solution:
        return solve_penalized(equations, self.strength, self.penalty(features))


SOLVERS: tuple[type[Solver], ...] = (Exact, Filtered, Penalized)
