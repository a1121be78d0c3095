"""Redraw a figure of the theory in a folder of its own, and make its page again from that folder."""

from __future__ import annotations

import time
from pathlib import Path

from scorelens.core import checks, storage
from scorelens.report.reproduction import ReproductionPage, reproduction_page
from scorelens.results import Reproduction
from scorelens.studies.figures import ALL
from scorelens.studies.figures.figure_study import FigureStudy
from scorelens.studies.folders import new_folder


def reproduce(name: str, *, out: Path | str | None = None) -> Reproduction:
    """Compute the figure study ``name`` of `figures.ALL`, store its Datasets and write its page.

    Raises ``ValueError`` for an unknown name (naming the nearest) or a folder that holds something already.

    >>> made = reproduce("weights", out="runs/weights")  # doctest: +SKIP
    >>> made.report_path  # doctest: +SKIP
    PosixPath('runs/weights/report.html')
    """
    study = figure_study(name)
    began = time.perf_counter()
    datasets = study.compute()
    seconds = time.perf_counter() - began
    folder = new_folder(f"reproduce-{name}", out)
    made = Reproduction.create(folder, datasets, study=name, seconds=round(seconds, 2))
    remake_page(made.path)
    return made


def remake_page(folder: Path | str) -> Path:
    """Write the page of a reproduction from its folder alone, and return its path.

    Raises ``ValueError`` if ``folder`` is none, and `CorruptMeasurement` if its data are damaged.
    """
    made = Reproduction.open(folder)
    study = figure_study(made.study)
    data = {name: made.store.read(name) for name in made.store.names()}
    about = ReproductionPage(
        study.name, study.title, study.claim, study.findings(data), made.seconds, made.environment
    )
    storage.write_text(made.report_path, reproduction_page(about, study.sections(data)))
    return made.report_path


def figure_study(name: str) -> FigureStudy:
    """The member of `figures.ALL` of that name; ``ValueError`` naming the nearest if there is none.

    >>> figure_study("weights").name
    'weights'
    """
    checks.choice("figure", name, [study.name for study in ALL])
    return next(study for study in ALL if study.name == name)()
