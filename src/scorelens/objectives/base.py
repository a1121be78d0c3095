"""What an objective of score matching is: a number per sample, and what it needs to know for that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from scorelens.objectives.calculus import Score, ScoreAt
from scorelens.objectives.projections import ProjectionLaw

TRUE_SCORE, NOISE, PROJECTIONS = "true score", "noise", "projections"


class Draws(NamedTuple):
    """One batch: points ``x (batch, *event)`` and what some objectives need beside them.

    ``true_score`` of the law of ``x`` and ``noise_score``, the score ``-noise / std`` of ``x`` given its
    clean sample, are shaped as ``x``; ``projections`` are ``(batch, n, d)``, **fresh for each sample**
    ([L7]): shared by the samples of a batch, they leave a noise that does not fall with its size.
    ``sigma (batch,)``: the noise level of each ``x``, if any.

    >>> draws = Draws(torch.zeros(8, 2), projections=torch.randn(8, 1, 2))
    >>> draws.rows(slice(3)).projections.shape
    torch.Size([3, 1, 2])
    """

    x: Tensor
    true_score: Tensor | None = None
    noise_score: Tensor | None = None
    projections: Tensor | None = None
    sigma: Tensor | None = None

    def rows(self, rows: slice | Tensor) -> Draws:
        """The draws of some samples."""
        kept = (None if part is None else part[rows] for part in self[1:])
        return Draws(self.x[rows], *kept)


class Objective(ABC):
    """A loss per sample whose mean is minimised by the score, up to what its ``equation`` says.

    All are sums over coordinates with the factor one half, so that they differ by constants only.

    >>> from scorelens.objectives import Denoising
    >>> Denoising()(lambda x: -x, Draws(torch.ones(1, 2)))
    Traceback (most recent call last):
    ValueError: the denoising objective needs noise; give it in the draws
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    equation: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    """What it needs beside samples: of ``true score``, ``noise`` and ``projections``."""

    def __call__(self, score: Score, draws: Draws) -> Tensor:
        """Loss of ``score`` per sample, shape ``(batch,)``; ``ValueError`` if ``draws`` lack a need."""
        given = {
            TRUE_SCORE: draws.true_score,
            NOISE: draws.noise_score,
            PROJECTIONS: draws.projections,
        }
        for need in sorted(self.needs):
            if given[need] is None:
                raise ValueError(f"the {self.name} objective needs {need}; give it in the draws")
        return self._value(score, draws)

    @abstractmethod
    def _value(self, score: Score, draws: Draws) -> Tensor: ...


class QuadraticObjective(Objective):
    """An objective that is ``c + v . M v`` for one direction ``v``: mean and variance are known.

    >>> from scorelens.objectives import Sliced
    >>> from scorelens.objectives.projections import Gaussian
    >>> draws = Draws(torch.ones(1, 2))
    >>> Sliced().expected(lambda x: -x, draws, Gaussian()).detach()
    tensor([-1.])
    >>> Sliced().probe_variance(lambda x: -x, draws, Gaussian()).detach()
    tensor([2.])
    """

    @abstractmethod
    def form(self, at: ScoreAt, draws: Draws, law: ProjectionLaw) -> tuple[Tensor, Tensor]:
        """``c (batch,)`` and ``M (batch, d, d)``."""

    def usable_with(self, law: ProjectionLaw, dim: int) -> bool:
        """Whether its minimum is the score if directions follow ``law``."""
        return True

    def expected(self, score: Score, draws: Draws, law: ProjectionLaw) -> Tensor:
        """Mean over directions of ``law``, exactly, per sample: ``(batch,)``; d reverse passes."""
        constant, matrix = self.form(ScoreAt(score, draws.x), draws, law)
        return constant + law.mean_of_quadratic(matrix)

    def probe_variance(self, score: Score, draws: Draws, law: ProjectionLaw) -> Tensor:
        """Variance over one direction of ``law``, exactly, per sample: ``(batch,)`` ([L5], [L6])."""
        return law.variance_of_quadratic(self.form(ScoreAt(score, draws.x), draws, law)[1])


def given(part: Tensor | None) -> Tensor:
    """``part``, flat ``(batch, d)``, of draws that are known to hold it."""
    if part is None:
        raise ValueError("the draws lack what this objective needs")
    return part.flatten(1)


def directions(draws: Draws) -> Tensor:
    """Directions of the draws, ``(n, batch, d)``; ``ValueError`` unless they fit the points."""
    if draws.projections is None:
        raise ValueError("the draws lack what this objective needs")
    found, dim = draws.projections, draws.x[0].numel()
    batch = len(draws.x)
    if found.ndim != 3 or found.shape[0] != batch or found.shape[2] != dim or found.shape[1] < 1:
        raise ValueError(
            f"projections must have shape ({batch}, n, {dim}) with n >= 1, got {tuple(found.shape)}"
        )
    return found.transpose(0, 1)


def half_square(vector: Tensor) -> Tensor:
    """``1/2 |vector|^2`` per sample, for ``(batch, d)``: shape ``(batch,)``."""
    return 0.5 * vector.square().sum(-1)


def outer(vector: Tensor) -> Tensor:
    """``vector vector^T`` per sample: ``(batch, d, d)``."""
    return vector[:, :, None] * vector[:, None, :]


def mean_over(values: list[Tensor]) -> Tensor:
    """Mean of tensors of one shape."""
    return torch.stack(values).mean(0)
