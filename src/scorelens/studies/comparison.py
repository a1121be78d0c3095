"""The same study with several preconditioners: same data, same seed, one page side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorelens import report
from scorelens.core import checks
from scorelens.networks import preconditioners
from scorelens.results import Run
from scorelens.studies.folders import new_folder
from scorelens.studies.main_study import study


@dataclass(frozen=True)
class Comparison:
    """A folder with one run per preconditioner and the page that compares them."""

    path: Path
    runs: dict[str, Run]

    @property
    def report_path(self) -> Path:
        """File of the comparing page."""
        return self.path / "report.html"


def compare_preconditioners(
    data: str, names: Sequence[str], *, out: Path | str | None = None, resume: bool = False, **options: Any
) -> Comparison:
    """Run `study` once per preconditioner in ``names``, each in its own folder under ``out``.

    With ``resume`` (and ``out``) finished runs are kept and the interrupted one is continued.
    Raises ``ValueError`` for fewer than two names, or unknown ones.
    """
    _check(names, options, resume, out)
    folder = new_folder(f"{data}-compared", out)
    runs = {}
    for name in names:
        place = folder / name
        if resume and (place / "config.json").is_file():
            runs[name] = study(data, out=place, resume=True, quiet=options.get("quiet", False))
        else:
            runs[name] = study(data, out=place, preconditioning=name, **options)
    report.build_comparison(folder, runs)
    return Comparison(folder, runs)


def _check(names: Sequence[str], options: dict[str, Any], resume: bool, out: Path | str | None) -> None:
    known = [family.name for family in preconditioners.ALL]
    for name in names:
        checks.choice("preconditioner", name, known)
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError(f"compare needs two or more different preconditioners, got {', '.join(names)}")
    if "preconditioning" in options:
        raise ValueError("compare names the preconditioners itself; leave the option preconditioning out")
    if resume and out is None:
        raise ValueError("to resume a comparison, name its folder with --out")
