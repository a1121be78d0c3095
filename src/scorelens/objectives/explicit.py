"""Objectives that are told a score: the true one, or that of a sample given its clean origin."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import per_sample
from scorelens.objectives.base import NOISE, TRUE_SCORE, Draws, Objective, given, half_square
from scorelens.objectives.calculus import Score

BLOCK_NUMBERS = 2**24
"""Distances that `EmpiricalScore` keeps at a time."""


@final
class Explicit(Objective):
    """``1/2 |s_model - s|^2`` with the true score ``s``: what all others stand for.

    >>> x = torch.ones(1, 2)
    >>> Explicit()(lambda x: 0 * x, Draws(x, true_score=-x))
    tensor([1.])
    """

    name: ClassVar[str] = "explicit"
    reference: ClassVar[str] = "hyvarinen2005"
    equation: ClassVar[str] = "score estimation [S1]"
    needs: ClassVar[frozenset[str]] = frozenset({TRUE_SCORE})

    def _value(self, score: Score, draws: Draws) -> Tensor:
        return half_square(score(draws.x).flatten(1) - given(draws.true_score))  # [S1]


@final
class Denoising(Objective):
    """``1/2 |s_model(x_t) + noise / std|^2``: the score of ``x_t`` given its clean sample as the target.

    >>> noise = torch.ones(1, 2)
    >>> Denoising()(lambda x: 0 * x, Draws(noise, noise_score=-noise))
    tensor([1.])
    """

    name: ClassVar[str] = "denoising"
    reference: ClassVar[str] = "vincent2011"
    equation: ClassVar[str] = "score estimation [S3]"
    needs: ClassVar[frozenset[str]] = frozenset({NOISE})

    def _value(self, score: Score, draws: Draws) -> Tensor:
        return half_square(score(draws.x).flatten(1) - given(draws.noise_score))  # [S3]


@final
class EmpiricalScore:
    """Exact score of ``points (n, *event)`` with noise added: the target of the "naive" objective.

    A model that matches it has learned the training set by heart. Called with ``x (batch, *event)`` and
    ``sigma``, a scalar or ``(batch,)``, it returns the shape and dtype of ``x``; any number of points, a
    block of distances at a time. Raises ``ValueError`` for points that are not finite.

    >>> EmpiricalScore(torch.zeros(1, 2))(torch.ones(1, 2), 2.0)
    tensor([[-0.2500, -0.2500]])
    """

    def __init__(self, points: Tensor) -> None:
        if points.ndim < 2 or not len(points):
            raise ValueError(f"points must have shape (n, *event) with n >= 1, got {tuple(points.shape)}")
        if not bool(torch.isfinite(points).all()):
            raise ValueError("points hold a value that is not finite; leave such samples out")
        # Distances from the middle lose fewer digits to rounding.
        self._middle = points.flatten(1).mean(0)
        self._points = points.flatten(1) - self._middle

    def __call__(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        level = per_sample(sigma, x)
        checks.positive("sigma", level.detach().cpu())
        self._points = self._points.to(x.device)  # moved once
        flat, variance = x.flatten(1) - self._middle.to(x), level.square()[:, None]
        rows = max(1, BLOCK_NUMBERS // len(flat))
        log_total = flat.new_full((len(flat),), -torch.inf)
        mean = torch.zeros_like(flat)
        for block in self._points.to(x).split(rows):
            # log-sum-exp over blocks; |x|^2 is shared by all points
            log_weight = (flat @ block.T - 0.5 * block.square().sum(1)) / variance
            of_block = log_weight.logsumexp(1)
            log_new = torch.logaddexp(log_total, of_block)
            mean = mean * (log_total - log_new).exp()[:, None] + (log_weight - log_new[:, None]).exp() @ block
            log_total = log_new
        return ((mean - flat) / variance).view_as(x)
