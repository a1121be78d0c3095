"""Moments of the posterior along a direction, up to the fourth, from derivatives of the denoiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import undisturbed
from scorelens.core.jacobian import JacobianAt
from scorelens.core.jacobian.precision import widened

WAYS: Final = ("auto", "derivatives", "differences")
_REACH: Final = 4
"""Points on each side of the central difference."""


@final
@dataclass(frozen=True, eq=False)
class DirectionalMoments:
    """The law of ``<v, x_0>`` given each of b noisy events, ``|v| = 1``: float64 on the CPU, each ``(b,)``.

    ``mean`` in data units; ``variance``, ``third`` and ``fourth`` are cumulants, in their powers
    (geometry, [P21]). ``errors (b, 3)`` are those of the last three: 0 where ``way`` is derivatives (exact up
    to rounding), else how far a step twice as wide is off. All of it is the posterior's only if the denoiser
    is the posterior mean.
    """

    mean: Tensor
    variance: Tensor
    third: Tensor
    fourth: Tensor
    errors: Tensor
    way: str

    @property
    def skewness(self) -> Tensor:
        """``third / variance^(3/2)``; NaN where the variance is not > 0, which no posterior has."""
        return self.third / self.variance**1.5

    @property
    def excess_kurtosis(self) -> Tensor:
        """``fourth / variance^2``: 0 for a Gaussian, -2 for two equal points."""
        return self.fourth / torch.where(self.variance > 0, self.variance, torch.nan) ** 2


def moments_along(
    denoiser: Denoiser,
    x: Tensor,
    sigma: Tensor | float,
    directions: Tensor,
    *,
    way: str = "auto",
    step: float = 0.05,
) -> DirectionalMoments:
    """Moments of the posterior at ``x (b, *event)`` along ``directions (*event)`` or ``(b, *event)``.

    The cumulants are ``sigma^2k`` times derivatives of ``<v, D(x + t v)>`` by ``t`` (manor2024; our own
    derivation: geometry, [P21]). ``way``: ``"derivatives"`` (reverse mode, nested), ``"differences"`` (nine
    points, ``step`` apart in units of ``sigma^2`` over the posterior's standard deviation), or ``"auto"``:
    derivatives, unless they fail or are those of a network that is linear in pieces (zero beyond the
    first); then ``step`` should span many pieces. Computed in float64, whatever a module holds; a function
    that is no module is called with float64.

    Raises ``ValueError`` for a direction of length 0, another shape, and what `JacobianAt` refuses.

    >>> from scorelens.core.denoiser import per_sample
    >>> two_points = lambda x, sigma: torch.tanh(x / per_sample(sigma, x)[:, None] ** 2)  # at -1 and 1
    >>> found = moments_along(two_points, torch.zeros(1, 1), 0.5, torch.ones(1))
    >>> found.variance.item(), found.third.item(), found.excess_kurtosis.item()
    (1.0, 0.0, -2.0)
    """
    checks.choice("way", way, WAYS)
    checks.positive("step", step)
    at = JacobianAt(denoiser, x, sigma, way="auto", dtype=torch.float64)
    units = _unit(directions, x).to(at.x)
    level, gain = at.sigma, (units * at.apply(units)).sum(1)
    line = _line(denoiser, at.x.reshape(x.shape), level, units)
    deviation = level * gain.clamp_min(0).sqrt()
    spacing = step * torch.where(deviation > 0, level**2 / deviation, level)
    with undisturbed(denoiser):
        slopes, errors, words = _slopes(line, spacing, way)
    scale = torch.stack([level**2, level**4, level**6], 1)  # [P21]
    cumulants, errors = (scale * slopes).cpu(), (scale * errors).cpu()
    mean = (units * at.value).sum(1).cpu()
    return DirectionalMoments(mean, cumulants[:, 0], cumulants[:, 1], cumulants[:, 2], errors, words)


Line = Callable[[Tensor], Tensor]
"""``t (b,)`` to ``<v, D(x + t v)> (b,)``."""


def _line(denoiser: Denoiser, x: Tensor, sigma: Tensor, units: Tensor) -> Line:
    evaluated, _ = widened(denoiser, torch.float64, (x[:1], sigma[:1]))

    def line(t: Tensor) -> Tensor:
        moved = x + (t[:, None] * units).reshape(x.shape)
        return (evaluated(moved, sigma).flatten(1) * units).sum(1)

    return line


def _slopes(line: Line, spacing: Tensor, way: str) -> tuple[Tensor, Tensor, str]:
    """The first three derivatives at 0, ``(b, 3)``, their errors, and what they were made of."""
    words = "differences of nine points"
    if way != "differences":
        try:
            slopes = _by_derivatives(line, torch.zeros_like(spacing))
        except RuntimeError as problem:
            if way == "derivatives":
                raise ValueError(
                    f"derivatives along a line fail ({problem}); take way='differences'"
                ) from problem
            words += f", as derivatives fail ({str(problem).splitlines()[0][:80]})"
        else:
            if way == "derivatives" or bool((slopes[:, 1:] != 0).any()):
                return slopes, torch.zeros_like(slopes), "derivatives by reverse mode"
            words += ", as the derivatives beyond the first are zero: linear in pieces"
    fine, coarse = _by_differences(line, spacing), _by_differences(line, 2 * spacing)
    return fine, (fine - coarse).abs(), words


def _by_derivatives(line: Line, zero: Tensor) -> Tensor:
    def slope_of(function: Line) -> Line:
        return torch.func.grad(lambda at: function(at).sum())  # rows stand apart

    first = slope_of(line)
    second = slope_of(first)
    return torch.stack([first(zero), second(zero), slope_of(second)(zero)], 1)


def _by_differences(line: Line, spacing: Tensor) -> Tensor:
    values = torch.stack([line(j * spacing) for j in range(-_REACH, _REACH + 1)], 1)
    centred = values - values[:, _REACH : _REACH + 1]
    found = centred @ torch.as_tensor(_STENCILS).to(centred)
    return found / torch.stack([spacing, spacing**2, spacing**3], 1)


def _stencils() -> np.ndarray:
    """Weights ``(9, 3)`` of the first three derivatives at unit spacing, exact for degree 8."""
    powers = np.vander(np.arange(-_REACH, _REACH + 1.0), increasing=True)
    return np.linalg.inv(powers)[1:4].T * np.array([1.0, 2.0, 6.0])


_STENCILS: Final = _stencils()


def _unit(directions: Tensor, x: Tensor) -> Tensor:
    """``(b, d)``, each of length 1."""
    if directions.shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"directions must have the shape of one event, {tuple(x.shape[1:])}, or of x, {tuple(x.shape)}; "
            f"got {tuple(directions.shape)}"
        )
    flat = directions.detach().double().expand(x.shape).flatten(1)
    length = flat.norm(dim=1, keepdim=True)
    checks.positive("the length of a direction", length.cpu().numpy())
    return flat / length
