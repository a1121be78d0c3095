"""Where each estimator sends a noisy point of the plane."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis.score_field import OF_THE_DATA, UP_TO_A_FACTOR
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table


def score_field(dataset: xr.Dataset) -> Section:
    """The section on a Dataset of `scorelens.analysis.score_field`."""
    caption = (
        "Arrows show σ × score (minus the predicted noise), and saturate: one of length u is drawn "
        "u / √(1 + u²) times as long as the step between arrows. Dark is dense. Choose the estimator, move "
        f"the noise level.{_about_densities(dataset)}"
    )
    panel = Panel("score-arrows", "Score over density", caption, plots.score_field(dataset), _table(dataset))
    return Section(
        name="score-field",
        short_title="Score field",
        title="Where each estimator sends a noisy point",
        lead=(
            "The score is the slope of the log density of the noised data. A sampler follows it while the "
            "noise falls."
        ),
        panels=(panel,),
    )


def _about_densities(dataset: xr.Dataset) -> str:
    """Whose score is not that of the density behind it, and whose density is no law."""
    borrowed, unscaled = (_with(dataset, kind) for kind in (OF_THE_DATA, UP_TO_A_FACTOR))
    about = f" No density is known of {borrowed}: behind it is that of the noised data." if borrowed else ""
    if unscaled:
        about += f" That of {unscaled} is known up to a factor, and may grow without end far from the data."
    return about


def _with(dataset: xr.Dataset, kind: str) -> str:
    pairs = zip(dataset["estimator"].values, dataset["density"].values, strict=True)
    return ", ".join(str(name) for name, whose in pairs if whose == kind)


def _table(dataset: xr.Dataset) -> Table:
    """How large the score is over the events, and how far from that of the first estimator."""
    near = dataset.sel(x=dataset["event_x"], y=dataset["event_y"], method="nearest")
    score = np.stack([near["score_x"].values, near["score_y"].values]) * near["sigma"].values[:, None]
    names, levels = dataset["estimator"].values, dataset["sigma"].values
    columns: dict[str, list[object]] = {"noise level σ": levels.tolist()}
    for i, name in enumerate(names):
        columns[f"{name}: size"] = np.sqrt((score[:, i] ** 2).sum(axis=0).mean(axis=-1)).tolist()
    for i, name in enumerate(names[1:], start=1):
        apart = score[:, i] - score[:, 0]
        columns[f"{name}: from {names[0]}"] = np.sqrt((apart**2).sum(axis=0).mean(axis=-1)).tolist()
    note = "Root mean square of σ × score, and of its difference, over the grid cells of the events drawn."
    return Table.of_columns("Size of the score near the data", columns, note)
