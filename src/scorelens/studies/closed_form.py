"""The forecast alone: what a model will learn and in which order, without training one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scorelens import analysis, report
from scorelens.results import Run
from scorelens.studies.configure import configure
from scorelens.studies.folders import new_folder
from scorelens.studies.preparation import prepare


def forecast(data: str = "digits", *, out: Path | str | None = None, **options: Any) -> Run:
    """Spectrum and closed-form forecast of ``data`` in a run folder with its page; seconds, no training.

    ``options`` are names of `studies.OPTIONS` and ``seed``. Raises ``ValueError`` for bad options or data.
    """
    config = configure(data, **options)
    spectrum = prepare(config.data, config.seed).spectrum
    predicted = analysis.forecast(spectrum, config)
    run = Run.create(new_folder(data, out), config)
    spectrum.save(run.spectrum_path)
    run.write_dataset("forecast", predicted)
    report.build(run.path)
    return run
