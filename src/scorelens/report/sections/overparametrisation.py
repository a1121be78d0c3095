"""What happens where features and equations are equally many."""

from __future__ import annotations

import xarray as xr

from scorelens import plots
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, text


def overparametrisation(dataset: xr.Dataset) -> Section:
    """The section on a Dataset of `scorelens.analysis.overparametrisation`."""
    n, d = int(dataset["n_events"]), int(dataset["dim"])
    caption = (
        f"Excess held-out loss, σ²E|ŝ − s|²/d, of scores with m random Fourier features; {n} events of {d} "
        f"{'value' if d == 1 else 'values'} "
        f"noised once at σ = {text(float(dataset['noise_level']))}. Median and 10–90% over "
        f"{dataset.sizes['seed']} draws. The minimum-norm solution peaks at "
        f"m / (N d) = {text(float(dataset['peak']))}. The features are as wiggly as the events are apart; "
        "smoother ones run out of digits first. The ridge is the best of 17 on the held-out events."
    )
    panel = Panel(
        "overparametrisation-curve",
        "Error against features per equation",
        caption,
        plots.overparametrisation(dataset),
        _table(dataset),
    )
    return Section(
        name="overparametrisation",
        short_title="Features",
        title="Features against equations",
        lead=(
            "Implicit score matching on N noised events of d values has N d equations. With nearly as many "
            "features its matrix is almost singular; with more, its loss has no minimum and the minimum-norm "
            "solution is a cut-off. Averaged over the noise exactly, the same loss always has a minimum."
        ),
        panels=(panel,),
    )


def _table(dataset: xr.Dataset) -> Table:
    columns: dict[str, list[object]] = {
        "features m": dataset["n_features"].values.tolist(),
        "m / (N d)": dataset["ratio"].values.tolist(),
        "rank": dataset["rank"].min("seed").values.tolist(),
        "loss has a minimum": (dataset["rank"].min("seed") == dataset["n_features"]).values.tolist(),
    }
    for i, solver in enumerate(dataset["solver"].values):
        columns[str(solver)] = dataset["error_median"].values[i].tolist()
    zero = text(float(dataset["error_of_zero"].mean()))
    note = f"A score of zero has {zero}. Every draw is in measurements.zarr/overparametrisation."
    return Table.of_columns("Median excess held-out loss", columns, note)
