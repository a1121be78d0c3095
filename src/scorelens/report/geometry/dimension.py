"""The chapter on the local dimension of the data."""

from __future__ import annotations

import xarray as xr

from scorelens import plots
from scorelens.analysis.geometry_words import reading_words
from scorelens.instruments.dimension_levels import CURVES, MOST_DIM
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, text


def dimension(found: xr.Dataset) -> Section:
    """Curves of dimension over the noise level, and what is read of them."""
    caption = (
        "Local dimension around held-out events, as the denoiser sees it at each noise level: FLIPD (trace "
        "of the Jacobian and one residual), normal bundle (gap in the singular values of scores around the "
        "event) and the participation rank of the Jacobian, [P20]. Choose an event; bars are two standard "
        "errors."
    )
    names = [name for name in CURVES if name in found]
    left = len(CURVES) - len(names)
    return Section(
        name="dimension",
        short_title="Dimension",
        title="In how many directions the data vary locally",
        lead=(
            "With little noise the data look like a surface, and a denoiser keeps the directions along it. "
            "Below the distance between training points a memorising denoiser sees points, dimension 0; "
            "beyond the curvature of the data it sees less than is there. A dimension is read where the "
            "curve rests."
        ),
        panels=(
            Panel(
                "dimension-curves", "Dimension over noise", caption, plots.dimension(found), _curves(found)
            ),
        ),
        tables=(_readings(found, names),),
        notes=(f"Only FLIPD is computed beyond {MOST_DIM} numbers per event: the others cost their square.",)
        if left
        else (),
    )


def _curves(found: xr.Dataset) -> Table:
    columns = {"σ": found["sigma"].values}
    for name, title in CURVES.items():
        if name in found:
            columns[f"{title}, mean"] = found[name].mean("point").values
            columns[f"{title}, least"] = found[name].min("point").values
            columns[f"{title}, most"] = found[name].max("point").values
    return Table.of_columns("Dimension by noise level, over the events", columns)


def _readings(found: xr.Dataset, names: list[str]) -> Table:
    rows = [
        (
            str(point + 1),
            CURVES[name],
            text(float(found[f"{name}_read"][point])),
            text(float(found[f"{name}_read_sigma"][point])),
            str(found[f"{name}_status"][point].item()),
        )
        for point in range(found.sizes["point"])
        for name in names
    ]
    note = "; ".join(
        f"{status}: {reading_words(status)}" for status in dict.fromkeys(row[-1] for row in rows)
    )
    header = ("event", "estimator", "dimension", "at σ", "status")
    return Table("What is read of the curves", header, tuple(rows), f"{note[:1].upper()}{note[1:]}.")
