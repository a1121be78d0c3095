"""Denoising loss at each noise level, and over training."""

from __future__ import annotations

import xarray as xr

from scorelens import plots
from scorelens.plots.selection import evenly_spaced
from scorelens.report.evidence import Evidence
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, left_out

TABLE_ROWS = 40


def loss(evidence: Evidence) -> Section:
    """The section on the loss, on training and held-out data, against its floors."""
    dataset = evidence.loss
    return Section(
        name="loss",
        short_title="Loss",
        title="Loss at each noise level",
        lead=(
            "Below the floor of the best linear denoiser, a model knows more than means and covariances. "
            "Training loss that falls towards the floor of memorisation while held-out loss does not is "
            "learning by heart."
        ),
        panels=() if dataset is None else _panels(dataset),
        absent=() if dataset is not None else ("The loss per noise level was not measured in this run.",),
    )


def _panels(dataset: xr.Dataset) -> tuple[Panel, ...]:
    per_sigma = Panel(
        "loss-per-sigma",
        "Loss against its floors",
        "Each point is the loss at one noise level, summed over the numbers of a sample (bars: two "
        "standard errors). Lower is better; on training data no denoiser can fall below the dotted line. "
        "Move the slider through training.",
        plots.loss_per_sigma(dataset),
        _table_per_sigma(dataset),
    )
    if dataset.sizes["step"] < 2 or "held_out_edm_loss" not in dataset:
        return (per_sigma,)
    over_training = Panel(
        "loss-over-training",
        "Loss over training",
        "The loss that training minimises, weighted and averaged over noise levels as EDM does. Where the "
        "two curves part, the model begins to fit the training set alone. Time 0 is drawn at the left edge.",
        plots.loss_over_training(dataset),
        _table_over_training(dataset),
    )
    return (per_sigma, over_training)


def _table_per_sigma(dataset: xr.Dataset) -> Table:
    last = dataset.isel(step=-1)
    names = {
        "train_loss": "training loss",
        "held_out_loss": "held-out loss",
        "held_out_standard_error": "its standard error",
        "linear_floor": "floor: best linear denoiser",
        "linear_held_out_loss": "best linear denoiser on held-out data",
        "memorization_floor": "floor: memorising",
    }
    columns = {label: last[name].values for name, label in names.items() if name in last}
    note = (
        f"Shows the last of {dataset.sizes['step']} measured steps; all are in measurements.zarr/<step>/loss."
    )
    caption = f"Loss per noise level at step {int(last['step']):,}"
    return Table.of_columns(caption, {"noise level σ": last["sigma"].values, **columns}, note)


def _table_over_training(dataset: xr.Dataset) -> Table:
    rows = evenly_spaced(dataset.sizes["step"], TABLE_ROWS)
    small = dataset.isel(step=rows)
    return Table.of_columns(
        "EDM-weighted loss over training",
        {
            "step": small["step"].values,
            "training data": small["train_edm_loss"].values,
            "held-out data": small["held_out_edm_loss"].values,
        },
        left_out("steps", rows, dataset.sizes["step"], "measurements.zarr/<step>/loss"),
    )
