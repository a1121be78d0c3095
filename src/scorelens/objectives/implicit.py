"""Implicit score matching: the true score is traded for the trace of the model's Jacobian."""

from __future__ import annotations

from typing import ClassVar, final

from torch import Tensor

from scorelens.objectives.base import (
    PROJECTIONS,
    Draws,
    Objective,
    QuadraticObjective,
    directions,
    half_square,
    mean_over,
)
from scorelens.objectives.calculus import Score, ScoreAt
from scorelens.objectives.projections import ProjectionLaw


@final
class Implicit(Objective):
    """``1/2 |s|^2 + tr grad s``, the trace exactly: d reverse passes.

    The explicit objective is this plus ``1/2 E |s_true|^2``.

    >>> import torch
    >>> Implicit()(lambda x: -x, Draws(torch.ones(1, 2))).tolist()
    [-1.0]
    """

    name: ClassVar[str] = "implicit"
    reference: ClassVar[str] = "hyvarinen2005, Theorem 1"
    equation: ClassVar[str] = "score estimation [S2]"
    needs: ClassVar[frozenset[str]] = frozenset()

    def _value(self, score: Score, draws: Draws) -> Tensor:
        at = ScoreAt(score, draws.x)
        return half_square(at.value) + at.divergence()  # [S2]


@final
class Hutchinson(QuadraticObjective):
    """``1/2 |s|^2 + c v . (grad s) v``, with the factor ``c`` that makes the last term a trace in the mean.

    ``law`` is that of the directions in the draws; its factor is d for unit vectors. With ``c = 1`` it is
    sliced score matching with variance reduction. Raises ``ValueError`` for a law without such a factor.

    >>> import torch
    >>> from scorelens.objectives.projections import UnitSphere
    >>> unit = torch.tensor([[[0.6, 0.8]]])
    >>> Hutchinson(UnitSphere())(lambda x: -x, Draws(torch.ones(1, 2), projections=unit)).tolist()
    [-1.0]
    """

    name: ClassVar[str] = "hutchinson"
    reference: ClassVar[str] = "hutchinson1989; grathwohl2019, Eq. 7"
    equation: ClassVar[str] = "score estimation [S2], [L5]"
    needs: ClassVar[frozenset[str]] = frozenset({PROJECTIONS})

    def __init__(self, law: ProjectionLaw) -> None:
        self.law = law

    def _value(self, score: Score, draws: Draws) -> Tensor:
        at, factor = ScoreAt(score, draws.x), _factor(self.law, draws)
        return half_square(at.value) + factor * mean_over([at.curvature(v) for v in directions(draws)])

    def form(self, at: ScoreAt, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        """``c = 1/2 |s|^2`` and the Jacobian times the law's factor."""
        return half_square(at.value), _factor(law, draws) * at.jacobian()

    def usable_with(self, law: ProjectionLaw, dim: int) -> bool:
        """Whether a factor makes ``Sigma_v`` the identity."""
        return law.trace_factor(dim) is not None


def _factor(law: ProjectionLaw, draws: Draws) -> float:
    factor = law.trace_factor(draws.x[0].numel())
    if factor is None:
        raise ValueError(f"no factor turns {law.name} directions into a trace; use rademacher ones")
    return factor
