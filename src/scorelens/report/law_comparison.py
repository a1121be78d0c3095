"""One page for several learning laws on the same data: what each lets the modes do, and when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis import CRITERIA, words
from scorelens.analysis.power_laws import BRANCHES, LEVEL
from scorelens.core import storage
from scorelens.dynamics.emergence.times import STUCK
from scorelens.plots.selection import evenly_spaced, log_spaced
from scorelens.report.build import short_name
from scorelens.report.comparison import learned_share, page_links, settled_step
from scorelens.report.evidence import Evidence, collect
from scorelens.report.page import render
from scorelens.report.panel import Panel, Section
from scorelens.report.sections.asked import law_rows
from scorelens.report.sections.power_laws import with_interval
from scorelens.report.table import ABSENT, Table, left_out, text
from scorelens.results import Run

OF_A_LAW = ("it describes", "equations", "source")
SHARE_ROWS, MODE_ROWS = 12, 40
DOSES = (
    "Doses of different laws are the same training only where they stand for the same rate and loss: "
    "the law “preconditioned” spends its dose on all noise levels as training draws them; that of a "
    "convolution counts a loss summed over pixels; that of infinite depth has a clock of its own."
)


def build_law_comparison(folder: str | Path, runs: Mapping[str, Run]) -> Path:
    """Write ``report.html`` in ``folder``, comparing forecasts ``runs`` (law -> run); returns its path.

    Raises ``ValueError`` for fewer than two runs and `StorageError` if the page cannot be written.
    """
    if len(runs) < 2:
        raise ValueError(f"a comparison needs at least two runs, got {len(runs)}; use report.build for one")
    parts = {label: collect(run) for label, run in runs.items()}
    file = Path(folder) / "report.html"
    storage.write_text(file, law_comparison_page(parts, page_links(Path(folder), runs)))
    return file


def law_comparison_page(parts: Mapping[str, Evidence], links: tuple[tuple[str, str], ...]) -> str:
    """The comparing page as text."""
    first = next(iter(parts.values()))
    forecasts = {label: part.forecast for label, part in parts.items() if part.forecast is not None}
    sections = [_settings(parts, links)]
    if forecasts:
        sections += [_emergence(forecasts), _learned(forecasts), _limits(forecasts)]
    return render(
        title=short_name(first.config.data.spec),
        subtitle=f"The same data by {len(parts)} learning laws: which lets which mode emerge, and when.",
        problems=[f"{label}: {problem}" for label, part in parts.items() for problem in part.problems],
        summary=[sentence for label, one in forecasts.items() for sentence in _sentences(label, one)],
        sections=sections,
    )


def _sentences(label: str, forecast: xr.Dataset) -> list[str]:
    """What one law says, in the fewest words: its exponents, and what it never learns."""
    counts = _counts(forecast)
    end = f"in the end {counts['right']} of {counts['modes']} modes are right"
    end += ", as by the best linear denoiser" if counts["right"] == counts["best"] else ""
    end += f" and {counts[STUCK]} stuck" if counts[STUCK] else ""
    exponents = [
        f"the variance to the power {value:.2f} along the {branch} modes".replace("-", "−")
        for branch in BRANCHES
        if np.isfinite(value := float(_fit(forecast, CRITERIA[0], branch)["exponent"]))
    ]
    if not exponents:
        return [f"{label}: {end}."]
    return [f"{label}: the dose of emergence ({CRITERIA[0]} mean) goes as {words.joined(exponents)}; {end}."]


def _settings(parts: Mapping[str, Evidence], links: tuple[tuple[str, str], ...]) -> Section:
    rows = {label: dict(law_rows(part)) for label, part in parts.items()}
    table = tuple((label, *(found.get(name, ABSENT) for name in OF_A_LAW)) for label, found in rows.items())
    return Section(
        name="settings",
        short_title="Laws",
        title="The laws",
        lead="Everything else is the same. Each law has a page of its own, which also says what it assumes.",
        notes=(DOSES, *_of_frequencies(parts)),
        tables=(Table("What each law stands for", ("law", *OF_A_LAW), table),),
        links=links,
    )


def _of_frequencies(parts: Mapping[str, Evidence]) -> tuple[str, ...]:
    labels = [label for label, part in parts.items() if part.of_frequencies]
    if not labels or len(labels) == len(parts):
        return ()
    follow = "follows" if len(labels) == 1 else "follow"
    return (
        f"The modes are not all of one kind: {words.joined(labels)} {follow} spatial frequencies and their "
        "power, the others the directions of the covariance and their variance.",
    )


def _emergence(forecasts: Mapping[str, xr.Dataset]) -> Section:
    caption = (
        "One colour per law; each point is a mode: to the right its variance in the data, upwards the dose "
        "at which it emerges. Filled marks rise to their target, hollow ones fall. Choose the threshold: a "
        "mean of start and target, or a band around the target. Modes that never emerge are not drawn."
    )
    figure = plots.emergence_of_laws(forecasts)
    panel = Panel("emergence-of-laws", "Emergence by law", caption, figure, _emergence_table(forecasts))
    return Section(
        name="emergence",
        short_title="Emergence",
        title="When each mode emerges",
        lead="A mode emerges when its generated variance crosses a threshold between start and target.",
        panels=(panel,),
        tables=(_exponents(forecasts),),
    )


def _emergence_table(forecasts: Mapping[str, xr.Dataset]) -> Table:
    """Modes as rows, laws as columns, by the first threshold."""
    most = max(one.sizes["mode"] for one in forecasts.values())
    rows = log_spaced(most, MODE_ROWS)
    columns: dict[str, list[object]] = {"mode": [int(row) + 1 for row in rows]}
    for label, one in forecasts.items():
        times = one["emergence_time"].values
        columns[label] = [float(times[row]) if row < len(times) else None for row in rows]
    note = left_out("modes", rows, most, "the run folders (there, mode 1 is mode 0)")
    return Table.of_columns(f"Dose at which each mode emerges ({CRITERIA[0]} mean)", columns, note)


def _exponents(forecasts: Mapping[str, xr.Dataset]) -> Table:
    rows = tuple(
        (criterion, branch, *(_exponent(one, criterion, branch) for one in forecasts.values()))
        for criterion in CRITERIA
        for branch in BRANCHES
        if any(int(_fit(one, criterion, branch)["n_fitted"]) for one in forecasts.values())
    )
    note = (
        f"Exponents of the dose of emergence against variance, with {LEVEL:.0%} intervals: −1 means that "
        "half the variance takes twice as long. A dash: too few modes emerge to fit one."
    )
    return Table("Power laws of emergence", ("threshold", "modes", *forecasts), rows, note)


def _exponent(forecast: xr.Dataset, criterion: str, branch: str) -> str:
    found = _fit(forecast, criterion, branch)
    return with_interval(*(float(found[end]) for end in ("exponent", "exponent_low", "exponent_high")))


def _fit(forecast: xr.Dataset, criterion: str, branch: str) -> xr.Dataset:
    return forecast.sel(criterion=criterion, branch=branch, source="law")


def _learned(forecasts: Mapping[str, xr.Dataset]) -> Section:
    shares = {label: learned_share(one, "generated_variance") for label, one in forecasts.items()}
    panel = Panel(
        "learned-share",
        "Modes with the right variance, over training",
        "Higher is better. Time 0 is drawn at the left edge; each line goes on for as long as its law has "
        "modes to come.",
        plots.learned_share(shares),
        _share_table(shares),
    )
    return Section(
        name="learned",
        short_title="Learned",
        title="How many modes are right",
        lead="A mode counts as right while its generated variance is between 0.8 and 1.25 times the data's.",
        tables=(_settled_table({label: _with_end(shares[label], one) for label, one in forecasts.items()}),),
        panels=(panel,),
    )


def _with_end(share: xr.Dataset, forecast: xr.Dataset) -> xr.Dataset:
    """``share`` with what is right after infinite training as its last time."""
    return xr.concat([share, _share_at_end(forecast, "limit_variance")], dim="flow_time")


def _share_at_end(forecast: xr.Dataset, name: str) -> xr.Dataset:
    return learned_share(forecast[[name]].expand_dims(flow_time=[np.inf]), name)


def _settled_table(shares: Mapping[str, xr.Dataset]) -> Table:
    levels = (0.5, 0.9, 1.0)
    rows = tuple(
        (label, *(text(settled_step(one, level)) for level in levels)) for label, one in shares.items()
    )
    header = ("law", *(f"{level:.0%} of modes" for level in levels))
    note = "A dash: never; ∞: only in the end, after the last dose that was tabulated."
    return Table("First tabulated dose from which so many modes stay right", header, rows, note)


def _share_table(shares: Mapping[str, xr.Dataset]) -> Table:
    """Each law at doses of its own."""
    columns: dict[str, list[object]] = {"law": [], "dose": [], "share of modes that are right, %": []}
    for label, share in shares.items():
        small = share.isel(flow_time=evenly_spaced(share.sizes["flow_time"], SHARE_ROWS))
        found = (
            [label] * small.sizes["flow_time"],
            small["flow_time"].values,
            100 * small["learned_share"].values,
        )
        for column, values in zip(columns.values(), found, strict=True):
            column.extend(values)
    note = f"Shows {SHARE_ROWS} doses of each law; all are in the run folders."
    return Table.of_columns("Share of modes with the right variance", columns, note)


def _limits(forecasts: Mapping[str, xr.Dataset]) -> Section:
    counts = {label: _counts(one) for label, one in forecasts.items()}
    header = ("law", "modes", "right after infinite training", "by the best linear denoiser", STUCK)
    names = ("modes", "right", "best", STUCK)
    rows = tuple((label, *(text(count[name]) for name in names)) for label, count in counts.items())
    return Section(
        name="limits",
        short_title="Limits",
        title="What is never learned",
        lead=(
            "Modes that stay wrong however long training goes on: some are stuck where they start, some the "
            "network cannot hold. What even the best linear denoiser gets wrong is the sampler's share."
        ),
        tables=(Table("Modes after infinite training", header, rows),),
    )


def _counts(forecast: xr.Dataset) -> dict[str, int]:
    alive = forecast["eigenvalue"].values > 0

    def right(name: str) -> int:
        return round(float(_share_at_end(forecast, name)["learned_share"][0]) * int(alive.sum()))

    stuck = int((alive & forecast["stuck"].values).sum())
    counts = {"right": right("limit_variance"), "best": right("optimal_variance"), STUCK: stuck}
    return {"modes": int(alive.sum()), **counts}
