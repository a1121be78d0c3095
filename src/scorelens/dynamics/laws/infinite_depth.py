"""The limit of infinitely many linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.laws.product_of_layers import ProductOfLayers
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True, eq=False)
class InfiniteDepth(ProductOfLayers):
    """`DeepLinear` as its depth grows without end, in the flow time that keeps its pace finite.

    Here ``flow_time = kappa * training time`` with the pace ``kappa`` of (9.1): ``2 learning_rate depth`` for
    independent layers, ``2 learning_rate depth**2`` for tied ones. It stays finite only if the learning rate
    falls accordingly; at a fixed learning rate the limit does not exist. The gain is ``optimum / (1 + W)``
    with Lambert's function W (learning dynamics (9.5)), on the branch on which the start stands.

    ``initial_gain`` is a number or one per mode; 0 and negative ones are stuck at 0. Raises ``ValueError`` if
    it is not finite.

    >>> InfiniteDepth(0.1).gain(1.0, 0.49, flow_time=8.0).round(9)
    np.float64(0.257232484)
    """

    initial_gain: Values = 0.1
    name: ClassVar[str] = "infinite-depth"
    equation: ClassVar[str] = "learning dynamics (9.5)"
    reference: ClassVar[str] = "wang2025, App. F.3"

    def __post_init__(self) -> None:
        checks.finite("initial_gain", self.initial_gain)
        object.__setattr__(self, "initial_gain", np.asarray(self.initial_gain, dtype=float))

    @property
    def pace(self) -> float:
        return 1.0

    @property
    def power(self) -> float:
        return 2.0

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # Every layer moves the gain by the product of the others, which is the gain itself.
        by_gain = np.asarray(eigenvalue) * (1.0 - np.asarray(gain)) - np.asarray(noise_variance) * gain
        return by_gain * np.square(gain)
