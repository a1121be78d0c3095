"""Products of any number of linear layers, equal in every mode at the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.laws.product_of_layers import ProductOfLayers
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True, eq=False)
class DeepLinear(ProductOfLayers):
    """``depth`` linear layers that start with equal (aligned) singular values, the same at every sigma.

    The gain of a mode is the product of its layers, and moves in proportion to ``|gain|^(2 - 2 / depth)``:
    ``depth`` times that for independent layers ("balanced"), ``depth ** 2`` times for one shared parameter
    (``tied``), which collects the gradients of all its places. Depth 1 is `OneLayer`, depth 2 tied is
    `SymmetricTwoLayer`; deeper networks wait long and then learn at once. The closed form is implicit, with
    hypergeometric functions on either side of the optimum (learning dynamics (9.2)).

    ``initial_gain`` is a number or one per mode. From depth 2 on a gain 0 never moves, and a negative one
    (which independent layers, or an odd number of tied ones, can have) only returns to 0: both are stuck.

    Raises ``ValueError`` for a depth below 1, an initial gain that is not finite, or a negative one of an
    even number of tied layers.

    >>> law = DeepLinear(3, 0.02, tied=True)
    >>> law.gain(1.0, 0.36, flow_time=0.8).round(9)
    np.float64(0.261761421)
    """

    depth: int = 3
    initial_gain: Values = 0.1
    tied: bool = False
    name: ClassVar[str] = "deep"
    equation: ClassVar[str] = "learning dynamics (9.1), (9.2)"
    reference: ClassVar[str] = "wang2025, App. F.3"

    def __post_init__(self) -> None:
        checks.whole("depth", self.depth, 1, "an infinite depth is InfiniteDepth")
        checks.finite("initial_gain", self.initial_gain)
        if self.tied and self.depth % 2 == 0:
            remedy = "an even number of tied layers has no negative gain; use tied=False"
            checks.non_negative("initial_gain", self.initial_gain, remedy)
        object.__setattr__(self, "initial_gain", np.asarray(self.initial_gain, dtype=float))

    @property
    def pace(self) -> float:
        return float(self.depth**2 if self.tied else self.depth)  # (9.1)

    @property
    def power(self) -> float:
        return 2.0 - 2.0 / self.depth

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # Each layer moves by the gain's gradient times the product of the other layers, and moves the gain by
        # that product again; a shared parameter sums the gradients of all its places.
        by_gain = np.asarray(eigenvalue) * (1.0 - np.asarray(gain)) - np.asarray(noise_variance) * gain
        others = np.abs(gain) ** ((self.depth - 1) / self.depth)
        layer = by_gain * others * (self.depth if self.tied else 1)
        return self.depth * others * layer
