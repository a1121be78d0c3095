"""From a run folder to its page."""

from __future__ import annotations

from pathlib import Path

from scorelens.analysis.memorization_words import memorization_warning
from scorelens.core import storage
from scorelens.report.evidence import Evidence, collect
from scorelens.report.page import render
from scorelens.report.panel import Section
from scorelens.report.sections import chapters
from scorelens.report.table import text
from scorelens.results import Run
from scorelens.results.config import LawConfig


def build(run_path: str | Path) -> Path:
    """Write ``report.html`` of the run at ``run_path``, from the folder alone, and return its path.

    What the run does not hold is said on the page; what is damaged is named there. Raises ``ValueError`` if
    ``run_path`` is not a run folder and `StorageError` (naming the file) if the page cannot be written.
    """
    run = Run.open(run_path)
    storage.write_text(run.report_path, page(collect(run)))
    return run.report_path


def page(evidence: Evidence) -> str:
    """The page that shows ``evidence``, as text."""
    problems = [*_by_heart(evidence), *_unfinished(evidence), *evidence.problems]
    sections = _sections(evidence, problems)
    return render(
        short_name(evidence.config.data.spec), subtitle(evidence), problems, evidence.summary, sections
    )


def short_name(spec: str) -> str:
    """A data specification without the folders of its path.

    >>> short_name("../pictures/mnist.parquet"), short_name("gaussian:dim=128"), short_name("pictures/")
    ('mnist.parquet', 'gaussian:dim=128', 'pictures')
    """
    return spec.rstrip("/").rpartition("/")[2] or spec


def subtitle(evidence: Evidence) -> str:
    """What the page is about, in one sentence.

    >>> from scorelens.results import RunConfig
    >>> subtitle(Evidence(RunConfig()))
    'What a score model will learn of these data, and in which order: the forecast, without training.'
    """
    if evidence.model is not None:
        return f"What the model {evidence.model} has learned of these data."
    if evidence.last_step is None:
        named = evidence.config.law.spec
        law = "" if named == LawConfig().spec else f" by the law {named}"
        what = "What a score model will learn of these data, and in which order"
        return f"{what}: the forecast{law}, without training."
    kind = {"edm": "EDM"}.get(evidence.config.preconditioning.name, evidence.config.preconditioning.name)
    shown = "What was forecast and what was learned" if evidence.forecast is not None else "What was learned"
    return f"{shown}, by a model with {kind} preconditioning, until step {text(evidence.last_step)}."


def _sections(evidence: Evidence, problems: list[str]) -> list[Section]:
    """All sections that can be made; ``problems`` gets a sentence for each that cannot."""
    made = []
    for section in chapters(evidence):
        try:
            made.append(section(evidence))
        except Exception as error:  # one odd part of a run must not take the rest of the page with it
            kind = section.__name__.replace("_", " ")
            problems.append(f"The part on {kind} could not be made: {type(error).__name__}: {error}")
    return made


def _by_heart(evidence: Evidence) -> list[str]:
    warning = memorization_warning(evidence.loss, evidence.memorization)
    return [] if warning is None else [warning]


def _unfinished(evidence: Evidence) -> list[str]:
    if not evidence.unfinished:
        return []
    until = evidence.last_step if evidence.last_step is not None else max(evidence.checkpoints)
    return [
        f"Training stopped before its end: the last measurement is of step {text(until)} of "
        f"{text(evidence.config.training.steps)}. The command that began the run continues it with --resume."
    ]
