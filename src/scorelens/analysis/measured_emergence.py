"""When each mode emerged in a run, by every criterion."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis.forecast import CRITERIA, EMERGENCE
from scorelens.dynamics import MeasuredEmergence, emergence_step
from scorelens.dynamics.emergence.times import EMERGED
from scorelens.instruments.labels import PURE, variable

#: Status of a mode that had emerged by the first measurement, if that was not at step 0: a bound from above.
EARLIER = "earlier"


def measured_emergence(variance: xr.DataArray, start: np.ndarray) -> xr.Dataset:
    """Emergence steps of ``variance (step, mode)`` from ``start (mode,)``, both > 0, by every criterion.

    The target is the data's variance, the coordinate ``eigenvalue``. ``emergence_step`` and
    ``emergence_status`` are those of the first criterion; statuses are ``emerged``, ``censored`` (not by the
    last step, which is given), ``gray``, ``at start``, or ``earlier`` (than the first measurement).

    >>> values, data = [[1.0], [2.0], [8.0]], {"step": [0, 1, 4], "eigenvalue": ("mode", [16.0])}
    >>> found = measured_emergence(xr.DataArray(values, data, ("step", "mode")), np.ones(1))
    >>> found.emergence_step_by_criterion.sel(criterion="geometric").item()
    2.0
    """
    steps, target = variance["step"].values.astype(float), variance["eigenvalue"].values
    found = [emergence_step(steps, variance.values, start, target, name) for name in CRITERIA]
    statuses = [_status(one, steps[0]) for one in found]
    rising = variable(("mode",), target > start, "Whether the mode starts below its target", PURE)
    both, name = ("criterion", "mode"), "Step at which the mode emerged"
    return xr.Dataset(
        {
            "rising": rising,
            "emergence_step": variable(("mode",), found[0].step, f"{name} ({CRITERIA[0]} mean)", "step"),
            "emergence_status": variable(("mode",), statuses[0], "Status of the emergence step", PURE),
            "emergence_step_by_criterion": variable(
                both, [one.step for one in found], name, "step", EMERGENCE
            ),
            "emergence_status_by_criterion": variable(both, statuses, "Status of the emergence step", PURE),
        },
        {"criterion": list(CRITERIA)},
    )


def _status(found: MeasuredEmergence, first_step: float) -> np.ndarray:
    unseen = (found.status == EMERGED) & (found.step == first_step)
    return np.where(unseen & (first_step > 0), EARLIER, found.status)
