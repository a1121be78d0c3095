"""Which page a folder of results has, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scorelens import report
from scorelens.results import (
    Estimation,
    Examination,
    Generalization,
    LocalGeometry,
    Reproduction,
    ResultFolder,
)


def _reproduction(folder: Path) -> Path:
    from scorelens import studies  # slow to import; the other pages do without

    return studies.remake_page(folder)


PAGES: dict[type[ResultFolder], Callable[[Path], Path]] = {
    Reproduction: _reproduction,
    Examination: report.build_examination,
    Estimation: report.build_estimation,
    Generalization: report.build_generalization,
    LocalGeometry: report.build_geometry,
}
"""Kind of folder -> what writes its page, from the folder alone, and returns its path."""


def make_page(folder: Path) -> Path:
    """Write the page of ``folder``, of whatever kind it is, and return its path.

    Raises ``ValueError`` if it was begun and is not whole, is damaged, or is neither of a kind nor a run.
    """
    for kind, write in PAGES.items():
        kind.refuse_unfinished(folder)
        if kind.holds(folder):
            return write(folder)
    return report.build(folder)
