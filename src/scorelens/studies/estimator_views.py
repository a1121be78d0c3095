"""What else an estimate shows of its denoisers, where the data and the estimators allow it."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from scorelens.analysis.normal_spectrum import normal_spectrum, spectra_of
from scorelens.analysis.overparametrisation import MOST_EQUATIONS, overparametrisation
from scorelens.analysis.score_field import is_planar, score_field
from scorelens.data import Data
from scorelens.estimators import FittedDenoiser
from scorelens.estimators.spectral import SpectralDenoiser, TimeSeparableDenoiser

_OF_FEATURES = (SpectralDenoiser, TimeSeparableDenoiser)
#: The curve of over-parametrisation takes this many events, and draws: few of them in many dimensions.
CURVE_EVENTS, CURVE_DRAWS, FEW_DRAWS, MANY_DIMENSIONS = 5000, 6, 2, 20


def views(
    denoisers: Mapping[str, FittedDenoiser], train: Data, solved_by: Mapping[str, str]
) -> dict[str, xr.Dataset]:
    """Datasets by name: the ``score_field`` of planar data; the ``normal_spectrum`` of estimators that solve
    equations, each ``solved_by`` a method; of features, the curve of ``overparametrisation``."""
    found = {}
    if is_planar(train.event_shape):
        found["score_field"] = score_field(denoisers, train[:])
    solved = {name: one for name, one in denoisers.items() if spectra_of(one) is not None}
    if solved:
        words = {name: word for name, word in solved_by.items() if word}
        found["normal_spectrum"] = normal_spectrum(solved, words)
    has_features = any(isinstance(one, _OF_FEATURES) for one in denoisers.values())
    if has_features and 2 * train.dim <= MOST_EQUATIONS and len(train) >= 4:
        draws = CURVE_DRAWS if train.dim <= MANY_DIMENSIONS else FEW_DRAWS
        found["overparametrisation"] = overparametrisation(train[:CURVE_EVENTS], n_seeds=draws)
    return found
