"""From the law that a configuration names, and the data, to the modes that a forecast follows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.frequency_modes import FrequencyModes
from scorelens.analysis.laws import ChosenLaw, law_named
from scorelens.analysis.mode_forecast import GainForecast, ModeForecast
from scorelens.analysis.patch_forecast import PatchForecast
from scorelens.analysis.run_law import assumed_covariance, law_of
from scorelens.dynamics import GainLaw, PreconditionedOneLayer
from scorelens.instruments.labels import mode_coordinates
from scorelens.networks import AssumedCovariance

if TYPE_CHECKING:
    from scorelens.core.fourier_spectrum import FourierSpectrum
    from scorelens.core.spectrum import Spectrum
    from scorelens.results.config import RunConfig


@final
@dataclass(frozen=True, eq=False)
class Preconditioned:
    """The law of a preconditioned network, and what its preconditioner assumes."""

    law: PreconditionedOneLayer
    covariance: AssumedCovariance


@final
@dataclass(frozen=True, eq=False)
class FollowedLaw:
    """A law at work on data: its ``modes`` with their ``coordinates``, which of them are ``counted`` in fits.

    ``preconditioned`` is None for a law without a preconditioner.
    """

    chosen: ChosenLaw
    modes: ModeForecast
    coordinates: dict[str, xr.Variable]
    counted: np.ndarray
    preconditioned: Preconditioned | None = None

    @property
    def law(self) -> GainLaw:
        """The gain law; ``ValueError`` for a law whose modes do not learn apart."""
        if not isinstance(self.modes, GainForecast):
            raise ValueError(f"the modes of law {self.chosen.spec} do not learn apart: it has no gain law")
        return self.modes.law


def followed_law(
    spectrum: Spectrum,
    config: RunConfig,
    *,
    samples: Iterable[np.ndarray] | None = None,
    fourier: FourierSpectrum | None = None,
    covariance: AssumedCovariance | None = None,
) -> FollowedLaw:
    """The law of ``config.law`` on data of this ``spectrum``; arguments as those of `forecast`.

    ``covariance`` is what the preconditioner assumes where that is known already. Raises ``ValueError`` for a
    law that is unknown, or cannot be that of these data.
    """
    chosen = law_named(config.law.spec)
    chosen.check_data(spectrum.event_shape)
    if chosen.named.of_images:
        return _of_frequencies(chosen, FrequencyModes.of(_needed(fourier, chosen), spectrum.n_modes), config)
    values, coordinates = spectrum.eigenvalues, mode_coordinates(spectrum.eigenvalues)
    every = np.ones(len(values), dtype=bool)
    if not chosen.is_configured:
        return FollowedLaw(chosen, GainForecast(chosen.gain_law(), values, config), coordinates, every)
    covariance = covariance or assumed_covariance(spectrum, config, samples)
    law = law_of(spectrum, config, covariance)
    own = Preconditioned(law, covariance)
    return FollowedLaw(chosen, GainForecast(law, values, config), coordinates, every, own)


def _of_frequencies(chosen: ChosenLaw, modes: FrequencyModes, config: RunConfig) -> FollowedLaw:
    if chosen.named.kind == "patch":
        forecast: ModeForecast = PatchForecast(modes, **chosen.values, config=config)
    else:
        forecast = GainForecast(chosen.gain_law(modes.spectrum.power[0].size), modes.power, config)
    return FollowedLaw(chosen, forecast, modes.coordinates(), modes.counted)


def _needed(fourier: FourierSpectrum | None, chosen: ChosenLaw) -> FourierSpectrum:
    if fourier is None:
        raise ValueError(
            f"law {chosen.spec} follows spatial frequencies; give the data's fourier spectrum "
            "(scorelens.core.fourier_spectrum)"
        )
    return fourier
