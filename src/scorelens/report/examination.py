"""From the folder of an examination for memorisation to its page."""

from __future__ import annotations

from pathlib import Path

from scorelens.core import storage
from scorelens.core.spectrum import Spectrum
from scorelens.report.build import short_name
from scorelens.report.page import render
from scorelens.report.panel import Section
from scorelens.report.sections.memorization import attraction_panel, pairs
from scorelens.report.table import Table
from scorelens.results import Examination


def build_examination(folder: str | Path) -> Path:
    """Write ``report.html`` of the examination in ``folder``, from the folder alone, and return its path.

    Raises ``ValueError`` if ``folder`` is none or damaged, `StorageError` if the page cannot be written.
    """
    made = Examination.open(folder)
    storage.write_text(made.report_path, page(made))
    return made.report_path


def page(made: Examination) -> str:
    """The page of an examination, as text."""
    return render(
        title=short_name(made.given),
        subtitle=f"Whether this was learned by heart from {short_name(made.data)}.",
        problems=made.remarks,
        summary=made.verdict,
        sections=[_found(made), _repeat(made)],
    )


def _found(made: Examination) -> Section:
    measured = made.store.read("memorization").expand_dims("step").assign_coords(step=[0])
    spectrum = Spectrum.load(made.spectrum_path) if made.spectrum_path.exists() else None
    panels = pairs(measured, spectrum)
    if "attraction" in measured:
        panels.append(attraction_panel(measured))
    names, values = zip(*made.numbers, strict=True)
    return Section(
        name="memorization",
        short_title="Found",
        title="Samples, training data and held-out data",
        lead="Held-out data, which nobody trained on, show what to expect of samples that are no copies.",
        panels=tuple(panels),
        tables=(Table.of_columns("What was found", {"what": names, "value": values}),),
    )


def _repeat(made: Examination) -> Section:
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in made.options.items())
    versions = made.environment.get("versions") or {}
    rows = tuple((str(name), str(version)) for name, version in versions.items())
    return Section(
        name="repeat",
        short_title="Repeat",
        title="How to repeat this",
        lead="",
        code=f"scorelens memorization {made.given} {made.data} {options}".rstrip(),
        tables=(Table("Versions it was made with", ("part", "version"), rows),) if rows else (),
    )
