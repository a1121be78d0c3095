"""The chapters of the page, in the order in which a reader meets them."""

from __future__ import annotations

from collections.abc import Callable

from scorelens.report.evidence import Evidence
from scorelens.report.panel import Section
from scorelens.report.sections.asked import asked
from scorelens.report.sections.data import data
from scorelens.report.sections.denoiser import noise_levels, transfer
from scorelens.report.sections.emergence import emergence
from scorelens.report.sections.loss import loss
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
    repeat,
)
