"""What was learned beside what was forecast: measurements and calibrated law on the same steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from scorelens.analysis.calibrated import forecast_in_steps
from scorelens.analysis.forecast import CRITERIA, LAW
from scorelens.analysis.measured_emergence import measured_emergence
from scorelens.analysis.power_laws import fit_branches, labelled_fits
from scorelens.analysis.record import Predicted, measured, predicted
from scorelens.dynamics import PowerLaw, gray_zone
from scorelens.dynamics.emergence.times import EMERGED
from scorelens.instruments.labels import PURE, VARIANCE, variable
from scorelens.results import schema

if TYPE_CHECKING:
    from scorelens.results import Run

MEASURED = "measured"


def compare(run: Run) -> xr.Dataset:
    """Join the measurements of ``run`` with the law's forecast, calibrated to its steps.

    Always there: ``measured(step, mode)`` with ``standard_error``, and ``implied(step, mode)`` where the
    transfer function was measured. With two measured steps or more: emergence steps and statuses, and power
    laws over ``(criterion, source, branch)``. With the data's spectrum: ``start_variance``,
    ``limit_variance`` and ``gray``; and if the run tells a time scale, ``forecast(step, mode)`` and forecast
    emergence with intervals. ``attrs["time_scale"]`` says how the scale was found.

    Raises ``ValueError`` if generated variance was never measured.
    """
    found = measured(run, "generated_variance")
    if found is None:
        raise ValueError(
            f"{run.path} holds no measurement of generated variance, so there is nothing to compare; "
            "train or measure a model first"
        )
    law = predicted(run)
    joined = _measurements(found, measured(run, "transfer_function"))
    start = _start(found, law)
    if start is not None:
        joined = _joined(joined, _start_and_limit(start, found["eigenvalue"].values, law))
    if start is not None and found.sizes["step"] > 1:
        joined = _over_time(joined, found, start, law)
    return schema.labelled(joined)


def _measurements(found: xr.Dataset, transfer: xr.Dataset | None) -> xr.Dataset:
    kept = {"generated_variance": MEASURED, "standard_error": "standard_error"}
    kept |= {"alignment": "alignment", "alignment_ceiling": "alignment_ceiling"}
    joined = found[list(kept)].rename(kept)
    if transfer is not None:
        joined["implied"] = transfer["implied_variance"].reindex(step=found["step"])
    facts = ("n_generated", "sampler", "n_sigmas")
    joined.attrs = {fact: found.attrs[fact] for fact in facts if fact in found.attrs}
    return joined


def _start(found: xr.Dataset, law: Predicted | None) -> np.ndarray | None:
    """Variance before training ``(mode,)``: measured at step 0, else the law's; None if neither is known."""
    if found["step"].values[0] == 0:
        return found["generated_variance"].values[0]
    return None if law is None else law.forecast["start_variance"].values


def _start_and_limit(start: np.ndarray, eigenvalues: np.ndarray, law: Predicted | None) -> xr.Dataset:
    if law is not None:
        return law.forecast[["start_variance", "limit_variance", "gray", "rising"]]
    dims, gray = ("mode",), gray_zone(start, eigenvalues)
    near = "Whether the mode starts within a factor 2 of its target"
    return xr.Dataset(
        {
            "start_variance": variable(dims, start, "Generated variance before training", VARIANCE),
            "gray": variable(dims, gray, near, PURE),
            "rising": variable(dims, eigenvalues > start, "Whether the mode starts below its target", PURE),
        }
    )


def _over_time(joined: xr.Dataset, found: xr.Dataset, start: np.ndarray, law: Predicted | None) -> xr.Dataset:
    emergence = measured_emergence(found["generated_variance"], start)
    joined = _joined(joined.drop_vars("rising"), emergence)
    calibrated = None if law is None else forecast_in_steps(found, emergence, law)
    if calibrated is not None:
        joined = _joined(joined, calibrated).assign_attrs(calibrated.attrs)
    return _joined(joined, _power_laws(emergence, found["eigenvalue"].values, law))


def _joined(one: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    return one.merge(other, join="exact", combine_attrs="override", compat="override")


def _power_laws(emergence: xr.Dataset, eigenvalues: np.ndarray, law: Predicted | None) -> xr.Dataset:
    """Fits to the modes that emerged, gray ones left out; the law's over the same modes, in doses."""
    fits: dict[tuple[str, str, str], PowerLaw | None] = {}
    for name in CRITERIA:
        one = emergence.sel(criterion=name)
        rising, chosen = one["rising"].values, one["emergence_status_by_criterion"].values == EMERGED
        times = {MEASURED: one["emergence_step_by_criterion"].values}
        if law is not None:
            forecast = law.forecast.sel(criterion=name)
            chosen = chosen & (forecast["emergence_status_by_criterion"].values == EMERGED)
            times[LAW] = forecast["emergence_time_by_criterion"].values
        for source, time in times.items():
            branches = fit_branches(eigenvalues, time, chosen, rising)
            fits |= {(name, source, branch): fit for branch, fit in branches.items()}
    return labelled_fits(fits, CRITERIA, (MEASURED,) if law is None else (MEASURED, LAW))
