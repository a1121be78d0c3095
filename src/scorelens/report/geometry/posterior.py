"""The chapter on what may lie behind a noisy event."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.report.images import contact_sheet
from scorelens.report.panel import Panel, Section, Slide, Slides
from scorelens.report.table import Table, text

#: Events whose posterior is shown, and rows of a table.
SHOWN, ROWS = 4, 48


def posterior(found: xr.Dataset | None, measured: xr.Dataset, examples: xr.Dataset) -> Section:
    """Posterior means, and walks along the components around them."""
    panels = () if found is None else _panels(found, measured, examples)
    return Section(
        name="posterior",
        short_title="Posterior",
        title="What may lie behind a noisy event",
        lead=(
            "σ² times the Jacobian of an ideal denoiser is the covariance of the clean event given the noisy "
            "one. Its leading eigenvectors are the ways in which the clean event may differ from the mean "
            "that the denoiser returns."
        ),
        panels=panels,
        absent=() if panels else ("No components are known, for the eigenpairs could not be had.",),
    )


def _panels(found: xr.Dataset, measured: xr.Dataset, examples: xr.Dataset) -> tuple[Panel, ...]:
    if "channel" in found.dims:
        points = range(min(SHOWN, found.sizes["point"]))
        return tuple(_images(found.isel(point=p), measured.isel(point=p), p) for p in points)
    if found.sizes["feature"] == 2:
        caption = (
            "Lines reach two standard deviations from the posterior mean, along the first and the second "
            "component. The dotted curve is the denoiser's own walk: it denoises the noisy point, moved so "
            "that its mean moves as far to first order. Move the noise level."
        )
        figure = plots.posterior_plane(found, measured, examples["image"].values)
    else:
        caption = (
            "Number by number: the clean event, the posterior mean, and the mean moved by two standard "
            "deviations along the leading component. Choose an event, move the noise level."
        )
        figure = plots.posterior_lines(found, measured)
    return (Panel("posterior-walk", "Posterior components", caption, figure, _table(found)),)


def _images(found: xr.Dataset, measured: xr.Dataset, point: int) -> Panel:
    slides = tuple(
        _sheet(found.isel(sigma=k), measured.isel(sigma=k), float(sigma))
        for k, sigma in enumerate(found["sigma"].values)
    )
    components = found.sizes["component"]
    caption = (
        "First row: clean, noisy, posterior mean, standard deviation of each pixel (along these components) "
        "and size of the true error, the last two on one scale, white is large. Below, one row for each of "
        f"{components} leading components: the mean moved by −2 to 2 standard deviations. "
        "Move the noise level."
    )
    title = f"Posterior components of event {point + 1}"
    return Panel(f"posterior-{point + 1}", title, caption, Slides("noise level", slides), _table(found), True)


def _sheet(found: xr.Dataset, measured: xr.Dataset, sigma: float) -> Slide:
    walks = found["walk"].values
    mean, clean, noisy = found["mean"].values, measured["clean"].values, measured["noisy"].values
    spread = np.sqrt(((walks[:, -1] - mean) ** 2 / 4).sum(axis=0))  # 2 standard deviations apart
    error = np.abs(mean - clean)
    most = max(float(spread.max()), float(error.max()), 1e-12)
    first = [clean, noisy, mean, 2 * spread / most - 1, 2 * error / most - 1]
    images = np.concatenate([np.stack(first), walks.reshape(-1, *walks.shape[2:])])
    label = f"σ = {sigma:.3g}"
    described = (
        f"Clean, noisy and mean image, and walks along {len(walks)} components, at noise level {sigma:.3g}"
    )
    return contact_sheet(images, label, described, columns=5)


def _table(found: xr.Dataset) -> Table:
    """Standard deviations along the components."""
    rows = []
    many = "point" in found.dims
    for point in range(found.sizes["point"] if many else 1):
        for k, sigma in enumerate(found["sigma"].values):
            one = found.isel(sigma=k, point=point) if many else found.isel(sigma=k)
            total = float(one["total_variance"])
            for component in range(found.sizes["component"]):
                deviation = float(one["standard_deviation"][component])
                cells = (
                    text(float(sigma)),
                    str(component + 1),
                    text(deviation),
                    text(float(one["standard_deviation_error"][component])),
                    f"{deviation**2 / total:.1%}" if total > 0 else text(None),
                    "negative" if bool(one["negative"][component]) else "",
                )
                rows.append((str(point + 1), *cells) if many else cells)
    header = ("σ", "component", "standard deviation", "error", "share of all variance", "variance")
    note = (
        "A negative variance shows that the denoiser is no posterior mean there; its deviation is drawn as 0."
    )
    return Table("Components", ("event", *header) if many else header, tuple(rows[:ROWS]), note)
