"""Fitting named estimators one after the other: what fails is named, the others go on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from scorelens import estimators as closed_form
from scorelens.analysis.named_estimators import About, ChosenEstimator
from scorelens.estimators import FittedDenoiser
from scorelens.results import Estimation, Fit
from scorelens.studies.estimator_progress import EstimateProgress
from scorelens.studies.folders import distinct_slugs

#: What a fit or its denoiser may raise because of the data; all else is an error of the library.
FAILURES = (ValueError, ArithmeticError, RuntimeError, MemoryError)


@final
@dataclass(frozen=True)
class Fitted:
    """How one estimator fared, and its denoiser if it could be fitted."""

    fit: Fit
    denoiser: FittedDenoiser | None


def fit_all(
    chosen: Sequence[ChosenEstimator],
    events: np.ndarray,
    about: About,
    folder: Path,
    progress: EstimateProgress,
) -> list[Fitted]:
    """Each of ``chosen`` fitted to ``events (n, *event)``, its denoiser saved in ``folder``.

    An estimator that fails is a ``UserWarning``. Raises ``ValueError`` if all fail; then nothing is written.
    """
    files = [f"{name}.safetensors" for name in distinct_slugs([one.spec for one in chosen])]
    fitted = [
        _fitted(one, events, about, folder / file, progress) for one, file in zip(chosen, files, strict=True)
    ]
    if not any(one.denoiser for one in fitted):
        reasons = "; ".join(f"{one.fit.spec}: {one.fit.problem}" for one in fitted)
        raise ValueError(f"no estimator could be fitted: {reasons}")
    return fitted


def reason(error: BaseException) -> str:
    """Why something failed, in one line."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _fitted(
    one: ChosenEstimator, events: np.ndarray, about: About, file: Path, progress: EstimateProgress
) -> Fitted:
    estimator = one.estimator(about)
    facts = {
        "spec": one.spec,
        "means": one.named.means,
        "equation": estimator.equation,
        "reference": estimator.reference,
    }
    began = time.perf_counter()
    try:
        with progress.step(one.spec, "fitting", "fitted"):
            denoiser = estimator.fit(events)
    except FAILURES as error:
        warnings.warn(f"estimator {one.spec} could not be fitted: {reason(error)}", UserWarning, stacklevel=2)
        return Fitted(Fit(**facts, seconds=time.perf_counter() - began, problem=reason(error)), None)
    seconds = time.perf_counter() - began
    Estimation.begin(file.parent)
    closed_form.save(denoiser, file)
    return Fitted(Fit(**facts, seconds=seconds, file=file.name), denoiser)
