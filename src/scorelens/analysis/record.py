"""What a run folder holds for an analysis: measurements, forecast and the law behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.forecast import forecast
from scorelens.analysis.run_law import law_of
from scorelens.core.spectrum import Spectrum
from scorelens.dynamics import PreconditionedOneLayer
from scorelens.networks import AssumedCovariance

if TYPE_CHECKING:
    from scorelens.results import Run


@final
@dataclass(frozen=True, eq=False)
class Predicted:
    """A forecast, its law, which gives the variance at any dose, and the sampler's ``sigmas``, descending."""

    forecast: xr.Dataset
    law: PreconditionedOneLayer
    sigmas: np.ndarray


def measured(run: Run, name: str) -> xr.Dataset | None:
    """All good measurements of the instrument ``name`` along ``step``; None if it never measured.

    Damaged steps are left out with a ``RuntimeWarning`` that names the file; if all are, this is None too.
    """
    if name not in run.measurement_names():
        return None
    try:
        return run.measurement(name, on_corrupt="warn")
    except ValueError:
        return None


def predicted(run: Run) -> Predicted | None:
    """The stored forecast, or one made from the stored spectrum; None if there is no spectrum."""
    if not run.spectrum_path.exists():
        return None
    spectrum = Spectrum.load(run.spectrum_path)
    known = "forecast" in run.dataset_names()
    found = run.dataset("forecast") if known else forecast(spectrum, run.config)
    law = law_of(spectrum, run.config, _stored_covariance(spectrum, found))
    return Predicted(found, law, run.config.sigmas())


def _stored_covariance(spectrum: Spectrum, stored: xr.Dataset) -> AssumedCovariance:
    """That of the forecast itself: a shrinkage may have read samples that are no longer at hand."""
    variances = np.asarray(stored["assumed_variance"].values, dtype=float)
    rest = float(stored.attrs["assumed_rest_variance"])
    return AssumedCovariance(spectrum.mean, spectrum.eigenvectors, variances, rest)
