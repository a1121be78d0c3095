"""Variance exploding: noise is added and nothing is scaled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

from scorelens.core.arrays import namespace
from scorelens.core.processes.base import NoiseProcess


@final
@dataclass(frozen=True)
class VarianceExploding(NoiseProcess):
    """EDM's process, ``x_t = x_0 + t n``: process time is the noise level itself.

    >>> float(VarianceExploding().diffusion(2.0))
    2.0
    """

    name: ClassVar[str] = "edm"
    reference: ClassVar[str] = "karras2022, Table 1 (EDM column)"
    time_range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    end_is_singular: ClassVar[bool] = True

    def _alpha(self, t: Any) -> Any:
        return namespace(t).ones_like(t)

    def _sigma(self, t: Any) -> Any:
        return t

    def _drift(self, t: Any) -> Any:
        return namespace(t).zeros_like(t)

    def _diffusion(self, t: Any) -> Any:
        return namespace(t).sqrt(2 * t)  # d(t^2)/dt

    def _time(self, sigma: Any) -> Any:
        return sigma
