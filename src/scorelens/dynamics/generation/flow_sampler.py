"""The flow of flow matching in its own time: from noise of variance 1 at time 0 to data at time 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.generation.sampler import Sampler
from scorelens.dynamics.laws.flow_matching import FlowMatchingLaw
from scorelens.dynamics.laws.flow_time_axis import PathSegment
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True)
class FlowSampler(Sampler):
    """``dx/dt = v(x, t)``, solved exactly from time ``t0`` to ``t1``, started with variance 1.

    For the laws of flow matching only: ``TypeError`` for any other. ``ValueError`` unless ``0 <= t0 < t1 <=
    1``. Times 0 and 1 are allowed: no noise level belongs to them, and none is needed.

    >>> from scorelens.dynamics import FlowOneLayer, emergence_time
    >>> found = emergence_time(FlowOneLayer(0.1), 0.05, sampler=FlowSampler())
    >>> found.flow_time.round(6)
    np.float64(9.217200)
    """

    t0: float = 0.0
    t1: float = 1.0
    name: ClassVar[str] = "flow"
    equation: ClassVar[str] = "learning dynamics (11.1), (11.3)"

    def __post_init__(self) -> None:
        PathSegment.between_times(0.0, self.t0, self.t1)

    @property
    def ends(self) -> tuple[float, float]:
        return _noise(self.t1), _noise(self.t0)

    def keeps_monotone(self, law: GainLaw) -> bool:
        return law.monotone

    def stuck(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        flow = _of_flow_matching(law)
        return flow.stuck_at(eigenvalue, self.t0) | flow.stuck_at(eigenvalue, self.t1)

    def log_start(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return _of_flow_matching(law).log_flow_start(eigenvalue, self.t0, self.t1)

    def log_limit(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return _of_flow_matching(law).log_flow_limit(eigenvalue, self.t0, self.t1)

    def log_way(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return self.log_limit(law, eigenvalue) - self.log_start(law, eigenvalue)

    def trajectory(self, law: GainLaw, eigenvalue: Values) -> VarianceTrajectory:
        segment = PathSegment.between_times(eigenvalue, self.t0, self.t1)
        return _of_flow_matching(law).trajectory_across(segment)


def _of_flow_matching(law: GainLaw) -> FlowMatchingLaw:
    if not isinstance(law, FlowMatchingLaw):
        raise TypeError(
            f"FlowSampler takes a law of flow matching, got {law.name}; use ExactSampler or HeunSampler"
        )
    return law


def _noise(time: float) -> float:
    return (1.0 - time) / time if time > 0.0 else np.inf
