"""The section on local geometry: what the denoiser keeps of a few noisy held-out events, and along what."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis.local_geometry_words import local_geometry_sentences, middle
from scorelens.plots.selection import evenly_spaced
from scorelens.report.evidence import Evidence
from scorelens.report.images import contact_sheet
from scorelens.report.panel import Panel, Section, Slides
from scorelens.report.table import Table

N_STEPS, TABLE_ROWS = 16, 40
#: Eigenvectors beside each image, and entries of a vector that are drawn.
SHOWN, ENTRIES = 5, 64
#: Stands for the step of what was measured outside of training.
NO_STEP = -1
ABSENT = "The local geometry of the denoiser was not measured in this run."


def geometry(evidence: Evidence) -> Section:
    """The section on the Jacobian of the denoiser at a few held-out events."""
    measured = evidence.geometry
    known = measured is not None and bool(np.isfinite(measured["eigenvalue"].values).any())
    return Section(
        name="geometry",
        short_title="Geometry",
        title="What is kept of a noisy event",
        lead=(
            "Around a noisy event a denoiser is nearly linear: it keeps the parts along some directions and "
            "removes the rest. The eigenvectors of its Jacobian are these directions, the eigenvalues the "
            "shares that are kept."
        ),
        panels=geometry_panels(measured) if measured is not None and known else (),
        notes=tuple(local_geometry_sentences(measured)),
        absent=() if measured is not None else (ABSENT,),
    )


def geometry_panels(measured: xr.Dataset) -> tuple[Panel, ...]:
    """Directions, eigenvalues, ranks and shrinkage, of `instruments.measure_geometry` along ``step``."""
    drawn = (_images(measured),) if "channel" in measured.dims else _vectors(measured)
    return (*drawn, *share_panels(measured))


def share_panels(measured: xr.Dataset) -> tuple[Panel, ...]:
    """Eigenvalues, ranks and shrinkage, of `instruments.measure_geometry` along ``step`` or without."""
    if "step" not in measured.dims:
        measured = measured.expand_dims(step=[NO_STEP])
    return _spectra(measured), _ranks(measured), _shrinkage(measured)


def _images(measured: xr.Dataset) -> Panel:
    chosen = measured.isel(step=evenly_spaced(measured.sizes["step"], N_STEPS))
    level = chosen.isel(sigma=(at := middle(chosen)))
    count = min(SHOWN, level.sizes["eigen"])
    dims = ("step", "point", "eigen", "channel", "height", "width")
    frames = level["eigenvector"].transpose(*dims).values[:, :, :count]
    peak = np.abs(frames).max(axis=(3, 4, 5), keepdims=True)
    vectors = frames / np.maximum(peak, np.finfo(np.float32).tiny)
    events = np.stack(
        [level[name].transpose("step", "point", *dims[3:]).values for name in ("clean", "noisy", "denoised")],
        axis=2,
    )
    rows = np.concatenate([events, vectors], axis=2)
    sigma = float(level["sigma"])
    slides = tuple(
        contact_sheet(
            row.reshape(-1, *row.shape[2:]),
            f"step {step:,}",
            f"Clean, noisy and denoised images and {count} eigenvectors at σ {sigma:.3g}, step {step:,}",
            columns=3 + count,
        )
        for step, row in zip(chosen["step"].values.tolist(), rows, strict=True)
    )
    caption = (
        f"Each row, at σ {sigma:.3g}: a held-out image, with noise, denoised, and the {count} directions of "
        "which the denoiser keeps most, the first most (grey is 0). The table holds the shares."
    )
    title = "Directions that are kept"
    return Panel(
        "local-directions", title, caption, Slides("training step", slides), _pairs_table(measured, at)
    )


def _vectors(measured: xr.Dataset) -> tuple[Panel, ...]:
    """Directions about points of a plane; of longer vectors only the numbers are shown."""
    if measured.sizes["feature"] != 2:
        return ()
    level = measured.isel(sigma=(at := middle(measured)))
    kept = np.sqrt(level["eigenvalue"].clip(min=0)) * float(level["sigma"])  # [P3]: posterior deviation
    renamed = level.rename(feature="axis")
    plane = xr.Dataset({name: renamed[name] for name in ("clean", "noisy", "denoised")})
    plane["arm"] = renamed["eigenvector"] * kept
    plane = plane.assign_coords(axis=["first number", "second number"])
    caption = (
        f"Held-out points at σ {float(level['sigma']):.3g}: clean, with noise and denoised. Lines lie along "
        "the eigenvectors; they reach as far as an ideal denoiser would leave the clean point uncertain, one "
        "standard deviation to each side."
    )
    return (
        Panel(
            "local-directions",
            "Directions that are kept",
            caption,
            plots.directions(plane),
            _pairs_table(measured, at),
        ),
    )


def _pairs_table(measured: xr.Dataset, at: int) -> Table:
    last = measured.isel(step=-1, sigma=at).transpose("point", "eigen", ...)
    points, pairs = last.sizes["point"], last.sizes["eigen"]
    columns = {
        "event": np.repeat(np.arange(points) + 1, pairs),
        "direction": np.tile(np.arange(pairs) + 1, points),
        "share kept": last["eigenvalue"].values.ravel(),
        "its error": last["eigenvalue_error"].values.ravel(),
        "converged": last["converged"].values.astype(bool).ravel(),
        "coefficient / σ": last["coefficient"].values.ravel(),
        "after denoising / σ": last["denoised_coefficient"].values.ravel(),
    }
    kept = {name: values[:TABLE_ROWS] for name, values in columns.items()}
    title = f"Directions at σ {float(last['sigma']):.3g}{_at_step(last)}"
    return Table.of_columns(title, kept)


def _spectra(measured: xr.Dataset) -> Panel:
    values = measured["eigenvalue"]
    drawn = xr.Dataset(
        {"eigenvalue": values.mean("point"), "lowest": values.min("point"), "highest": values.max("point")}
    )
    last = measured.isel(step=-1).transpose("sigma", "point", "eigen", ...)
    mean = last["eigenvalue"].mean("point").values
    columns = {"eigenvalue": np.arange(mean.shape[1]) + 1} | {
        f"σ {sigma:.3g}": row for sigma, row in zip(last["sigma"].values.tolist(), mean, strict=True)
    }
    caption = (
        "The largest eigenvalues of the Jacobian at each noise level: 1 keeps a direction, 0 removes it. "
        "Mean over the events, bars from the least to the largest. Between clusters of the data an ideal "
        "denoiser has values above 1, too; none below 0."
    )
    table = Table.of_columns(f"Mean eigenvalues{_at_step(last)}", columns)
    return Panel(
        "jacobian-spectrum", "Shares that are kept", caption, plots.jacobian_spectra(drawn), table, True
    )


def _ranks(measured: xr.Dataset) -> Panel:
    drawn = xr.Dataset()
    for name in ("trace", "participation"):
        values = measured[name].transpose("step", "sigma", "point")
        drawn[name] = values.mean("point")
        drawn[f"{name}_low"], drawn[f"{name}_high"] = values.min("point"), values.max("point")
    last = measured.isel(step=-1)
    columns = {"noise level σ": last["sigma"].values} | {
        title: last[name].mean("point").values
        for name, title in {
            "trace": "trace",
            "trace_standard_error": "error of the trace (probes)",
            "participation": "participation rank",
            "entropy_rank": "entropy rank",
            "energy_rank": "energy rank",
            "asymmetry": "asymmetry",
            "offset_share": "offset share",
            "flipd": "local dimension (FLIPD)",
        }.items()
        if name in last
    }
    caption = (
        f"Of {measured.attrs['dim']:,} directions: the trace counts each by the share that is kept, the "
        "participation rank counts those that are kept about alike. Mean over the events, bars from the "
        "least to the largest. An ideal denoiser keeps fewer the larger the noise."
    )
    table = Table.of_columns(f"Ranks, means over events{_at_step(last)}", columns)
    title = "How many directions are kept"
    return Panel("kept-directions", title, caption, plots.kept_directions(drawn), table, True)


def _shrinkage(measured: xr.Dataset) -> Panel:
    drawn = measured[["eigenvalue", "coefficient"]].stack(direction=("point", "eigen"), create_index=False)
    caption = (
        "Every leading direction of every event: the size of the noisy event's coefficient along it, from "
        "the mean of the data, in units of the noise, and the share that is kept. Of Gaussian data large "
        "coefficients stand out of the noise and are kept; of curved data the direction across is removed "
        "wherever it points."
    )
    figure = plots.shrinkage(drawn)
    table = _pairs_table(measured, measured.sizes["sigma"] - 1)
    return Panel("shrinkage", "Shrinkage against coefficients", caption, figure, table)


def _at_step(last: xr.Dataset) -> str:
    return "" if int(last["step"]) == NO_STEP else f", step {int(last['step']):,}"
