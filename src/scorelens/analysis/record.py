"""What a run folder holds for an analysis: measurements, forecast and the law behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.followed_law import FollowedLaw, followed_law
from scorelens.analysis.forecast import forecast
from scorelens.core.fourier_spectrum import FourierSpectrum
from scorelens.core.spectrum import Spectrum
from scorelens.dynamics import GainLaw
from scorelens.networks import AssumedCovariance

if TYPE_CHECKING:
    from scorelens.results import Run


@final
@dataclass(frozen=True, eq=False)
class Predicted:
    """A forecast, the law that it ``followed``, and the sampler's ``sigmas``, descending."""

    forecast: xr.Dataset
    followed: FollowedLaw
    sigmas: np.ndarray

    @property
    def law(self) -> GainLaw:
        """The gain law: the variance at any dose. ``ValueError`` where modes do not learn apart."""
        return self.followed.law


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
    fourier = FourierSpectrum.load(run.fourier_path) if run.fourier_path.exists() else None
    known = "forecast" in run.dataset_names()
    found = run.dataset("forecast") if known else forecast(spectrum, run.config, fourier=fourier)
    covariance = _stored_covariance(spectrum, found)
    followed = followed_law(spectrum, run.config, fourier=fourier, covariance=covariance)
    return Predicted(found, followed, run.config.sigmas())


def _stored_covariance(spectrum: Spectrum, stored: xr.Dataset) -> AssumedCovariance | None:
    """That of the forecast itself: a shrinkage may have read samples that are no longer at hand."""
    if "assumed_variance" not in stored:
        return None
    variances = np.asarray(stored["assumed_variance"].values, dtype=float)
    rest = float(stored.attrs["assumed_rest_variance"])
    return AssumedCovariance(spectrum.mean, spectrum.eigenvectors, variances, rest)
