"""The numbers behind the figures of generated variance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from scorelens.plots.selection import evenly_spaced, log_spaced
from scorelens.plots.time_axis import time_name
from scorelens.report.table import Table, left_out, text

FEW_MODES, SOME_MODES, MANY_MODES, TIMES = 8, 24, 40, 14
PLACE = "measurements.zarr/<step>/generated_variance (there, mode 1 is mode 0)"


def curves_table(curves: xr.Dataset) -> Table:
    """Times as rows, a few modes as columns, relative to the data."""
    modes = log_spaced(curves.sizes["mode"], FEW_MODES)
    small = _at_times(curves.isel(mode=modes))
    columns: dict[str, Iterable[Any]] = {_time(small): small[time_name(small)].values}
    for kind in ("measured", "forecast"):
        for one in range(small.sizes["mode"] if kind in small else 0):
            columns[f"mode {modes[one] + 1}, {kind}"] = _ratio(small.isel(mode=one), kind)
    caption = "Generated variance of selected modes relative to the data"
    return Table.of_columns(caption, columns, _note(curves, small))


def map_table(curves: xr.Dataset) -> Table:
    """Modes as rows, times as columns, relative to the data."""
    kind = "measured" if "measured" in curves else "forecast"
    small = _at_times(curves.isel(mode=log_spaced(curves.sizes["mode"], SOME_MODES)))
    name = time_name(small)
    columns: dict[str, Iterable[Any]] = {
        "mode": small["mode"].values + 1,
        "data variance": small["eigenvalue"].values,
    }
    for at, time in enumerate(small[name].values):
        columns[f"{_time(small)} {text(time)}"] = _ratio(small.isel({name: at}), kind)
    return Table.of_columns(f"Generated variance relative to the data, {kind}", columns, _note(curves, small))


def standing_table(curves: xr.Dataset) -> Table:
    """Every mode at the last step: variances in the units of the data."""
    modes = log_spaced(curves.sizes["mode"], MANY_MODES)
    last = curves.isel(mode=modes, step=-1)
    named = {
        "eigenvalue": "data variance",
        "measured": "generated variance",
        "standard_error": "standard error",
        "implied": "implied by the transfer function",
        "limit_variance": "best linear denoiser",
    }
    columns: dict[str, Iterable[Any]] = {"mode": modes + 1}
    columns |= {label: last[name].values for name, label in named.items() if name in last}
    columns["generated / data"] = _ratio(last, "measured")
    note = left_out("modes", modes, curves.sizes["mode"], PLACE)
    return Table.of_columns(f"Variance of each mode at step {int(last['step']):,}", columns, note)


def alignment_table(curves: xr.Dataset) -> Table:
    """Alignment of each mode at the last step."""
    modes = log_spaced(curves.sizes["mode"], MANY_MODES)
    last = curves.isel(mode=modes, step=-1)
    columns: dict[str, Iterable[Any]] = {
        "mode": modes + 1,
        "measured": last["alignment"].values,
        "perfect model": last["alignment_ceiling"].values,
    }
    note = left_out("modes", modes, curves.sizes["mode"], PLACE)
    return Table.of_columns(f"Alignment of each mode at step {int(last['step']):,}", columns, note)


def _time(curves: xr.Dataset) -> str:
    return "step" if time_name(curves) == "step" else "dose"


def _at_times(curves: xr.Dataset) -> xr.Dataset:
    name = time_name(curves)
    return curves.isel({name: evenly_spaced(curves.sizes[name], TIMES)})


def _ratio(small: xr.Dataset, kind: str) -> np.ndarray:
    target, generated = small["eigenvalue"].values, small[kind].values
    return np.divide(generated, target, out=np.full_like(generated, np.nan), where=target > 0)


def _note(curves: xr.Dataset, small: xr.Dataset) -> str:
    time = time_name(curves)
    if all(small.sizes[name] == curves.sizes[name] for name in ("mode", time)):
        return ""
    return (
        f"Shows {small.sizes['mode']} of {curves.sizes['mode']:,} modes at {small.sizes[time]} of "
        f"{curves.sizes[time]:,} times; all are in {PLACE if time == 'step' else 'datasets.zarr/forecast'}."
    )
