"""The matrices of the equations that the estimators solved."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.report.panel import Panel, Section
from scorelens.report.table import ABSENT, Table


def normal_spectrum(dataset: xr.Dataset) -> Section:
    """The section on a Dataset of `scorelens.analysis.normal_spectrum`."""
    caption = (
        "Eigenvalues of the normal matrix at one noise level, over the largest; the diamond stands at the "
        "rank. Move the noise level. Small eigenvalues are directions that the noised data hardly "
        "determine: the solver decides what becomes of them."
    )
    panel = Panel(
        "normal-eigenvalues",
        "Spectrum of the normal matrix",
        caption,
        plots.normal_spectrum(dataset),
        _table(dataset),
    )
    return Section(
        name="normal-spectrum",
        short_title="Normal matrix",
        title="How well the data determine the features",
        lead=(
            "Score matching with m features is a linear system of size m at every noise level. Averaged over "
            "the noise exactly, it has one solution unless features are dependent; on N drawn points of d "
            "values, its rank is at most N d. The features of a kernel are the drawn points themselves."
        ),
        panels=(panel,),
    )


def _table(dataset: xr.Dataset) -> Table:
    pairs = [
        dataset.isel(estimator=i, sigma=k)
        for i in range(dataset.sizes["estimator"])
        for k in range(dataset.sizes["sigma"])
    ]
    columns: dict[str, list[object]] = {
        "estimator": [str(one["estimator"].values) for one in pairs],
        "noise level σ": [float(one["sigma"]) for one in pairs],
        "fitted at σ": [float(one["level"]) for one in pairs],
        "rank": [int(one["rank"]) for one in pairs],
        "features": [int(one["count"]) for one in pairs],
        "smallest eigenvalue / largest": [_smallest(one["eigenvalue"].values) for one in pairs],
        "loss has a minimum": [bool(one["bounded"]) for one in pairs],
    }
    if (dataset["solved_by"].values != ABSENT).any():
        columns["solved by"] = [str(one["solved_by"].values) for one in pairs]
    alone = np.isnan(dataset["level"].values).any()
    note = "A dash instead of a level: one matrix for all levels at once." if alone else ""
    return Table.of_columns("Rank and conditioning, level by level", columns, note)


def _smallest(eigenvalues: np.ndarray) -> float:
    """The smallest that is not 0."""
    return float(np.min(eigenvalues[eigenvalues > 0], initial=np.inf))
