"""A score fitted at one noise level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics.features import Level, ScoreFeatures
from scorelens.generalization.statistics.regression import Draw, ScoreRegression


@final
@dataclass(frozen=True, eq=False)
class OneTime(ScoreRegression):
    """``s(x) = W phi(x)`` fitted to ``n`` samples of one level ``x = alpha x_0 + std n`` ([G8]-[G11], [G29]).

    The optimum is the projection of the score on the features in ``L^2(p_t)``. ``std = 0`` is allowed for
    what needs no target: second moment and leverage.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> fit = OneTime(StateFeatures(Affine(1)), DataLaw.gaussian([0.0], [[3.0]]), alpha=1.0, std=1.0)
    >>> fit.optimum.round(12) + 0.0, fit.leverage([[2.0]])
    (array([[ 0.  , -0.25]]), array([2.]))
    """

    features: ScoreFeatures
    law: DataLaw
    alpha: float
    std: float
    name: ClassVar[str] = "one-time"
    reference: ClassVar[str] = "generalisation, [G8]-[G11]"

    def __post_init__(self) -> None:
        check_dimensions(self.features, self.law)
        checks.finite("alpha", self.alpha)
        checks.non_negative("std", self.std)

    def _over_levels(
        self,
        what: str,
        function: Callable[[Draw], np.ndarray],
        weights: int,
        noise_power: float,
        start: float,
    ) -> np.ndarray:
        return function(self._draw)

    def _places(self, x: ArrayLike, t: ArrayLike | None) -> list[tuple[slice, Draw]]:
        if t is not None:
            raise ValueError("a fit at one time knows no other; leave t out, or use SharedWeights")
        return [(slice(None), self._draw)]

    @property
    def _draw(self) -> Draw:
        return Draw(Level(float(self.alpha), float(self.std)), 1.0, 1.0)


def check_dimensions(features: ScoreFeatures, law: DataLaw) -> None:
    """``ValueError`` unless features and data live in the same space."""
    if features.dim != law.dim:
        raise ValueError(f"features of {features.dim} dimensions do not fit data of {law.dim}")
