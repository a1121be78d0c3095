"""The forecast alone: what a model will learn and in which order, without training one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scorelens import analysis, instruments, report
from scorelens.results import Run
from scorelens.studies.configure import configure
from scorelens.studies.folders import new_folder
from scorelens.studies.preparation import Prepared, prepare


def forecast(data: str = "digits", *, out: Path | str | None = None, **options: Any) -> Run:
    """Spectrum and closed-form forecast of ``data`` in a run folder with its page; seconds, no training.

    ``options`` are names of `studies.OPTIONS` and ``seed``. Raises ``ValueError`` for bad options or data.
    """
    config = configure(data, **options)
    prepared = prepare(config.data, config.seed)
    run = Run.create(new_folder(data, out), config)
    foretell(run, prepared)
    report.build(run.path)
    return run


def foretell(run: Run, prepared: Prepared) -> None:
    """Store what is known before training: the spectrum, examples of the data, and the forecast."""
    samples = prepared.shrinkage_samples(run.config.preconditioning.shrinkage)
    prepared.spectrum.save(run.spectrum_path)
    run.write_dataset("examples", instruments.examples(prepared.train, run.config))
    run.write_dataset("forecast", analysis.forecast(prepared.spectrum, run.config, samples=samples))
