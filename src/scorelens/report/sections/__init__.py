"""The chapters of the page, in the order in which a reader meets them."""

from __future__ import annotations

from collections.abc import Callable

from scorelens.report.evidence import Evidence
from scorelens.report.panel import Section
from scorelens.report.sections.asked import asked
from scorelens.report.sections.data import data
from scorelens.report.sections.denoiser import has_noise_levels, noise_levels, transfer
from scorelens.report.sections.emergence import emergence
from scorelens.report.sections.geometry import geometry
from scorelens.report.sections.limits import limits
from scorelens.report.sections.loss import loss
from scorelens.report.sections.memorization import memorization
from scorelens.report.sections.repeat import repeat
from scorelens.report.sections.samples import samples
from scorelens.report.sections.variance import variance

ALL: tuple[Callable[[Evidence], Section], ...] = (
    asked,
    data,
    variance,
    emergence,
    transfer,
    noise_levels,
    loss,
    samples,
    memorization,
    geometry,
    repeat,
)
"""The chapters of the page of a run."""

OF_A_FORECAST: tuple[Callable[[Evidence], Section], ...] = (
    asked,
    data,
    variance,
    emergence,
    limits,
    transfer,
    noise_levels,
    repeat,
)
"""The chapters of the page of a forecast alone, from which nothing about training is missed."""


def chapters(evidence: Evidence) -> tuple[Callable[[Evidence], Section], ...]:
    """The chapters that ``evidence`` is shown in."""
    if not evidence.is_forecast:
        return ALL
    known = has_noise_levels(evidence)
    return tuple(chapter for chapter in OF_A_FORECAST if known or chapter is not noise_levels)
