"""What each estimator explains of the data at each noise level."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis.explained import HELD_OUT, PARTS, TRAINING
from scorelens.analysis.explained_words import levels_worth_showing, percent
from scorelens.report.estimate.evidence import EstimateEvidence
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, text


def explained(evidence: EstimateEvidence) -> Section:
    """The section on explained variance and loss, against the floors and against each other."""
    dataset = evidence.datasets["explained"]
    return Section(
        name="explained",
        short_title="Explained",
        title="What each explains, by noise level",
        lead=(
            "A denoiser is shown data with noise σ and guesses the clean data. It explains 100% if it is "
            "always right, 0% if it only knows the mean. The best linear denoiser knows mean and covariance; "
            "whoever explains more has learned the shape of the data, or learned the training data by heart."
        ),
        panels=(_share_panel(dataset), _loss_panel(dataset)),
        tables=(_short_table(dataset),),
    )


def _share_panel(dataset: xr.Dataset) -> Panel:
    caption = (
        "Higher is better; bars are two standard errors. On training data no denoiser lies above the dotted "
        "line, which knows them by heart; what counts is held-out data."
    )
    return Panel(
        "explained-variance",
        "Explained variance",
        caption,
        plots.explained_variance(dataset),
        _full_table("Explained variance, %", 100 * dataset["explained_variance"], _floors(dataset)),
    )


def _loss_panel(dataset: xr.Dataset) -> Panel:
    caption = (
        "The same, as the loss relative to that of the best linear denoiser: lower is better, 1 is as good. "
        f"Ratios beyond {plots.LEAST_RATIO:g} and {plots.MOST_RATIO:g} are drawn at the border."
    )
    ratio = dataset["loss"] / dataset["gaussian_loss"]
    return Panel(
        "loss-over-floor",
        "Loss against the best linear denoiser",
        caption,
        plots.loss_over_floor(dataset),
        _full_table("Loss over that of the best linear denoiser", ratio, {}),
    )


def _floors(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    floors = {f"best linear, {part}": 100 * dataset["gaussian_floor"].sel(part=part).values for part in PARTS}
    return floors | {"memorising, training": 100 * dataset["empirical_floor"].values}


def _full_table(caption: str, values: xr.DataArray, floors: dict[str, np.ndarray]) -> Table:
    columns = {"σ": values["sigma"].values}
    for part in PARTS:
        for name in values["estimator"].values.tolist():
            columns[f"{name}, {part}"] = values.sel(estimator=name, part=part).values
    return Table.of_columns(caption, columns | floors)


def _short_table(dataset: xr.Dataset) -> Table:
    """Estimators as rows, a few noise levels as columns."""
    levels = levels_worth_showing(dataset)
    rows = [(name, *_cells(dataset.sel(estimator=name), levels)) for name in dataset["estimator"].values]
    floor = dataset["gaussian_floor"]
    rows.append(("best linear denoiser", *(_both(floor.isel(sigma=i), None) for i in levels)))
    sigmas = [text(float(f"{dataset['sigma'].values[i]:.2g}")) for i in levels]
    header = ("estimator", *(f"σ {sigma}" for sigma in sigmas))
    note = "Held-out data ± two standard errors, and training data in brackets."
    return Table("Explained variance, %", header, tuple(rows), note)


def _cells(one: xr.Dataset, levels: list[int]) -> tuple[str, ...]:
    return tuple(
        _both(one["explained_variance"].isel(sigma=i), one["standard_error"].isel(sigma=i)) for i in levels
    )


def _both(share: xr.DataArray, error: xr.DataArray | None) -> str:
    held = percent(
        share.sel(part=HELD_OUT).item(), None if error is None else error.sel(part=HELD_OUT).item()
    )
    seen = percent(share.sel(part=TRAINING).item())
    return f"{held} ({seen})".replace(" ", "\u00a0").replace("-", "−")  # one line, on a phone too
