"""What the denoiser does to each mode at each noise level, and which levels teach it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.plots.selection import log_spaced
from scorelens.plots.time_axis import time_labels, time_name
from scorelens.report.evidence import Evidence
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table

TABLE_MODES = 8
NOT_MEASURED = "The transfer function was not measured in this run."
TOO_MANY = (
    "Too many modes for a table of transfer functions; with --modes, the forecast of the leading ones has it."
)
FORECAST_ONLY = "The transfer function was not measured in this run; this is its forecast."


def transfer(evidence: Evidence) -> Section:
    """The section on the measured transfer function."""
    dataset = evidence.transfer if evidence.transfer is not None else _forecast(evidence.forecast)
    absent = () if evidence.transfer is not None else _not_measured(evidence, dataset)
    return Section(
        name="transfer",
        short_title="Transfer",
        title="What the denoiser passes on",
        lead=(
            "Along each mode, the transfer function is the share of a noisy input that the denoiser "
            "keeps. The best linear denoiser keeps λ / (λ + σ²): nearly all where the mode is larger than "
            "the noise, nearly nothing where it is smaller."
        ),
        panels=() if dataset is None else (_transfer_panel(dataset),),
        absent=absent,
    )


def _not_measured(evidence: Evidence, forecast: xr.Dataset | None) -> tuple[str, ...]:
    if not evidence.is_forecast:
        return (NOT_MEASURED if forecast is None else FORECAST_ONLY,)
    return (TOO_MANY,) if forecast is None else ()


def _forecast(dataset: xr.Dataset | None) -> xr.Dataset | None:
    """The forecast transfer function beside the optimum; ``None`` if it was not forecast."""
    if dataset is None or "transfer" not in dataset:
        return None
    optimal = dataset["eigenvalue"] / (dataset["eigenvalue"] + dataset["sigma"] ** 2)  # [E3]
    return dataset[["transfer"]].assign(optimal_transfer=optimal)


def has_noise_levels(evidence: Evidence) -> bool:
    """Whether the law of the forecast knows how training is spread over noise levels."""
    return evidence.forecast is not None and "responsibility" in evidence.forecast


def noise_levels(evidence: Evidence) -> Section:
    """The section on which noise levels teach which mode (theory)."""
    dataset, known = evidence.forecast, has_noise_levels(evidence)
    return Section(
        name="levels",
        short_title="Noise levels",
        title="Which noise levels teach which mode",
        lead=(
            "From the theory: how much of what a mode still has to learn lies at each noise level. "
            "Training that rarely visits these levels learns the mode late."
        ),
        panels=(_responsibility_panel(dataset),) if known else (),  # pyright: ignore[reportArgumentType]
        absent=() if known else ("The run holds no forecast of responsibilities.",),
    )


def _transfer_panel(dataset: xr.Dataset) -> Panel:
    caption = (
        "Each row is a mode, each column a noise level; bright is removed, dark is kept. Move the slider "
        "through training, or show what is missing to the optimum. For the best linear denoiser the border "
        "runs along σ = √λ."
    )
    title = "Transfer function over noise level and mode"
    return Panel("transfer-map", title, caption, plots.transfer(dataset), _transfer_table(dataset))


def _transfer_table(dataset: xr.Dataset) -> Table:
    """Noise levels as rows, a few modes as columns, at the last time."""
    time, modes = time_name(dataset), log_spaced(dataset.sizes["mode"], TABLE_MODES)
    last = dataset.isel({"mode": modes, time: [-1]})
    kind = "measured" if time == "step" else "forecast"
    columns: dict[str, Iterable[Any]] = {"noise level σ": last["sigma"].values}
    for one, mode in enumerate(modes):
        columns[f"mode {mode + 1}, {kind}"] = last["transfer"].isel({"mode": one, time: 0}).values
        columns[f"mode {mode + 1}, optimal"] = _last(last["optimal_transfer"].isel(mode=one)).values
    place = "measurements.zarr/<step>/transfer_function" if time == "step" else "datasets.zarr/forecast"
    note = (
        f"Shows {len(modes)} of {dataset.sizes['mode']:,} modes at the last of {dataset.sizes[time]} times; "
        f"all are in {place} (there, mode 1 is mode 0)."
    )
    return Table.of_columns(f"Transfer function at {time_labels(last)[0]}", columns, note)


def _last(variable: xr.DataArray) -> xr.DataArray:
    return variable.isel(step=-1) if "step" in variable.dims else variable


def _responsibility_panel(dataset: xr.Dataset) -> Panel:
    caption = (
        "Each row is a mode; dark marks the noise levels at which its variance is decided. The line is "
        "the noise level equal to the mode's own standard deviation."
    )
    title = "Responsibility of each noise level (forecast)"
    return Panel(
        "responsibility", title, caption, plots.responsibility(dataset), _responsibility_table(dataset)
    )


def _responsibility_table(dataset: xr.Dataset) -> Table:
    modes = log_spaced(dataset.sizes["mode"], 5 * TABLE_MODES)
    small = dataset.isel(mode=modes)
    values = small["responsibility"].transpose("mode", "sigma").values
    sigma = small["sigma"].values
    note = f"Shows {len(modes)} of {dataset.sizes['mode']:,} modes; all levels are in datasets.zarr/forecast."
    return Table.of_columns(
        "The most responsible noise level of each mode",
        {
            "mode": small["mode"].values + 1,
            "standard deviation": np.sqrt(small["eigenvalue"].values),
            "most responsible σ": [
                sigma[np.nanargmax(row)] if np.isfinite(row).any() else None for row in values
            ],
        },
        note,
    )
