"""The chapter on what is kept of a noisy event: directions, shares and ranks."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.report.panel import Panel, Section
from scorelens.report.sections.geometry import share_panels
from scorelens.report.table import Table, left_out

ROWS = 60


def kept(measured: xr.Dataset) -> Section:
    """Eigenvectors with their shrinkage, spectra and ranks over noise levels."""
    known = measured.attrs["method"] != "none"
    return Section(
        name="kept",
        short_title="Kept",
        title="What is kept of a noisy event",
        lead=(
            "Around a noisy event a denoiser is nearly linear: it keeps the parts along some directions and "
            "removes the rest. The eigenvectors of its Jacobian are these directions, the eigenvalues the "
            "shares that are kept."
        ),
        panels=_panels(measured) if known else (),
        absent=() if known else (f"The eigenpairs could not be had: {measured.attrs['way']}.",),
    )


def _panels(measured: xr.Dataset) -> tuple[Panel, ...]:
    drawn = (_images(measured),) if "channel" in measured.dims else ()
    return (*drawn, *share_panels(measured))


def _images(measured: xr.Dataset) -> Panel:
    caption = (
        "Eigenvectors of the Jacobian at a noisy event, the largest eigenvalue first; the number above each "
        "is the share that is kept along it. Each has its own scale, and channels are averaged. Choose an "
        "event (they are shown in the next chapter), move the noise level."
    )
    return Panel(
        "eigenvectors", "Directions that are kept", caption, plots.eigenvectors(measured), _table(measured)
    )


def _table(measured: xr.Dataset) -> Table:
    sizes = [measured.sizes[name] for name in ("point", "sigma", "eigen")]
    place = np.indices(sizes).reshape(3, -1)[:, :ROWS]
    columns = {"event": place[0] + 1, "σ": measured["sigma"].values[place[1]], "direction": place[2] + 1}
    for name, title in {
        "eigenvalue": "share kept",
        "eigenvalue_error": "its error",
        "converged": "converged",
        "coefficient": "coefficient / σ",
        "denoised_coefficient": "after denoising / σ",
    }.items():
        columns[title] = measured[name].transpose("point", "sigma", "eigen").values[tuple(place)]
    note = left_out("directions", place[0], int(np.prod(sizes)), "datasets.zarr/geometry")
    return Table.of_columns("Directions", columns, note)
