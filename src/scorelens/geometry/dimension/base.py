"""What every estimator of local dimension is: a denoiser at points, over noise levels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.processes import NoiseProcess
from scorelens.geometry.dimension.choice import Plateau, Rule


class AtLevel(NamedTuple):
    """Dimension at ``b`` points and one noise level: ``value (b,)`` and its ``standard_error (b,)``, float64.

    The error is that of random probes or of differences, 0 where there are none; nan where one draw only
    was made.
    """

    value: np.ndarray
    standard_error: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class DimensionCurve:
    """Dimension over noise levels: ``value`` and ``standard_error (s, b)`` at ``sigmas (s,)``, ascending.

    ``ambient`` is the number ``d`` of coordinates of a point.
    """

    sigmas: np.ndarray
    value: np.ndarray
    standard_error: np.ndarray
    ambient: int


@final
@dataclass(frozen=True, eq=False)
class DimensionEstimate:
    """Dimension of every point, ``value (b,)``, at the noise level ``sigma (b,)`` that a rule chose.

    ``standard_error (b,)`` is that of probes, ``drift (b,)`` how much the curve varies where it was read.
    ``status`` says for every point what was found there (see `choice.STATUSES`); ``curve`` is all of it.
    """

    value: np.ndarray
    standard_error: np.ndarray
    drift: np.ndarray
    sigma: np.ndarray
    status: tuple[str, ...]
    curve: DimensionCurve

    def overall(self) -> tuple[float, float]:
        """Mean over the points and its standard error, from their scatter; nan for a single point."""
        n = len(self.value)
        return float(self.value.mean()), float(self.value.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan


class DimensionEstimator(ABC):
    """The dimension of the data around points, as a denoiser at noise ``sigma`` sees it.

    A denoiser sees structure at the scale ``sigma``: below the distance between training points a memorising
    one sees points (dimension 0), above the curvature of the data it sees less than is there. ``assumes``
    says when the number is the dimension.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    equation: ClassVar[str]
    assumes: ClassVar[str]

    @final
    def at(self, denoiser: Denoiser, x: Tensor, sigma: float) -> AtLevel:
        """Dimension at the clean points ``x (b, *event)`` at one noise level, in data units.

        Raises ``TypeError`` for an ``x`` that is no tensor, ``ValueError`` for another shape than the
        denoiser's, values that are not finite, and ``sigma`` not finite or <= 0.
        """
        check_points(x)
        checks.positive("sigma", sigma, "dimension is seen at positive noise only; take a small sigma")
        found = self.measured(denoiser, x, float(sigma))
        return AtLevel(*(np.asarray(values, dtype=float) for values in found))

    @final
    def at_time(self, denoiser: Denoiser, x: Tensor, process: NoiseProcess, time: float) -> AtLevel:
        """The same at ``time`` of any noise process, at the points ``alpha x`` of its own space.

        With ``z = x_t / alpha`` every process is variance exploding of level ``sigma = std / alpha``
        (geometry, [P5]): a change of scale leaves dimensions as they are. Raises ``ValueError`` for a time
        that the process has not, and for its start, where there is no noise.
        """
        return self.at(denoiser, x, float(process.sigma(time)))

    @final
    def curve(self, denoiser: Denoiser, x: Tensor, sigmas: ArrayLike) -> DimensionCurve:
        """Dimension at the points ``x (b, *event)`` over noise levels ``sigmas (s,)``, in any order."""
        levels = np.sort(np.asarray(sigmas, dtype=float).reshape(-1))
        checks.at_least("the number of sigmas", len(levels), 1)
        checks.positive("sigmas", levels, "dimension is seen at positive noise only")
        found = [self.at(denoiser, x, sigma) for sigma in levels.tolist()]
        values, errors = (np.stack(part) for part in zip(*found, strict=True))
        return DimensionCurve(levels, values, errors, math.prod(x.shape[1:]))

    @final
    def estimate(
        self, denoiser: Denoiser, x: Tensor, sigmas: ArrayLike, rule: Rule | None = None
    ) -> DimensionEstimate:
        """The dimension of every point, read where ``rule`` (default `Plateau`) finds its curve to rest.

        Raises ``ValueError`` as `at` does, and for sigmas too few for the rule.
        """
        chooser = Plateau() if rule is None else rule
        curve = self.curve(denoiser, x, sigmas)
        read = [chooser.read(curve.sigmas, values, curve.ambient) for values in curve.value.T]
        errors = [float(curve.standard_error[found.levels, point].mean()) for point, found in enumerate(read)]
        return DimensionEstimate(
            np.array([found.value for found in read]),
            np.array(errors),
            np.array([found.drift for found in read]),
            np.array([found.sigma for found in read]),
            tuple(found.status for found in read),
            curve,
        )

    @abstractmethod
    def measured(self, denoiser: Denoiser, x: Tensor, sigma: float) -> AtLevel:
        """`at` for points and a noise level that have been checked."""


def check_points(x: Tensor) -> None:
    """Refuse anything but finite floats of shape ``(b, *event)``."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}; convert it with torch.as_tensor(x)")
    if x.ndim < 2 or x.numel() == 0 or not x.is_floating_point():
        raise ValueError(
            f"x must be floats of shape (batch, *event), got {x.dtype} {tuple(x.shape)}; one point is x[None]"
        )
    if not bool(torch.isfinite(x).all()):
        checks.finite("x", x.detach().double().cpu().numpy(), "remove or repair these points")
