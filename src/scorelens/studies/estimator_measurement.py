"""What is measured of every fitted estimator: the same probes, noise levels and sampler for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens import instruments
from scorelens.analysis.explained import Errors, explained
from scorelens.core.denoiser import Denoiser
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.instruments import Probes, SampleGrid, squared_distances, squared_errors
from scorelens.instruments.probes import HELD_OUT_PROBES, TRAINING_PROBES
from scorelens.instruments.settings import measured_sigmas
from scorelens.results import RunConfig
from scorelens.studies.preparation import Prepared


@final
@dataclass(frozen=True, eq=False)
class Measurement:
    """One sitting for several denoisers of the same ``prepared`` data."""

    prepared: Prepared
    config: RunConfig
    sigmas: np.ndarray
    held_out: Probes
    training: Probes

    @classmethod
    def of(cls, prepared: Prepared, config: RunConfig) -> Measurement:
        """The measurement that ``config`` describes."""
        n, seed = config.measurement.n_probes, config.seed
        held_out = Probes.choose(prepared.held_out, n, seed, HELD_OUT_PROBES)
        training = Probes.choose(prepared.train, n, seed, TRAINING_PROBES)
        return cls(prepared, config, measured_sigmas(config), held_out, training)

    def errors(self, denoiser: Denoiser) -> Errors:
        """Squared errors of ``denoiser``; ``ValueError`` if an output is not finite."""
        parts = (self.held_out, self.training)
        return Errors(*(squared_errors(denoiser, probes, self.sigmas) for probes in parts))

    def explained(self, errors: Mapping[str, Errors]) -> xr.Dataset:
        """The errors of all estimators as explained variance, against the floors."""
        spectrum, parts = self.prepared.spectrum, (self.held_out, self.training)
        spread = Errors(*(squared_distances(probes, spectrum.mean) for probes in parts))
        memorising = instruments.memorization_floor(self.training, self.sigmas)
        linear = self.errors(optimal_linear_denoiser(spectrum))
        return explained(errors, linear, spread, memorising.loss, self.sigmas)

    def samples(self, denoiser: Denoiser) -> xr.Dataset:
        """Samples by the house sampler from the same noise; ``ValueError`` if one is not finite."""
        return SampleGrid.for_run(*self._data, self.config).measure(denoiser)

    @property
    def examples(self) -> xr.Dataset:
        """Samples of the data, as many as of an estimator."""
        return instruments.examples(self.prepared.train, self.config)

    @property
    def _data(self):
        return self.prepared.train, self.prepared.held_out, self.prepared.spectrum
