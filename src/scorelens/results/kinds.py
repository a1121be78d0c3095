"""The kinds of folders of results, and which of them a folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scorelens.results.estimation import Estimation
from scorelens.results.examination import Examination
from scorelens.results.generalization import Generalization
from scorelens.results.local_geometry import LocalGeometry
from scorelens.results.reproduction import Reproduction
from scorelens.results.result_folder import ResultFolder

KINDS: Final[tuple[type[ResultFolder], ...]] = (
    Reproduction,
    Examination,
    Estimation,
    Generalization,
    LocalGeometry,
)


def kind_of(path: str | Path) -> type[ResultFolder] | None:
    """The kind whose whole folder ``path`` is, or ``None``.

    >>> kind_of("no/such/folder") is None
    True
    """
    return next((kind for kind in KINDS if kind.holds(path)), None)
