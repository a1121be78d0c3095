"""From the folder of a look at local geometry to its page."""

from __future__ import annotations

import shlex
from pathlib import Path

from scorelens.analysis.geometry_words import geometry_sentences
from scorelens.core import storage
from scorelens.report.build import short_name
from scorelens.report.geometry.derivatives import derivatives
from scorelens.report.geometry.dimension import dimension
from scorelens.report.geometry.kept import kept
from scorelens.report.geometry.likelihood import likelihood
from scorelens.report.geometry.posterior import posterior
from scorelens.report.geometry.risk import risk
from scorelens.report.page import render
from scorelens.report.repeat import levels, repeat
from scorelens.results import LocalGeometry
from scorelens.results.local_geometry import EVENTS, MODES, POINTS

#: Where the equations stand that the page names.
TAGS = "Tags like [P3] name the equations of docs/theory/geometry.md."
#: Options that only say what is the default anyway.
DEFAULTS = {"points": POINTS, "events": EVENTS, "likelihood": 0}


def build_geometry(folder: str | Path) -> Path:
    """Write ``report.html`` of the look in ``folder``, from the folder alone, and return its path.

    Raises ``ValueError`` if ``folder`` is none or damaged, `StorageError` if the page cannot be written.
    """
    made = LocalGeometry.open(folder)
    storage.write_text(made.report_path, page(made))
    return made.report_path


def page(made: LocalGeometry) -> str:
    """The page, as text."""
    names = made.store.names()
    stored = {name: made.store.read(name) for name in names}
    measured, risks, dimensions = (stored[name] for name in ("geometry", "risk", "dimension"))
    sections = [
        kept(measured),
        posterior(stored.get("posterior"), measured, stored["examples"]),
        dimension(dimensions),
        risk(risks),
        *([likelihood(stored["likelihood"])] if "likelihood" in stored else []),
        derivatives(measured, risks),
        repeat(made, command(made), TAGS),
    ]
    return render(
        title=short_name(made.given),
        subtitle=f"What this denoiser keeps of noisy {short_name(made.data)}, and what it is unsure of.",
        problems=made.remarks,
        summary=[_events(made), *geometry_sentences(measured, dimensions, risks)],
        sections=sections,
    )


def _events(made: LocalGeometry) -> str:
    looked = "one held-out event" if made.points == 1 else f"{made.points} held-out events"
    return (
        f"At {looked} of {short_name(made.data)} ({made.dim:,} numbers each, root mean variance "
        f"{made.scale:.3g}), with noise of {len(made.sigma)} levels; the risk is averaged over "
        f"{made.events:,}."
    )


def command(made: LocalGeometry) -> str:
    """The command line; defaults are left out."""
    words = ["scorelens", "geometry", made.given, made.data]
    if made.sigma_given:
        words += ["--sigma", levels(made.sigma)]
    if made.modes != min(MODES, made.dim):
        words += ["--modes", str(made.modes)]
    for name, default in DEFAULTS.items():
        value = getattr(made, name)
        if value != default:
            words += [f"--{name}", str(value)]
    for name, value in made.options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)
