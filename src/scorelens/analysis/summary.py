"""What a run says, in plain sentences that are true of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from scorelens.analysis.compare import compare
from scorelens.analysis.emergence_words import (
    calibration_sentences,
    emergence_sentences,
    power_law_sentences,
)
from scorelens.analysis.forecast_words import forecast_sentences, law_sentences, limit_sentences
from scorelens.analysis.loss_words import loss_sentences
from scorelens.analysis.memorization_words import memorization_sentences
from scorelens.analysis.record import measured, predicted
from scorelens.analysis.variance_words import data_sentences, final_sentences, leading_sentence
from scorelens.core.spectrum import Spectrum

if TYPE_CHECKING:
    from scorelens.results import Run


def summary(run: Run) -> list[str]:
    """Sentences on data, emergence, what is still wrong, the power laws, the loss and memorisation.

    Each is said only if the run holds what it rests on: a forecast alone, a single measurement or a run that
    was stopped early has fewer sentences, never a guess. Modes are counted from 1 (the largest variance).
    """
    spectrum = Spectrum.load(run.spectrum_path) if run.spectrum_path.exists() else None
    sentences = data_sentences(spectrum) if spectrum is not None else []
    if measured(run, "generated_variance") is not None:
        sentences += _measured(compare(run), spectrum)
    elif (law := predicted(run)) is not None:
        sentences = _forecast(law.forecast, sentences)
    losses = measured(run, "loss")
    sentences += loss_sentences(losses) if losses is not None else []
    return sentences + memorization_sentences(losses, measured(run, "memorization"))


def _measured(comparison: xr.Dataset, spectrum: Spectrum | None) -> list[str]:
    eigenvalues = comparison["eigenvalue"].values
    total = float(eigenvalues.sum()) if spectrum is None else spectrum.total_variance
    if "emergence_step" not in comparison or total <= 0:
        return [*_leading(eigenvalues, total), *final_sentences(comparison)]
    return [
        *emergence_sentences(comparison, total),
        *final_sentences(comparison),
        *power_law_sentences(comparison),
        *calibration_sentences(comparison),
    ]


def _forecast(forecast: xr.Dataset, about_data: list[str]) -> list[str]:
    total = float(forecast.attrs["total_variance"])
    return [
        *law_sentences(forecast, about_data),
        *_leading(forecast["eigenvalue"].values, total),
        *forecast_sentences(forecast),
        *power_law_sentences(forecast),
        *limit_sentences(forecast),
    ]


def _leading(eigenvalues: np.ndarray, total: float) -> list[str]:
    return [f"{leading_sentence(eigenvalues, total)}."] if total > 0 else []
