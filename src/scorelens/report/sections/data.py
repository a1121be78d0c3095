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


LEAD = (
    "A mode is a direction in which the data vary independently of the other modes; its variance "
    "says how much. Mode 1 varies most. The theory says in which order a model learns the modes."
)
FREQUENCIES = (
    "Here a mode is one spatial frequency: a wave across the image, one coefficient of its Fourier "
    "transform. Its variance is the power of the data there, averaged over all shifts of the images: that is "
    "all that a convolution can see of their covariance. Mode 1 has most. Most frequencies come in pairs of "
    "equal power, a wave and the same wave shifted."
)


def data(evidence: Evidence) -> Section:
    """The section on the data set and its second-order structure."""
    spectrum = evidence.spectrum
    panels = [] if spectrum is None else [_modes_panel(evidence, spectrum)]
    absent = [] if spectrum else ["This run holds no spectrum of its data, so modes cannot be shown."]
    pictures = _pictures(evidence)
    return Section(
        name="data",
        short_title="Data",
        title="The data and its spectrum",
        lead=FREQUENCIES if evidence.of_frequencies else LEAD,
        panels=(*panels, *(replace(picture, half=len(pictures) == 2) for picture in pictures)),
        absent=tuple(absent),
    )


def _modes_panel(evidence: Evidence, spectrum: Spectrum) -> Panel:
    if evidence.of_frequencies and evidence.forecast is not None:
        return _power_panel(evidence.forecast, spectrum.total_variance)
    return _spectrum_panel(spectrum)


def _pictures(evidence: Evidence) -> list[Panel]:
    spectrum, examples = evidence.spectrum, evidence.examples
    shown = []
    if spectrum is not None and len(spectrum.event_shape) == 3 and not evidence.of_frequencies:
        shown.append(_eigenvector_panel(spectrum))
    if examples is not None and "channel" in examples.dims:
        shown.append(example_panel(examples))
    return shown


def _spectrum_panel(spectrum: Spectrum) -> Panel:
    dataset = cumulative(spectrum.eigenvalues, spectrum.total_variance)
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


def _power_panel(forecast: xr.Dataset, total_variance: float) -> Panel:
    """Power of the spatial frequencies, by descending power."""
    power = forecast["eigenvalue"].values
    dataset, rows = cumulative(power, total_variance), log_spaced(len(power), TABLE_ROWS)
    columns = {
        "mode": rows + 1,
        "frequency, cycles per pixel": forecast["spatial_frequency"].values[rows],
        "power": power[rows],
        "share of total held by this and larger modes, %": 100 * dataset["cumulative_share"].values[rows],
    }
    if forecast["image_channel"].values.any():
        columns["channel"] = forecast["image_channel"].values[rows]
    note = left_out("frequencies", rows, len(power), "datasets.zarr/forecast (mode 1 is index 0)")
    table = Table.of_columns("Power of the data at its spatial frequencies", columns, note)
    caption = (
        "Above: the power of each spatial frequency, largest first. Below: how much of all variance the "
        "frequencies up to there hold together."
    )
    return Panel("spectrum", "Power of each spatial frequency", caption, plots.spectrum(dataset), table)


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
