"""Any objective of score matching as the loss that trains a denoiser over noise levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from scorelens.core.arrays import against
from scorelens.core.denoiser import Denoiser
from scorelens.core.noise_level import NoiseLevelLaw
from scorelens.objectives.base import PROJECTIONS, TRUE_SCORE, Draws, Objective, QuadraticObjective
from scorelens.objectives.projections import ProjectionLaw, Rademacher
from scorelens.objectives.weightings import LevelWeighting

NoisedScore = Callable[[Tensor, Tensor], Tensor]
"""``true_score(x, sigma)`` of the noised law, shaped as ``x``."""


@final
@dataclass(frozen=True)
class ScoreMatchingLoss:
    """An objective on the noised data, weighed so that it is `DenoisingLoss` up to a constant of the model.

    The denoiser's score is ``(D(x, sigma) - x) / sigma^2`` and the loss ``2 sigma^4 w(sigma) / d`` times the
    objective, ``w`` the weighting: all objectives have the same gradient in the mean (score estimation [S3],
    [L4]), where the directions' ``Sigma_v = I`` (those of other laws are weighed by ``Sigma_v``). A pure
    function, like `DenoisingLoss`.

    ``true_score`` is for objectives that need it. Raises ``ValueError`` if it is missing, and for directions
    with which the objective's minimum is not the score.

    >>> import torch
    >>> from scorelens.core.noise_level import LogNormal
    >>> from scorelens.objectives import Denoising, Pixel
    >>> loss = ScoreMatchingLoss(LogNormal(), Pixel(1.0), Denoising())
    >>> perfect = lambda x, sigma: torch.zeros_like(x)
    >>> bool(loss(perfect, torch.zeros(2, 3), torch.zeros(2), torch.ones(2, 3)).abs().max() < 1e-6)
    True
    """

    noise_law: NoiseLevelLaw
    weighting: LevelWeighting
    objective: Objective
    projections: ProjectionLaw = field(default_factory=Rademacher)
    true_score: NoisedScore | None = None

    def __post_init__(self) -> None:
        if TRUE_SCORE in self.objective.needs and self.true_score is None:
            raise ValueError(f"the {self.objective.name} objective needs the true score; give true_score")

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Tensor,
        level_draw: Tensor,
        noise_draw: Tensor,
        projection_draw: Tensor | None = None,
    ) -> Tensor:
        """Loss per sample, shape ``(batch,)``.

        ``x0``: clean data, ``(batch, *event)``; the draws are standard normals: ``(batch,)`` for sigma,
        ``(batch, *event)`` for the noise and ``(batch, n, *event)`` for n directions per sample.
        """
        sigma = self.noise_law.log_sigma(level_draw).exp()
        wide = against(sigma, x0)
        draws = Draws(
            x0 + wide * noise_draw,
            noise_score=-noise_draw / wide,
            projections=self._directions(x0[0].numel(), projection_draw),
            sigma=sigma,
        )
        if self.true_score is not None and TRUE_SCORE in self.objective.needs:
            draws = draws._replace(true_score=self.true_score(draws.x, sigma))
        value = self.objective(lambda x: (denoiser(x, sigma) - x) / wide**2, draws)
        return 2.0 / x0[0].numel() * sigma**4 * self.weighting.weight(sigma) * value

    def _directions(self, dim: int, normal: Tensor | None) -> Tensor | None:
        if PROJECTIONS not in self.objective.needs or normal is None:
            return None
        if isinstance(self.objective, QuadraticObjective) and not self.objective.usable_with(
            self.projections, dim
        ):
            raise ValueError(
                f"with {self.projections.name} directions the {self.objective.name} objective is not "
                "minimised by the score; use rademacher ones, or the hutchinson objective"
            )
        return self.projections.draw(normal.flatten(2))
