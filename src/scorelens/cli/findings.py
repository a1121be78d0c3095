"""Findings as a table on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scorelens.studies.objective_check import ObjectiveCheck

STYLES = {"holds": "green", "broken": "bold red", "scaled": "yellow", "undecided": "yellow"}


def show(found: ObjectiveCheck) -> None:
    """Print a table with a block of rows per noise level, and what it comes to."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{found.n_samples:,} noised samples", title_justify="left")
    for name, ratio in (("sigma", None), ("what", 3), ("found", None), ("in words", 5)):
        table.add_column(name, ratio=ratio, no_wrap=ratio is None)
    for sigma, report in zip(found.sigmas, found.reports, strict=True):
        for i, finding in enumerate(report.findings):
            status = f"[{STYLES[finding.status]}]{finding.status}[/]"
            what = f"{escape(finding.name)}\n[dim]{escape(finding.equation)}[/]"
            level, last = "" if i else f"{sigma:g}", i == len(report.findings) - 1
            table.add_row(level, what, status, escape(finding.words), end_section=last)
    console = Console()
    console.print(table)
    console.print(
        f"broken: {found.n_broken} of the findings above" if found.n_broken else "nothing is broken"
    )
