"""What flow matching learns of each mode: velocity gains along the flow, and how fast at each time of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from scorelens.analysis.theory_laws import FLOW, theory_law
from scorelens.dynamics import FlowMatchingLaw, FlowOneLayer
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, variable

MODES = np.array([10.0, 3.0, 1.0, 0.3, 0.1])
PATH_TIMES = np.linspace(0.0, 1.0, 101)


def velocity_curves(
    laws: Sequence[str] = FLOW,
    initial_gains: Sequence[float] = (0.0, 0.1, 0.5),
    flow_times: Sequence[float] = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0),
    variances: np.ndarray = MODES,
    path_times: np.ndarray = PATH_TIMES,
) -> xr.Dataset:
    """Velocity gains of each mode at each time of the flow, by law, initial gain and training dose.

    ``velocity_gain(law, initial_gain, flow_time, mode, path_time)`` and its ``optimum(mode, path_time)``;
    ``flow_time`` is that of training, ``path_time`` in [0, 1] is that of the flow, from noise to data.
    ``learning_speed(mode, path_time)`` of one layer is the rate per flow time, least at the
    ``turning_time(mode)`` where the optimum is 0 (learning dynamics (11.2), (11.4)).

    >>> curves = velocity_curves(["flow matching"], [0.1], [0.0], np.array([3.0]), np.array([0.0, 0.25, 1.0]))
    >>> curves["learning_speed"].values, curves["turning_time"].values
    (array([[1.  , 0.75, 3.  ]]), array([0.25]))
    """
    one = FlowOneLayer(0.0)
    gain = [
        [
            [_law(name, start).velocity_gain(variances[:, None], path_times, time) for time in flow_times]
            for start in initial_gains
        ]
        for name in laws
    ]
    where, along = "learning dynamics, section 11.2 and (11.4)", ("mode", "path_time")
    optimum, speed = (
        np.broadcast_to(values, (len(variances), len(path_times)))
        for values in (
            one.optimal_velocity_gain(variances[:, None], path_times),
            one.learning_speed(variances[:, None], path_times),
        )
    )
    dims = ("law", "initial_gain", "flow_time", *along)
    variables = {
        "velocity_gain": variable(dims, gain, "Velocity gain of the mode", PURE, where),
        "optimum": variable(along, optimum, "Best velocity gain", PURE, "learning dynamics, section 11"),
        "learning_speed": variable(
            along, speed, "Rate of learning per flow time", VARIANCE, "learning dynamics, section 11.2"
        ),
        "turning_time": variable(
            ("mode",), one.turning_time(variances), "Time of the slowest learning", PURE, "1 / (1 + variance)"
        ),
    }
    coordinates = {
        "law": list(laws),
        "initial_gain": list(initial_gains),
        "flow_time": list(flow_times),
        "path_time": path_times,
    }
    return xr.Dataset(variables, coordinates | mode_coordinates(variances))


def _law(name: str, start: float) -> FlowMatchingLaw:
    law = theory_law(name).make(start)
    if not isinstance(law, FlowMatchingLaw):
        raise ValueError(
            f"velocities are those of flow matching, got {name!r}; choose from {', '.join(FLOW)}"
        )
    return law
