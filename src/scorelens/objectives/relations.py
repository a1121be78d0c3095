"""The constants between objectives, and what a random direction adds to one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.objectives.base import Draws, Objective, given, half_square
from scorelens.objectives.calculus import Score, ScoreAt
from scorelens.objectives.explicit import Denoising, Explicit
from scorelens.objectives.implicit import Implicit
from scorelens.objectives.projections import ProjectionLaw
from scorelens.objectives.sliced import Projected, Sliced, SlicedVarianceReduced


def explicit_less_implicit(true_score: Tensor) -> Tensor:
    """``1/2 |s|^2`` per sample, ``(batch,)``, for ``true_score (batch, *event)``: its mean is
    ``J_ESM - J_ISM`` ([S2]). It belongs to the explicit side.

    >>> explicit_less_implicit(torch.ones(1, 2))
    tensor([1.])
    """
    return half_square(true_score.flatten(1))


def projected_less_sliced(true_score: Tensor, law: ProjectionLaw) -> Tensor:
    """``1/2 s . Sigma_v s`` per sample, ``(batch,)``: its mean is ``J_PSM - J_SSM`` ([L4]).

    >>> from scorelens.objectives.projections import UnitSphere
    >>> projected_less_sliced(torch.ones(1, 4), UnitSphere())
    tensor([0.5000])
    """
    flat = true_score.flatten(1)
    return 0.5 * ((flat @ law.covariance(flat.shape[1]).to(flat)) * flat).sum(1)


def denoising_less_implicit(dim: int, sigma: float) -> float:
    """``d / (2 sigma^2) = J_DSM - J_ISM`` under the noised law ([S3]); ``sigma`` is the noise in ``x_t``.

    >>> denoising_less_implicit(2, 0.5)
    4.0
    """
    checks.positive("sigma", sigma)
    return 0.5 * dim / sigma**2


def denoising_less_explicit(true_score: Tensor, sigma: float) -> Tensor:
    """``1/2 (d / sigma^2 - |s_t|^2)`` per sample, ``(batch,)``, for the score ``(batch, *event)`` of the
    noised law: its mean is ``J_DSM - J_ESM >= 0``, whatever the model ([S4]).

    >>> denoising_less_explicit(torch.tensor([[1.0, 1.0]]), sigma=0.5)
    tensor([3.])
    """
    flat = true_score.flatten(1)
    return denoising_less_implicit(flat.shape[1], sigma) - half_square(flat)


def sliced_less_reduced_variance(score: Tensor, jacobian: Tensor, law: ProjectionLaw) -> Tensor:
    """How much more one direction adds to the variance of SSM than to that of SSM-VR, ``(batch,)`` ([L6]).

    ``score (batch, d)``, ``jacobian (batch, d, d)``. Negative where "variance reduction" does not reduce.

    >>> from scorelens.objectives.projections import Gaussian
    >>> s = torch.tensor([[1.0, 0.0]])
    >>> [float(sliced_less_reduced_variance(s, c * torch.eye(2)[None], Gaussian())) for c in (0.0, -1.0)]
    [0.5, -1.5]
    """
    with_square = jacobian + 0.5 * score[:, :, None] * score[:, None, :]
    return law.variance_of_quadratic(with_square) - law.variance_of_quadratic(jacobian)


class Identity(ABC):
    """Two objectives whose means differ by a constant, whatever the score model.

    It comes down to two numbers per sample with one mean, without the terms that both objectives share:
    nothing large cancels in their difference.
    """

    name: ClassVar[str]
    equation: ClassVar[str]
    left: ClassVar[type[Objective]]
    right: ClassVar[type[Objective]]
    needs: ClassVar[frozenset[str]]

    @abstractmethod
    def parts(self, score: Score, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        """Two numbers per sample, each ``(batch,)``, that have the same mean."""


@final
class ExplicitIsImplicit(Identity):
    """``J_ESM = J_ISM + 1/2 E |s|^2``, that is ``E s_model . s = -E tr grad s_model``."""

    name: ClassVar[str] = "explicit = implicit + 1/2 E|s|^2"
    equation: ClassVar[str] = "score estimation [S2]"
    left: ClassVar[type[Objective]] = Explicit
    right: ClassVar[type[Objective]] = Implicit
    needs: ClassVar[frozenset[str]] = Explicit.needs

    def parts(self, score: Score, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        at = ScoreAt(score, draws.x)
        return -(at.value * given(draws.true_score)).sum(1), at.divergence()


@final
class ProjectedIsSliced(Identity):
    """``J_PSM = J_SSM + 1/2 E s . Sigma_v s``, by integration by parts of the field ``Sigma_v s_model``."""

    name: ClassVar[str] = "projected = sliced + 1/2 E s.Sigma_v s"
    equation: ClassVar[str] = "score estimation [L4]"
    left: ClassVar[type[Objective]] = Projected
    right: ClassVar[type[Objective]] = Sliced
    needs: ClassVar[frozenset[str]] = Projected.needs

    def parts(self, score: Score, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        at = ScoreAt(score, draws.x)
        sigma = law.covariance(at.value.shape[1]).to(at.value)
        return -((at.value @ sigma) * given(draws.true_score)).sum(1), at.trace_against(sigma)


@final
class DenoisingIsImplicit(Identity):
    """``J_DSM = J_ISM + d / (2 sigma^2)`` under the noised law: ``E s_model . noise / sigma = E tr grad
    s_model``."""

    name: ClassVar[str] = "denoising = implicit + d / (2 sigma^2)"
    equation: ClassVar[str] = "score estimation [S3]"
    left: ClassVar[type[Objective]] = Denoising
    right: ClassVar[type[Objective]] = Implicit
    needs: ClassVar[frozenset[str]] = Denoising.needs

    def parts(self, score: Score, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        at = ScoreAt(score, draws.x)
        return -(at.value * given(draws.noise_score)).sum(1), at.divergence()


@final
class DenoisingIsExplicit(Identity):
    """``J_DSM - J_ESM = 1/2 (d / sigma^2 - E |s_t|^2)``: both targets have the same mean at each ``x_t``."""

    name: ClassVar[str] = "denoising = explicit + 1/2 (d / sigma^2 - E|s_t|^2)"
    equation: ClassVar[str] = "score estimation [S4]"
    left: ClassVar[type[Objective]] = Denoising
    right: ClassVar[type[Objective]] = Explicit
    needs: ClassVar[frozenset[str]] = Denoising.needs | Explicit.needs

    def parts(self, score: Score, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        flat = score(draws.x).flatten(1)
        return -(flat * given(draws.noise_score)).sum(1), -(flat * given(draws.true_score)).sum(1)


@final
class ReducedIsImplicit(Identity):
    """``J_SSM-VR = J_ISM`` where ``Sigma_v = I``: ``c E v . (grad s) v = tr grad s``, c the law's factor."""

    name: ClassVar[str] = "sliced-vr = implicit"
    equation: ClassVar[str] = "score estimation [L3], [L5]"
    left: ClassVar[type[Objective]] = SlicedVarianceReduced
    right: ClassVar[type[Objective]] = Implicit
    needs: ClassVar[frozenset[str]] = SlicedVarianceReduced.needs

    def parts(self, score: Score, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        at, factor = ScoreAt(score, draws.x), law.trace_factor(draws.x[0].numel())
        drawn = given(draws.projections).view(len(draws.x), -1, draws.x[0].numel()).unbind(1)
        probed = torch.stack([at.curvature(v) for v in drawn]).mean(0)
        return (1.0 if factor is None else factor) * probed, at.divergence()


IDENTITIES: tuple[type[Identity], ...] = (
    ExplicitIsImplicit,
    ProjectedIsSliced,
    DenoisingIsImplicit,
    DenoisingIsExplicit,
    ReducedIsImplicit,
)
"""Every relation between two objectives that `check_objectives` verifies."""
