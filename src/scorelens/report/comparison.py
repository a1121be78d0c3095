"""One page for several runs on the same data: what differs, which learns its modes first, at what loss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.core import storage
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.time_axis import time_name
from scorelens.report.build import short_name
from scorelens.report.evidence import Evidence, collect
from scorelens.report.page import render
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, left_out, text
from scorelens.results import Run

BAND = (0.8, 1.25)
TABLE_ROWS = 40


def build_comparison(folder: str | Path, runs: Mapping[str, Run]) -> Path:
    """Write ``report.html`` in ``folder``, comparing ``runs`` (label -> run), and return its path.

    Raises ``ValueError`` for fewer than two runs and `StorageError` if the page cannot be written.
    """
    if len(runs) < 2:
        raise ValueError(f"a comparison needs at least two runs, got {len(runs)}; use report.build for one")
    parts = {label: collect(run) for label, run in runs.items()}
    file = Path(folder) / "report.html"
    storage.write_text(file, comparison_page(parts, page_links(Path(folder), runs)))
    return file


def comparison_page(parts: Mapping[str, Evidence], links: tuple[tuple[str, str], ...]) -> str:
    """The comparing page as text."""
    first = next(iter(parts.values()))
    return render(
        title=short_name(first.config.data.spec),
        subtitle=f"The same data with {' and '.join(parts)}: which learns what, and when.",
        problems=[f"{label}: {problem}" for label, part in parts.items() for problem in part.problems],
        summary=_summary(parts),
        sections=[_settings(parts, links), _learned(parts), _loss(parts)],
    )


def learned_share(comparison: xr.Dataset, name: str = "measured") -> xr.Dataset:
    """``learned_share(step)``: share of the modes whose variance ``name`` is 0.8 to 1.25 of the data's.

    Of a forecast it is a function of ``flow_time``.
    """
    alive = comparison.isel(mode=np.flatnonzero(comparison["eigenvalue"].values > 0))
    ratio = alive[name] / alive["eigenvalue"]
    right = (ratio >= BAND[0]) & (ratio <= BAND[1])
    return xr.Dataset({"learned_share": right.mean("mode")})


def settled_step(share: xr.Dataset, least: float) -> int | float | None:
    """First step (of a forecast: dose) from which at least ``least`` (0 to 1) of the modes stay right.

    ``None`` if they never do.

    >>> settled_step(xr.Dataset({"learned_share": ("step", [1.0, 0.5, 1.0])}, {"step": [0, 10, 20]}), 0.9)
    20
    """
    wrong = np.flatnonzero(share["learned_share"].values < least)
    first = int(wrong[-1]) + 1 if wrong.size else 0
    times = share[time_name(share)].values
    return times[first].item() if first < len(times) else None


def page_links(folder: Path, runs: Mapping[str, Run]) -> tuple[tuple[str, str], ...]:
    """Links from a page in ``folder`` to the pages of those runs that lie below it."""
    places = {label: run.report_path.resolve() for label, run in runs.items()}
    root = folder.resolve()
    return tuple(
        (f"The page of {label}", quote(place.relative_to(root).as_posix()))
        for label, place in places.items()
        if place.is_relative_to(root)
    )


def _summary(parts: Mapping[str, Evidence]) -> list[str]:
    shares, losses = _shares(parts), _losses(parts)
    sentences = [_settled_sentence(label, share) for label, share in shares.items()]
    if len(losses) > 1:
        goal = common_loss(losses)
        sentences += [_loss_sentence(label, loss, goal) for label, loss in losses.items()]
    return sentences


def _settled_sentence(label: str, share: xr.Dataset) -> str:
    last = f"{int(share['step'][-1]):,}"
    if (step := settled_step(share, 1.0)) is not None:
        return f"With {label}, all modes have the right variance from step {step:,} to the last, {last}."
    now = float(share["learned_share"][-1])
    return f"With {label}, {now:.0%} of the modes have the right variance at step {last}."


def _loss_sentence(label: str, loss: xr.Dataset, goal: float) -> str:
    first, last = f"{reached(loss, goal):,}", f"{int(loss['step'][-1]):,}"
    final = text(float(loss["held_out_edm_loss"][-1]))
    start = f"With {label}, the held-out loss is at most {text(goal)} from step {first} on"
    return f"{start}; at step {last} it is {final}."


def common_loss(losses: Mapping[str, xr.Dataset]) -> float:
    """The smallest held-out loss that every run has reached at its end."""
    return max(float(loss["held_out_edm_loss"][-1]) for loss in losses.values())


def reached(loss: xr.Dataset, goal: float) -> int:
    """First measured step from which the held-out loss stays at ``goal`` or below; the last must be there.

    >>> reached(xr.Dataset({"held_out_edm_loss": ("step", [5.0, 2.0, 3.0])}, {"step": [0, 10, 20]}), 3.0)
    10
    """
    above = np.flatnonzero(loss["held_out_edm_loss"].values > goal)
    return int(loss["step"].values[above[-1] + 1 if above.size else 0])


def _shares(parts: Mapping[str, Evidence]) -> dict[str, xr.Dataset]:
    found = {label: part.comparison for label, part in parts.items()}
    return {label: learned_share(one) for label, one in found.items() if one is not None}


def _losses(parts: Mapping[str, Evidence]) -> dict[str, xr.Dataset]:
    return {label: part.loss for label, part in parts.items() if part.loss is not None}


def _settings(parts: Mapping[str, Evidence], links: tuple[tuple[str, str], ...]) -> Section:
    flat = {label: _flat(part) for label, part in parts.items()}
    names = list(next(iter(flat.values())))
    differing = [name for name in names if len({repr(one[name]) for one in flat.values()}) > 1]
    rows = tuple((name, *(text(one[name]) for one in flat.values())) for name in differing)
    return Section(
        name="settings",
        short_title="Settings",
        title="What differs",
        lead="Everything else is the same; each run has a page of its own.",
        tables=(Table("Settings that differ", ("setting", *parts), rows),),
        links=links,
    )


def _flat(part: Evidence) -> dict[str, object]:
    flat: dict[str, object] = {}
    for section, fields in part.config.model_dump().items():
        inner = (
            {f"{section}.{name}": value for name, value in fields.items()} if isinstance(fields, dict) else {}
        )
        flat |= inner or {section: fields}
    return flat


def _learned(parts: Mapping[str, Evidence]) -> Section:
    shares = _shares(parts)
    return Section(
        name="learned",
        short_title="Learned",
        title="How many modes are right",
        lead="A mode counts as right while its generated variance is between 0.8 and 1.25 times the data's.",
        tables=(_settled_table(shares),) if shares else (),
        panels=(_share_panel(shares),) if shares else (),
        absent=_missing(parts, shares, "generated variance"),
    )


def _settled_table(shares: Mapping[str, xr.Dataset]) -> Table:
    levels = (0.5, 0.9, 1.0)
    rows = tuple(
        (label, *(text(settled_step(share, level)) for level in levels)) for label, share in shares.items()
    )
    header = ("run", *(f"{level:.0%} of modes" for level in levels))
    return Table("First measured step from which so many modes stay right", header, rows, "A dash: not yet.")


def _share_panel(shares: dict[str, xr.Dataset]) -> Panel:
    return Panel(
        "learned-share",
        "Modes with the right variance, over training",
        "Higher is better; a line that jumps up at the left edge starts training with the variances right.",
        plots.learned_share(shares),
        _table(shares, "learned_share", "Share of modes with the right variance"),
    )


def _loss(parts: Mapping[str, Evidence]) -> Section:
    losses = _losses(parts)
    return Section(
        name="loss",
        short_title="Loss",
        title="Loss on held-out data",
        lead="The same loss for all, whatever each was trained with: EDM's weight and noise levels.",
        panels=(_loss_panel(losses),) if losses else (),
        absent=_missing(parts, losses, "the loss"),
    )


def _loss_panel(losses: dict[str, xr.Dataset]) -> Panel:
    return Panel(
        "held-out-loss",
        "Held-out loss over training",
        "Lower is better. Time 0 is drawn at the left edge.",
        plots.held_out_loss(losses),
        _table(losses, "held_out_edm_loss", "EDM-weighted held-out loss"),
    )


def _table(runs: Mapping[str, xr.Dataset], name: str, caption: str) -> Table:
    steps = np.unique(np.concatenate([run["step"].values for run in runs.values()]))
    rows = evenly_spaced(len(steps), TABLE_ROWS)
    columns: dict[str, object] = {"step": steps[rows]}
    for label, run in runs.items():
        columns[label] = run[name].reindex(step=steps[rows]).values
    return Table.of_columns(caption, columns, left_out("steps", rows, len(steps), "the run folders"))  # pyright: ignore[reportArgumentType]


def _missing(parts: Mapping[str, Evidence], found: Mapping[str, object], what: str) -> tuple[str, ...]:
    return tuple(f"{label} holds no measurement of {what}." for label in parts if label not in found)
