"""Dimension from how the density of a point falls as the noise grows (LIDL, Tempczyk et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.geometry.dimension.base import AtLevel, DimensionEstimator

LogDensity = Callable[[Tensor, float], Tensor]
"""``(x (b, *event), sigma) -> log p_sigma(x) (b,)``, in nats."""


@final
@dataclass(frozen=True)
class LikelihoodSlope(DimensionEstimator):
    """``d + d log p_sigma(x) / d log sigma``, by differences of the log density over ``sigma``.

    Noise spreads the mass at a point of a ``k``-dimensional manifold over ``d - k`` further directions:
    ``log p_sigma = (k - d) log sigma + const`` at small noise. ``log_density`` gives ``log p_sigma(x)``;
    without it the denoiser's own ``log_prob`` is taken. For any other denoiser give the likelihood through
    the probability-flow ODE (`scorelens.sampling.log_likelihood`).

    The slope is a central difference of fourth order with steps of a factor ``exp(step)``; its distance from
    that of second order is given as the error.

    >>> import torch
    >>> line = lambda x, sigma: -2 * math.log(sigma) * torch.ones(len(x))  # up to a constant
    >>> LikelihoodSlope(log_density=line).at(lambda x, sigma: x, torch.zeros(1, 3), 0.1).value.round(6)
    array([1.])
    """

    log_density: LogDensity | None = None
    step: float = 0.1
    name: ClassVar[str] = "likelihood-slope"
    reference: ClassVar[str] = "tempczyk2022"
    equation: ClassVar[str] = "d + d log p_sigma(x) / d log sigma"
    assumes: ClassVar[str] = "as FLIPD, and an exact log density"

    def __post_init__(self) -> None:
        checks.positive("step", self.step)

    def measured(self, denoiser: Denoiser, x: Tensor, sigma: float) -> AtLevel:
        density = self.log_density or _own_density(denoiser)
        steps = np.array([-2, -1, 1, 2])
        logs = np.stack([_values(density, x, sigma * math.exp(step * self.step)) for step in steps])
        wide, narrow = logs[3] - logs[0], logs[2] - logs[1]
        slope = (8 * narrow - wide) / (12 * self.step)
        coarse = narrow / (2 * self.step)
        return AtLevel(x[0].numel() + slope, np.abs(slope - coarse))


def _values(density: LogDensity, x: Tensor, sigma: float) -> np.ndarray:
    found = density(x, sigma)
    if tuple(found.shape) != (len(x),):
        raise ValueError(f"log_density must return shape ({len(x)},), got {tuple(found.shape)}")
    return found.detach().double().cpu().numpy()


def _own_density(denoiser: Denoiser) -> LogDensity:
    known: Any = getattr(denoiser, "log_prob", None)
    if known is None:
        raise TypeError(
            f"{type(denoiser).__name__} knows no log density of its own; give log_density, e.g. "
            "lambda x, sigma: log_likelihood(denoiser, x, sigma, sigma_max).nats of scorelens.sampling"
        )
    # Differences of densities lose the digits of single precision.
    return lambda x, sigma: known(x.double(), sigma)
