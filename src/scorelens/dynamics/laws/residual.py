"""One linear layer beside a skip connection, both scaled alike at every noise level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.laws.one_layer import OneLayer
from scorelens.dynamics.laws.rescaled import RescaledLaw
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True, eq=False)
class ResidualOneLayer(RescaledLaw):
    """``D(x) = (skip I + output W') x`` with ``W'(0) = initial_weight`` along the mode.

    The skip moves the start and the output scaling sets the pace: the gain is that of one layer that starts
    at ``skip + output * initial_weight`` and learns ``output ** 2`` times as fast (learning dynamics (2.3)).
    An input scaling counts as part of ``output``. For scalings that depend on sigma see
    `PreconditionedOneLayer`.

    Raises ``ValueError`` for an output scaling of 0, or anything that is not finite.

    >>> ResidualOneLayer(0.4, 0.55, 0.2).gain(0.8, 0.36, 1.54).round(6)
    np.float64(0.585002)
    """

    skip: Values = 1.0
    output: float = 1.0
    initial_weight: Values = 0.0
    name: ClassVar[str] = "residual"
    equation: ClassVar[str] = "learning dynamics (2.3)"
    reference: ClassVar[str] = "wang2025, App. D.1.2"

    def __post_init__(self) -> None:
        for field in ("skip", "output", "initial_weight"):
            checks.finite(field, getattr(self, field))
        checks.positive("the square of output", np.square(self.output), "an output of 0 never learns")

    @cached_property
    def inner(self) -> OneLayer:
        return OneLayer(np.asarray(self.skip) + self.output * np.asarray(self.initial_weight))

    @property
    def speedup(self) -> float:
        return float(self.output) ** 2
