"""How to make the run again, with what it was made, and whom to cite."""

from __future__ import annotations

from scorelens.report.evidence import Evidence
from scorelens.report.panel import Section
from scorelens.report.repeat import command, other_settings
from scorelens.report.table import Table, text

CITATIONS = (
    (
        "Theory of the learning dynamics",
        "B. Wang and C. Pehlevan, An Analytical Theory of Spectral Bias in the Learning Dynamics of "
        "Diffusion Models, NeurIPS 2025",
    ),
    (
        "Preconditioning, noise levels, sampler",
        "T. Karras, M. Aittala, T. Aila and S. Laine, Elucidating the Design Space of Diffusion-Based "
        "Generative Models, NeurIPS 2022",
    ),
    ("This page", "The scorelens developers, scorelens (CITATION.cff in its repository)"),
)


def repeat(evidence: Evidence) -> Section:
    """The section with the command, the versions and the citations."""
    versions = evidence.environment.get("versions")
    tables = [Table("To cite", ("for", "source"), CITATIONS)]
    if isinstance(versions, dict) and versions:
        rows = [(str(name), str(version)) for name, version in versions.items()]
        rows += _more(evidence)
        tables.insert(0, Table("Versions the run was made with", ("part", "version"), tuple(rows)))
    return Section(
        name="repeat",
        short_title="Repeat",
        title="How to repeat this",
        lead="",
        code=command(evidence.config, forecast=evidence.is_forecast),
        notes=_notes(evidence),
        tables=tuple(tables),
    )


def _more(evidence: Evidence) -> list[tuple[str, str]]:
    named = {"python": "python", "commit": "commit of scorelens"}
    return [
        (label, text(evidence.environment[key]))
        for key, label in named.items()
        if evidence.environment.get(key)
    ]


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = ["The same versions, device and number of threads give the same numbers."]
    others = other_settings(evidence.config)
    if others:
        notes.append(
            f"Also set, without an option of the command line (see config.json): {'; '.join(others)}."
        )
    return tuple(notes)
