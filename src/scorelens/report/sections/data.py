"""The data: examples, spectrum, and what its leading modes look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.core.spectrum import Spectrum
from scorelens.plots.selection import log_spaced
from scorelens.report.evidence import Evidence, cumulative
from scorelens.report.images import contact_sheet
from scorelens.report.panel import Panel, Section, Slides
from scorelens.report.table import Table, left_out

TABLE_ROWS, N_EIGENVECTORS, N_EXAMPLES = 40, 24, 36


def data(evidence: Evidence) -> Section:
    """The section on the data set and its second-order structure."""
    spectrum = evidence.spectrum
    panels = [] if spectrum is None else [_spectrum_panel(spectrum)]
    absent = [] if spectrum else ["This run holds no spectrum of its data, so modes cannot be shown."]
    pictures = _pictures(evidence)
    return Section(
        name="data",
        short_title="Data",
        title="The data and its spectrum",
        lead=(
            "A mode is a direction in which the data vary independently of the other modes; its variance "
            "says how much. Mode 1 varies most. The theory says in which order a model learns the modes."
        ),
        panels=(*panels, *(replace(picture, half=len(pictures) == 2) for picture in pictures)),
        absent=tuple(absent),
    )


def _pictures(evidence: Evidence) -> list[Panel]:
    spectrum, examples = evidence.spectrum, evidence.examples
    shown = []
    if spectrum is not None and len(spectrum.event_shape) == 3:
        shown.append(_eigenvector_panel(spectrum))
    if examples is not None and "channel" in examples.dims:
        shown.append(example_panel(examples))
    return shown


def _spectrum_panel(spectrum: Spectrum) -> Panel:
    dataset = cumulative(spectrum)
    rows = log_spaced(spectrum.n_modes, TABLE_ROWS)
    table = Table.of_columns(
        "Variance of the data along its modes",
        {
            "mode": rows + 1,
            "variance": spectrum.eigenvalues[rows],
            "share of total held by this and larger modes, %": 100 * dataset["cumulative_share"].values[rows],
        },
        left_out("modes", rows, spectrum.n_modes, "spectrum.safetensors (mode 1 is index 0)"),
    )
    caption = (
        "Above: the variance of each mode; a straight fall is a power law. Below: how much of all "
        "variance the modes up to there hold together."
    )
    return Panel("spectrum", "Variance of each mode", caption, plots.spectrum(dataset), table)


def _eigenvector_panel(spectrum: Spectrum) -> Panel:
    n = min(N_EIGENVECTORS, spectrum.n_modes)
    vectors = spectrum.eigenvectors[:, :n].T.reshape(n, *spectrum.event_shape)
    largest = np.abs(vectors).max(axis=(1, 2, 3), keepdims=True)
    slide = contact_sheet(
        vectors / largest, "modes", f"Patterns of the modes 1 to {n}, row by row", columns=6
    )
    table = Table.of_columns(
        "Modes that are shown, row by row",
        {"mode": np.arange(1, n + 1), "variance": spectrum.eigenvalues[:n]},
    )
    caption = (
        f"The patterns of modes 1 to {n}, row by row from the top left. Dark and bright move in opposite "
        f"directions (which is which has no meaning); large modes are coarse, small ones fine."
    )
    return Panel(
        "eigenvectors", "What the leading modes look like", caption, Slides("modes", (slide,)), table
    )


def example_panel(examples: xr.Dataset, name: str = "examples") -> Panel:
    """Images of the data; ``name`` is the panel's, as it may stand on a page twice."""
    images = examples["image"].transpose("sample", "channel", "height", "width").values[:N_EXAMPLES]
    slide = contact_sheet(images, "data", f"{len(images)} samples of the data")
    table = Table.of_columns(
        "Examples that are shown",
        {
            "example": np.arange(1, len(images) + 1),
            "mean brightness": images.mean(axis=(1, 2, 3)),
            "contrast (standard deviation)": images.std(axis=(1, 2, 3)),
        },
    )
    caption = "Samples of the data, drawn as the generated ones are."
    return Panel(name, "Examples of the data", caption, Slides("data", (slide,)), table)
