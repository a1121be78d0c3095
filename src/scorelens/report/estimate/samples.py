"""What each estimator generates, beside the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.report.estimate.evidence import EstimateEvidence
from scorelens.report.images import contact_sheet
from scorelens.report.panel import Panel, Section, Slides
from scorelens.report.sections.data import example_panel
from scorelens.report.table import Table

N_IMAGES = 36


def samples(evidence: EstimateEvidence) -> Section:
    """The section with samples of every estimator: images as they are, vectors as points in a plane."""
    made, data = evidence.datasets.get("samples"), evidence.datasets.get("data_examples")
    panels: tuple[Panel, ...] = ()
    absent: tuple[str, ...] = ()
    if made is None or data is None:
        absent = ("No estimator could be sampled from.",)
    elif "channel" in made.dims:
        panels = _image_panels(made, data)
    elif evidence.spectrum is not None and made.sizes["feature"] > 1:
        panels = (_cloud_panel(_cloud(evidence, made, data)),)
    else:
        absent = ("The samples have one number each: there is no plane to draw them in.",)
    return Section(
        name="samples",
        short_title="Samples",
        title="What each generates",
        lead=(
            "Samples by Heun's method from the same noise for all. A denoiser that memorises generates its "
            "training data again."
        ),
        panels=panels,
        absent=absent,
    )


def _image_panels(made: xr.Dataset, data: xr.Dataset) -> tuple[Panel, ...]:
    dims = ("estimator", "sample", "channel", "height", "width")
    images = made["image"].transpose(*dims).values[:, :N_IMAGES]
    names = made["estimator"].values.tolist()
    panels = [_image_panel(i, name, grid) for i, (name, grid) in enumerate(zip(names, images, strict=True))]
    return (replace(example_panel(data), half=True), *panels)


def _image_panel(i: int, name: str, images: np.ndarray) -> Panel:
    sheet = contact_sheet(images, name, f"{len(images)} samples of the estimator {name}")
    flat = images.reshape(len(images), -1)
    table = Table.of_columns(
        "Samples that are shown",
        {
            "sample": np.arange(1, len(flat) + 1),
            "mean brightness": flat.mean(axis=1),
            "contrast (standard deviation)": flat.std(axis=1),
        },
    )
    caption = f"Samples of {name}; the same place, the same noise as in the other pictures."
    return Panel(f"samples-{i}", name, caption, Slides("samples", (sheet,)), table, half=True)


def _cloud(evidence: EstimateEvidence, made: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Samples and data in a plane: as they are if they have two numbers, otherwise along modes 1 and 2."""
    sampled = made["image"].transpose("estimator", "sample", "feature").values
    flat = sampled.shape[-1] == 2
    titles = ["first number", "second number"] if flat else ["along mode 1", "along mode 2"]

    def plane(points: np.ndarray) -> np.ndarray:
        return points if flat else evidence.spectrum.truncated(2).project(points)  # pyright: ignore[reportOptionalMemberAccess]

    return xr.Dataset(
        {
            "sampled": (("estimator", "sample", "axis"), np.stack([plane(points) for points in sampled])),
            "data": (("example", "axis"), plane(data["image"].values)),
        },
        {"estimator": made["estimator"].values, "axis": titles},
    )


def _cloud_panel(cloud: xr.Dataset) -> Panel:
    caption = "Open circles are training data, dots are generated. Choose an estimator."
    if "along mode 1" in cloud["axis"].values:
        caption += " A mode is a direction of the data; mode 1 varies most."
    return Panel("samples", "Samples on the data", caption, plots.clouds(cloud), _cloud_table(cloud))


def _cloud_table(cloud: xr.Dataset) -> Table:
    clouds = {"data": cloud["data"].values}
    clouds |= {name: cloud["sampled"].sel(estimator=name).values for name in cloud["estimator"].values}
    columns: dict[str, list[object]] = {"points of": list(clouds)}
    for axis, title in enumerate(cloud["axis"].values.tolist()):
        columns[f"mean {title}"] = [float(points[:, axis].mean()) for points in clouds.values()]
        columns[f"standard deviation {title}"] = [float(points[:, axis].std()) for points in clouds.values()]
    return Table.of_columns("Samples in numbers", columns)
