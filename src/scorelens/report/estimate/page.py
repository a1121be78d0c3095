"""From the folder of an estimate to its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from scorelens.analysis.explained_words import sentences
from scorelens.core import storage
from scorelens.report.build import short_name
from scorelens.report.estimate.about import estimators, repeat
from scorelens.report.estimate.evidence import EstimateEvidence, collect
from scorelens.report.estimate.explained import explained
from scorelens.report.estimate.samples import samples
from scorelens.report.page import render
from scorelens.report.panel import Section
from scorelens.report.sections.normal_spectrum import normal_spectrum
from scorelens.report.sections.overparametrisation import overparametrisation
from scorelens.report.sections.score_field import score_field


def _of(name: str, chapter: Callable[[xr.Dataset], Section]) -> Callable[[EstimateEvidence], Section]:
    return lambda evidence: chapter(evidence.datasets[name])


#: Chapters of the page, each with the Dataset that it needs (none: it is always there).
CHAPTERS: tuple[tuple[str | None, Callable[[EstimateEvidence], Section]], ...] = (
    ("explained", explained),
    ("data_examples", samples),
    ("score_field", _of("score_field", score_field)),
    ("normal_spectrum", _of("normal_spectrum", normal_spectrum)),
    ("overparametrisation", _of("overparametrisation", overparametrisation)),
    (None, estimators),
    (None, repeat),
)


def build_estimation(folder: str | Path) -> Path:
    """Write ``report.html`` of the estimate in ``folder``, from the folder alone, and return its path.

    Raises ``ValueError`` if ``folder`` is none and `StorageError` if the page cannot be written.
    """
    evidence = collect(folder)
    storage.write_text(evidence.estimation.report_path, page(evidence))
    return evidence.estimation.report_path


def page(evidence: EstimateEvidence) -> str:
    """The page that shows ``evidence``, as text."""
    known = evidence.datasets.get("explained")
    return render(
        title=short_name(evidence.estimation.config.data.spec),
        subtitle=_subtitle(evidence),
        problems=[*_failures(evidence), *evidence.problems],
        summary=[] if known is None else sentences(known),
        sections=[
            chapter(evidence) for name, chapter in CHAPTERS if name is None or name in evidence.datasets
        ],
    )


def _subtitle(evidence: EstimateEvidence) -> str:
    count = len(evidence.estimation.fitted)
    what = "One score estimator" if count == 1 else f"{count} score estimators"
    return f"{what} of these data, without training a network: what each explains, and what it generates."


def _failures(evidence: EstimateEvidence) -> list[str]:
    return [_failure(fit.spec, fit.file, fit.problem) for fit in evidence.estimation.fits if fit.problem]


def _failure(spec: str, file: str | None, problem: str) -> str:
    return f"{spec} could not be fitted: {problem}." if file is None else f"{spec} {problem}."
