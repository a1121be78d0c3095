"""The main job: forecast, train, measure, and show both side by side on one page."""

from __future__ import annotations

from typing import Any

from scorelens import report
from scorelens.results import Run
from scorelens.studies.training_run import train


def study(data: str = "digits", **options: Any) -> Run:
    """Forecast, train and measure (see `train` for the options), then write the page ``run.report_path``.

    >>> run = study("digits", steps=500, out="runs/short")  # doctest: +SKIP
    >>> run.report_path  # doctest: +SKIP
    PosixPath('runs/short/report.html')
    """
    run = train(data, **options)
    report.build(run.path)
    return run
