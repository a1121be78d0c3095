"""A forecast in optimizer steps: the dose of the law, calibrated on the run itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
import xarray as xr

from scorelens.analysis.power_laws import LEVEL
from scorelens.analysis.record import Predicted
from scorelens.dynamics import Calibration, HeunSampler, calibrate, fit_dose, log_variance_table
from scorelens.dynamics.emergence.measured_emergence import CENSORED
from scorelens.dynamics.emergence.times import EMERGED
from scorelens.instruments.labels import VARIANCE, variable

BEFORE = "The forecast was made before training, from the data's spectrum and the configuration; "
CALIBRATED = BEFORE + "how many steps a dose takes was then calibrated on this run."
STILL = BEFORE + "it needs no time scale, as the law starts where it ends."
#: Fewest emerged modes that a time scale is read from; with fewer, whole trajectories are fitted.
LEAST_EMERGED = 3
#: Largest change of a log variance in all of training that counts as none.
STANDSTILL = 0.02


@final
@dataclass(frozen=True, eq=False)
class TimeScale:
    """How many optimizer steps a dose takes: ``dose(step)``, ``step(dose)``, and how that was found.

    ``step`` is None where the law stands still; ``calibration`` holds what intervals need, or is None.
    """

    dose: Callable[[np.ndarray], np.ndarray]
    step: Callable[[np.ndarray], np.ndarray] | None
    method: str
    calibration: Calibration | None = None
    scale_only: Calibration | None = None


def time_scale(measured: xr.Dataset, emergence: xr.Dataset, predicted: Predicted) -> TimeScale | None:
    """Calibrate the law's dose on the run: emergence steps where modes emerged, else whole trajectories.

    ``measured`` has ``generated_variance(step, mode)``, ``emergence`` is that of `measured_emergence`. None
    if the run says nothing about time.
    """
    dose = predicted.forecast["emergence_time"].values
    status = emergence["emergence_status"].values
    timed = (predicted.forecast["emergence_status"].values == EMERGED) & np.isin(status, (EMERGED, CENSORED))
    step = emergence["emergence_step"].values
    if int((timed & (status == EMERGED)).sum()) >= LEAST_EMERGED:
        arguments = dose[timed], step[timed], status[timed] == CENSORED
        return _from_emergence(calibrate(*arguments), calibrate(*arguments, fit="scale"))
    return _from_trajectories(measured, predicted)


def _from_emergence(found: Calibration, scale_only: Calibration) -> TimeScale:
    parameters = "time scale" if found.fit == "scale" else "time scale and exponent"
    method = f"{parameters} fitted to the emergence steps of {found.n_emerged} emerged modes"
    return TimeScale(found.dose, partial(_quantile, found, "step"), method, found, scale_only)


def _from_trajectories(measured: xr.Dataset, predicted: Predicted) -> TimeScale | None:
    forecast, steps = predicted.forecast, measured["step"].values
    resolved = forecast["eigenvalue"].values > predicted.sigmas[-1] ** 2
    way = np.log(forecast["limit_variance"].values / forecast["start_variance"].values)
    if not (np.abs(way[resolved]) > STANDSTILL).any():
        return TimeScale(np.zeros_like, None, "none needed")
    if int((steps > 0).sum()) < 2:
        return None
    variance = measured["generated_variance"].values
    eigenvalues, sampler = forecast["eigenvalue"].values, HeunSampler(predicted.sigmas)
    found = fit_dose(steps, variance, predicted.law, eigenvalues, sampler=sampler)
    return TimeScale(found.dose, found.step, "time scale and exponent fitted to all trajectories")


def forecast_in_steps(measured: xr.Dataset, emergence: xr.Dataset, predicted: Predicted) -> xr.Dataset | None:
    """The forecast on the steps that were measured, with emergence steps and their intervals; None without a
    time scale.
    """
    scale = time_scale(measured, emergence, predicted)
    if scale is None:
        return None
    steps = measured["step"].values.astype(float)
    logs = log_variance_table(
        predicted.law,
        predicted.forecast["eigenvalue"].values,
        scale.dose(steps),
        sampler=HeunSampler(predicted.sigmas),
    )
    long_name = "Forecast variance along the mode, time scale calibrated on this run"
    variables = {"forecast": variable(("step", "mode"), np.exp(logs), long_name, VARIANCE, "[E11], [E28]")}
    variables |= _emergence(predicted.forecast, emergence, scale)
    return xr.Dataset(variables, {"step": measured["step"]}, _facts(scale))


def _facts(scale: TimeScale) -> dict[str, str]:
    return {"time_scale": scale.method, "note": STILL if scale.step is None else CALIBRATED}


def _emergence(forecast: xr.Dataset, emergence: xr.Dataset, scale: TimeScale) -> dict[str, xr.Variable]:
    if scale.step is None:
        return {}
    dose = forecast["emergence_time"].values
    name = "Forecast emergence step"
    variables = {"forecast_emergence_step": _steps(_in_steps(dose, scale.step), name)}
    found, alone = scale.calibration, scale.scale_only
    if found is None or alone is None:
        return variables
    waiting = emergence["emergence_status"].values == CENSORED
    last = float(emergence["emergence_step"].values[waiting].max(initial=1.0))

    def end(which: str) -> np.ndarray:
        free, late = (_in_steps(dose, partial(_quantile, found, which, after=a)) for a in (None, last))
        return np.where(waiting, late, free)

    by_law = _in_steps(dose, partial(_quantile, alone, "step"))
    return variables | {
        "forecast_emergence_low": _steps(end("low"), f"{name}, lower end of a {LEVEL:.0%} interval"),
        "forecast_emergence_high": _steps(end("high"), f"{name}, upper end of a {LEVEL:.0%} interval"),
        "forecast_emergence_step_scale_only": _steps(by_law, f"{name} with the law's own exponent 1"),
    }


def _steps(values: np.ndarray, long_name: str) -> xr.Variable:
    return variable(("mode",), values, long_name, "step", "[E28], [E30]")


def _quantile(
    calibration: Calibration, which: str, dose: np.ndarray, *, after: float | None = None
) -> np.ndarray:
    """``low``, ``step`` or ``high`` of the emergence step of modes with this emergence dose."""
    return getattr(calibration.forecast(dose, level=LEVEL, after=after), which)


def _in_steps(dose: np.ndarray, step: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``step(dose)`` where the dose is positive and finite, else the dose itself (0 or infinite)."""
    timed = np.isfinite(dose) & (dose > 0)
    result = dose.astype(float).copy()
    result[timed] = step(dose[timed])
    return result
