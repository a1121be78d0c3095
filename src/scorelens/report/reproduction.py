"""The page of a reproduced figure: what agrees with the paper and what does not, then the figures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from scorelens.report.page import render
from scorelens.report.panel import Section
from scorelens.report.sections.repeat import CITATIONS
from scorelens.report.table import Table

PAPER = "Wang & Pehlevan 2025"
CLOSED_FORMS = (
    "Closed forms, quadratures and integrated equations only: nothing is random, nothing is trained."
)


@final
@dataclass(frozen=True)
class Claim:
    """What a paper says: ``place`` is where, ``equations`` are those the library evaluates for it.

    ``source`` names the paper, ``citation`` are (for, source) of the whole reference; ``computed`` says how
    the numbers come about.
    """

    text: str
    place: str
    equations: str
    source: str = PAPER
    citation: tuple[str, str] = CITATIONS[0]
    computed: str = CLOSED_FORMS


@final
@dataclass(frozen=True)
class Findings:
    """Sentences with measured numbers: where paper and library agree, where not, what else is seen."""

    agrees: tuple[str, ...]
    differs: tuple[str, ...]
    also: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class ReproductionPage:
    """All that a page of a reproduced figure says, besides its sections of figures."""

    name: str
    title: str
    claim: Claim
    findings: Findings
    seconds: float
    environment: dict[str, Any]


def command(name: str) -> str:
    """The command that makes the reproduction again.

    >>> command("weights")
    'scorelens reproduce weights'
    """
    return shlex.join(["scorelens", "reproduce", name])


def reproduction_page(about: ReproductionPage, sections: Sequence[Section]) -> str:
    """The page as text; it needs nothing but itself."""
    summary = [*(f"Agrees: {found}" for found in about.findings.agrees)]
    summary += [f"Does not agree: {found}" for found in about.findings.differs]
    summary += [f"Also seen: {found}" for found in about.findings.also]
    return render(
        title=about.title,
        subtitle=f"{about.claim.text} ({about.claim.source}, {about.claim.place})",
        problems=[],
        summary=summary,
        sections=[*sections, _repeat(about)],
    )


def _repeat(about: ReproductionPage) -> Section:
    rows = [("place in the paper", about.claim.place), ("equations evaluated", about.claim.equations)]
    rows += [(str(part), str(version)) for part, version in about.environment.get("versions", {}).items()]
    rows.append(("seconds the computation took", f"{about.seconds:.1f}"))
    return Section(
        name="repeat",
        short_title="Repeat",
        title="How to repeat this",
        lead="",
        code=command(about.name),
        notes=(
            about.claim.computed,
            "The numbers of every figure are in datasets.zarr beside this page, labelled; "
            "scorelens report FOLDER makes the page again from the folder.",
        ),
        tables=(
            Table("What was evaluated, and with what", ("part", "value"), tuple(rows)),
            Table("To cite", ("for", "source"), (about.claim.citation, CITATIONS[-1])),
        ),
    )
