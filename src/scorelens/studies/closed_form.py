"""The forecast alone: what a model will learn and in which order, without training one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from scorelens import analysis, report
from scorelens.results import Run, RunConfig
from scorelens.studies.configure import configure
from scorelens.studies.folders import new_folder
from scorelens.studies.preparation import Prepared, prepare


def forecast(data: str = "digits", *, out: Path | str | None = None, **options: Any) -> Run:
    """Spectrum and closed-form forecast of ``data`` in a run folder with its page; seconds, no training.

    ``options`` are names of `studies.OPTIONS` and ``seed``. Raises ``ValueError`` for bad options or data.
    """
    config = configure(data, **options)
    prepared = prepare(config.data, config.seed)
    predicted = predict(prepared, config)
    run = Run.create(new_folder(data, out), config)
    prepared.spectrum.save(run.spectrum_path)
    run.write_dataset("forecast", predicted)
    report.build(run.path)
    return run


def predict(prepared: Prepared, config: RunConfig) -> xr.Dataset:
    """The labelled forecast of a run with ``config`` on the prepared data (`analysis.forecast`)."""
    samples = prepared.shrinkage_samples(config.preconditioning.shrinkage)
    return analysis.forecast(prepared.spectrum, config, samples=samples)
