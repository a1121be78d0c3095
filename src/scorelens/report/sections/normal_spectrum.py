"""The matrices that the feature estimators solved."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, text


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
            "values, its rank is at most N d."
        ),
        panels=(panel,),
    )


def _table(dataset: xr.Dataset) -> Table:
    rows = []
    for i, name in enumerate(dataset["estimator"].values):
        one = dataset.isel(estimator=i)
        for k, sigma in enumerate(one["sigma"].values):
            at = one.isel(sigma=k)
            smallest = at["eigenvalue"].values[at["eigenvalue"].values > 0]
            cells = (
                text(float(sigma)),
                text(float(at["level"])),
                text(int(at["rank"])),
                text(int(at["count"])),
                text(float(np.min(smallest, initial=np.inf)) if smallest.size else None),
                text(bool(at["bounded"])),
                str(at["solved_by"].values),
            )
            rows.append((str(name), *cells))
    header = (
        "estimator",
        "noise level σ",
        "fitted at σ",
        "rank",
        "features",
        "smallest eigenvalue / largest",
        "loss has a minimum",
        "solved by",
    )
    alone = np.isnan(dataset["level"].values).any()
    note = "A dash instead of a level: one matrix for all levels at once." if alone else ""
    return Table("Rank and conditioning, level by level", header, tuple(rows), note)
