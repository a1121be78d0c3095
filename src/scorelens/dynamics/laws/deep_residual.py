"""Products of linear layers with skip connections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.laws.deep import DeepLinear
from scorelens.dynamics.laws.rescaled import RescaledLaw
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True, eq=False)
class DeepResidual(RescaledLaw):
    """``depth`` layers ``I + A`` that start with the same ``initial_layer`` of ``A`` along the mode.

    The gain is ``(1 + layer) ** depth`` and follows `DeepLinear` from its own start (learning dynamics,
    section 9.1): a residual network of small layers starts near 1, where a plain one starts near 0 and waits.

    ``initial_layer`` is a number or one per mode; -1 is stuck. Raises ``ValueError`` for a depth below 1 or a
    layer that is not finite.

    >>> DeepResidual(3, -0.5, tied=True).gain(0.8, 0.36, flow_time=0.72).round(9)
    np.float64(0.614277191)
    """

    depth: int = 3
    initial_layer: Values = 0.0
    tied: bool = False
    name: ClassVar[str] = "deep-residual"
    equation: ClassVar[str] = "learning dynamics (9.1), (9.2)"
    reference: ClassVar[str] = "wang2025, App. F.3.1"

    def __post_init__(self) -> None:
        checks.finite("initial_layer", self.initial_layer)
        checks.at_least("depth", self.depth, 1)

    @cached_property
    def inner(self) -> DeepLinear:
        return DeepLinear(self.depth, (1.0 + np.asarray(self.initial_layer)) ** self.depth, self.tied)

    @property
    def speedup(self) -> float:
        return 1.0
