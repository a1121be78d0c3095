"""Whether the model learned its training data by heart: nearness, gap of the losses, attraction, pairs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis.memorization_words import memorization_sentences
from scorelens.analysis.onset import PATIENCE, onset
from scorelens.core.spectrum import Spectrum
from scorelens.plots.selection import evenly_spaced
from scorelens.report.evidence import Evidence
from scorelens.report.images import contact_sheet
from scorelens.report.panel import Panel, Section, Slides
from scorelens.report.table import Table, left_out

TABLE_ROWS, N_STEPS, COLUMNS = 40, 16, 6
WHERE = "measurements.zarr/<step>/memorization"
#: Attraction is drawn where the denoiser lies beside the way by less than so many times its length, and
#: where the standard error is below this.
MOST_BESIDE, LARGEST_ERROR = 3.0, 0.25
ABSENT = "Nearness to the training data was not measured in this run."


def memorization(evidence: Evidence) -> Section:
    """The section on memorisation, over training where there is more than one measurement."""
    measured, losses = evidence.memorization, evidence.loss
    panels: list[Panel] = []
    if measured is not None:
        panels += [_nearness(measured)] if measured.sizes["step"] > 1 else []
        panels += pairs(measured, evidence.spectrum)
    if losses is not None and min(losses.sizes["step"], losses.sizes["sigma"]) > 1:
        panels.append(_gap(losses))
    if measured is not None:
        panels.append(attraction_panel(measured))
    tables = ()
    if measured is not None and measured.sizes["step"] == 1:
        tables = (summary_table(measured.isel(step=0)),)
    return Section(
        name="memorization",
        short_title="By heart",
        title="What was learned by heart",
        lead=(
            "A model that memorises generates its training data again, and loses on new data. Held-out data "
            "show what to expect of a model that does not."
        ),
        panels=tuple(panels),
        tables=tables,
        notes=tuple(memorization_sentences(losses, measured)),
        absent=() if measured is not None else (ABSENT,),
    )


def _nearness(measured: xr.Dataset) -> Panel:
    caption = (
        "Distance: the median distance of samples to the nearest training point, over that of held-out data. "
        "1 is as far as fresh data, 0 is a copy; blurred samples lie near, too. Near-copies: samples whose "
        "nearest training point is nearer, beside the second nearest, than in fresh data: even one among as "
        "many fresh data is rare. Bars are intervals at 95%."
    )
    rows = evenly_spaced(measured.sizes["step"], TABLE_ROWS)
    table = Table.of_columns(
        "Nearness to the training data over training",
        {"step": measured["step"].values[rows], **_columns(measured.isel(step=rows))},
        left_out("steps", rows, measured.sizes["step"], WHERE),
    )
    figure = plots.nearness_over_training(measured)
    return Panel("nearness", "How near samples come to the training data", caption, figure, table)


def _columns(measured: xr.Dataset) -> dict[str, np.ndarray]:
    names = {
        "distance ratio": ("distance_ratio", 1),
        "its lower end": ("distance_ratio_low", 1),
        "its upper end": ("distance_ratio_high", 1),
        "near-copies, %": ("near_copy_share", 100),
        "lower end, %": ("near_copy_share_low", 100),
        "upper end, %": ("near_copy_share_high", 100),
        "of fresh data, %": ("false_alarm_rate", 100),
        "p-value of the near-copies": ("near_copy_p_value", 1),
    }
    return {label: unit * np.atleast_1d(measured[name].values) for label, (name, unit) in names.items()}


def summary_table(last: xr.Dataset) -> Table:
    """What one measurement says of the samples."""
    rows = [("samples compared", last.attrs["n_generated"]), ("training points", last.attrs["n_train"])]
    rows += [("held-out points", last.attrs["n_held_out"])]
    rows += [(label, float(values[0])) for label, values in _columns(last).items()]
    names, values = zip(*rows, strict=True)
    step = f" at step {int(last['step']):,}" if "step" in last.coords else ""
    return Table.of_columns(f"Nearness to the training data{step}", {"what": names, "value": values})


def pairs(measured: xr.Dataset, spectrum: Spectrum | None) -> list[Panel]:
    """Samples beside their nearest training points: as images, or in a plane; nothing in one dimension."""
    if "channel" in measured.dims:
        return [_images(measured)]
    flat = measured.sizes["feature"] == 2
    if not flat and (spectrum is None or spectrum.n_modes < 2):
        return []
    return [_points(measured, None if flat else spectrum)]


def _images(measured: xr.Dataset) -> Panel:
    chosen = measured.isel(step=evenly_spaced(measured.sizes["step"], N_STEPS))
    dims = ("step", "shown", "channel", "height", "width")
    made, near = (chosen[name].transpose(*dims).values for name in ("shown_image", "shown_neighbour"))
    slides = tuple(
        contact_sheet(
            _alternating(made[i], near[i]),
            f"step {step:,}",
            f"Generated images, and below each its nearest training image, at step {step:,}",
            columns=COLUMNS,
        )
        for i, step in enumerate(chosen["step"].values.tolist())
    )
    caption = (
        "Rows 1 and 3: the generated images that are nearest to a training image, the nearest first. "
        "Rows 2 and 4: below each, that training image."
    )
    title = "Generated images and their nearest training images"
    return Panel("neighbours", title, caption, Slides("training step", slides), _pairs_table(measured))


def _alternating(made: np.ndarray, near: np.ndarray) -> np.ndarray:
    """A row of ``made``, below it the row of ``near`` that belongs to it, and so on."""
    starts = range(0, len(made), COLUMNS)
    return np.concatenate([part[i : i + COLUMNS] for i in starts for part in (made, near)])


def _points(measured: xr.Dataset, spectrum: Spectrum | None) -> Panel:
    dims = ("step", "shown", "feature")
    made, near = (measured[name].transpose(*dims).values for name in ("shown_image", "shown_neighbour"))
    titles = ["first number", "second number"]
    if spectrum is not None:
        plane, titles = spectrum.truncated(2), ["along mode 1", "along mode 2"]
        made, near = (np.stack([plane.project(points) for points in part]) for part in (made, near))
    axes = ("step", "shown", "axis")
    cloud = xr.Dataset(
        {"sampled": (axes, made), "neighbour": (axes, near)},
        {"step": measured["step"].values, "axis": titles},
    )
    caption = "Dots are generated samples, each joined to the training point nearest to it (circle)."
    if measured.sizes["step"] > 1:
        caption += " Move the slider through training."
    title = "Samples and their nearest training points"
    return Panel("neighbours", title, caption, plots.neighbours(cloud), _pairs_table(measured))


def _pairs_table(measured: xr.Dataset) -> Table:
    last = measured.isel(step=-1)
    samples = last["shown_sample"].values[:TABLE_ROWS]
    return Table.of_columns(
        f"Samples that are nearest to a training point, at step {int(last['step']):,}",
        {
            "sample": samples + 1,
            "nearest training point": last["nearest_index"].values[samples] + 1,
            "distance to it": last["nearest_distance"].values[samples],
            "over distance to the next": last["nearness"].values[samples],
            "near-copy": last["near_copy"].values[samples],
        },
        left_out("samples", samples, last.sizes["sample"], WHERE),
    )


def _gap(losses: xr.Dataset) -> Panel:
    found = onset(losses)
    gap = (losses["held_out_loss"] - losses["train_loss"]) / losses["held_out_loss"]
    steps = xr.DataArray(found.step, dims="sigma", coords={"sigma": found.sigma})
    caption = (
        "How much lower the loss is on training data than on held-out data, at each noise level. A triangle "
        f"marks the onset: from there on held-out loss lies above its minimum, by more than two standard "
        f"errors at {PATIENCE} measurements in a row or more, while training loss falls."
    )
    last = losses.isel(step=-1)
    table = Table.of_columns(
        f"Gap of the losses at step {int(last['step']):,}, and onset of memorisation",
        {
            "noise level σ": last["sigma"].values,
            "gap, % of held-out loss": 100 * gap.isel(step=-1).values,
            "held-out loss above its minimum, %": 100 * found.rise,
            "measurements in a row": found.rises,
            "onset": found.status,
            "since step": found.step,
        },
    )
    figure = plots.loss_gap(xr.Dataset({"gap": gap, "onset_step": steps}))
    return Panel("loss-gap", "Where held-out and training loss part", caption, figure, table)


def attraction_panel(measured: xr.Dataset) -> Panel:
    """How far the denoiser moved from the best linear one towards the one that memorises."""
    caption = (
        "On noisy held-out data: 0 answers like the best linear denoiser, 1 like the one that knows every "
        "training point by heart (bars: two standard errors). A good denoiser moves up too if the training "
        "points are many, so judge it with the other figures. Left out where the two answer so alike, as at "
        "large noise, that the model is on neither side."
    )
    clear = (measured["off_axis"] < MOST_BESIDE) & (measured["attraction_standard_error"] < LARGEST_ERROR)
    drawn = measured[["attraction", "attraction_standard_error"]].where(clear)
    if "unseen" in measured:
        caption += (
            " Beside it, the way towards sets of as many points that it was not trained on: what lies above "
            "that was learned by heart."
        )
        drawn["unseen"] = measured["unseen"].isel(step=-1).where(clear.isel(step=-1))

    last = measured.isel(step=-1)
    table = Table.of_columns(
        "Attraction to the memorising denoiser",
        {
            "noise level σ": last["sigma"].values,
            "attraction": last["attraction"].values,
            "its standard error": last["attraction_standard_error"].values,
            "beside the way": last["off_axis"].values,
        },
        f"On {last.attrs['n_probes']} held-out points; the memorising denoiser holds "
        f"{last.attrs['n_mixture']:,} training points.",
    )
    return Panel("attraction", "How far it moved to memorising", caption, plots.attraction(drawn), table)
