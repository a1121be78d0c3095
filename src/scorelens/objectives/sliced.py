"""Sliced score matching: scores compared, or their Jacobians probed, along random directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from scorelens.core import checks
from scorelens.core.arrays import against
from scorelens.objectives.base import (
    PROJECTIONS,
    TRUE_SCORE,
    Draws,
    Objective,
    QuadraticObjective,
    directions,
    given,
    half_square,
    mean_over,
    outer,
)
from scorelens.objectives.calculus import Score, ScoreAt
from scorelens.objectives.projections import ProjectionLaw


@final
class Projected(QuadraticObjective):
    """``1/2 (v . (s_model - s))^2``: needs the true score ``s``, so nothing is saved by slicing it.

    >>> import torch
    >>> draws = Draws(torch.ones(1, 2), true_score=-torch.ones(1, 2), projections=torch.ones(1, 1, 2))
    >>> Projected()(lambda x: 0 * x, draws)
    tensor([2.])
    """

    name: ClassVar[str] = "projected"
    reference: ClassVar[str] = "song2019"
    equation: ClassVar[str] = "score estimation [L1]"
    needs: ClassVar[frozenset[str]] = frozenset({TRUE_SCORE, PROJECTIONS})

    def _value(self, score: Score, draws: Draws) -> Tensor:
        miss = score(draws.x).flatten(1) - given(draws.true_score)
        return mean_over([0.5 * (v * miss).sum(1).square() for v in directions(draws)])  # [L1]

    def form(self, at: ScoreAt, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        """``c = 0`` and half the outer product of the error of the score."""
        matrix = 0.5 * outer(at.value - given(draws.true_score))
        return matrix.new_zeros(len(matrix)), matrix


@final
class Sliced(QuadraticObjective):
    """``1/2 (v . s)^2 + v . (grad s) v``: needs no trace and no true score.

    Its mean is the implicit objective where ``Sigma_v = I``, that divided by d for unit vectors, and always
    the projected one less ``1/2 E s . Sigma_v s`` ([L4]).

    >>> import torch
    >>> Sliced()(lambda x: -x, Draws(torch.ones(1, 2), projections=torch.ones(1, 1, 2))).tolist()
    [0.0]
    """

    name: ClassVar[str] = "sliced"
    reference: ClassVar[str] = "song2019, SSM"
    equation: ClassVar[str] = "score estimation [L2]"
    needs: ClassVar[frozenset[str]] = frozenset({PROJECTIONS})

    def _value(self, score: Score, draws: Draws) -> Tensor:
        at = ScoreAt(score, draws.x)
        return mean_over(
            [0.5 * (v * at.value).sum(1).square() + at.curvature(v) for v in directions(draws)]  # [L2]
        )

    def form(self, at: ScoreAt, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        """``c = 0`` and ``grad s + 1/2 s s^T`` ([L6])."""
        matrix = at.jacobian() + 0.5 * outer(at.value)
        return matrix.new_zeros(len(matrix)), matrix


@final
class SlicedVarianceReduced(QuadraticObjective):
    """``1/2 |s|^2 + v . (grad s) v``: where ``Sigma_v = I``, and only there, the square needs no slicing.

    With unit vectors its minimum is the score divided by d; `Hutchinson` carries the factor that they need.
    The variance is usually, not always, less than that of `Sliced` ([L6]).

    >>> import torch
    >>> draws = Draws(torch.ones(1, 2), projections=torch.ones(1, 1, 2))
    >>> SlicedVarianceReduced()(lambda x: -x, draws).tolist()
    [-1.0]
    """

    name: ClassVar[str] = "sliced-vr"
    reference: ClassVar[str] = "song2019, SSM-VR"
    equation: ClassVar[str] = "score estimation [L3]"
    needs: ClassVar[frozenset[str]] = frozenset({PROJECTIONS})

    def _value(self, score: Score, draws: Draws) -> Tensor:
        at = ScoreAt(score, draws.x)
        return half_square(at.value) + mean_over([at.curvature(v) for v in directions(draws)])  # [L3]

    def form(self, at: ScoreAt, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        """``c = 1/2 |s|^2`` and the Jacobian."""
        return half_square(at.value), at.jacobian()

    def usable_with(self, law: ProjectionLaw, dim: int) -> bool:
        """Whether ``Sigma_v = I``."""
        return law.usable_for_variance_reduction(dim)


@final
@dataclass(frozen=True)
class FiniteDifferenceSliced(Objective):
    """Sliced score matching without derivatives: ``1/2 (v . m)^2 + v . (s(x + h v) - s(x - h v)) / (2 h)``.

    ``m`` is the mean of both scores. Two evaluations per direction; away from sliced score matching by
    ``O(h^2)`` (``order = 2``). ``step = h`` is in data units, or in units of the draws' noise level if they
    have one. Raises ``ValueError`` unless ``step`` is > 0.

    >>> import torch
    >>> draws = Draws(torch.ones(1, 2), projections=torch.ones(1, 1, 2))
    >>> bool(abs(FiniteDifferenceSliced()(lambda x: -x, draws)) < 1e-4)
    True
    """

    step: float = 0.02
    name: ClassVar[str] = "finite-difference"
    reference: ClassVar[str] = "pang2020, Sec. 4, with scores in place of log densities"
    equation: ClassVar[str] = "score estimation [L2]"
    needs: ClassVar[frozenset[str]] = frozenset({PROJECTIONS})
    order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checks.positive("step", self.step)

    def _value(self, score: Score, draws: Draws) -> Tensor:
        scale = draws.x.new_ones(len(draws.x)) if draws.sigma is None else draws.sigma
        length = self.step * scale
        return mean_over([self._along(score, draws.x, v, length) for v in directions(draws)])

    def _along(self, score: Score, x: Tensor, direction: Tensor, length: Tensor) -> Tensor:
        move = against(length, x) * direction.view_as(x)
        ahead, behind = ((direction * score(x + side * move).flatten(1)).sum(1) for side in (1.0, -1.0))
        return 0.5 * (0.5 * (ahead + behind)).square() + (ahead - behind) / (2.0 * length)
