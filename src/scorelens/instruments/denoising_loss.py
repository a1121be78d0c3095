"""The denoising loss at each noise level, on training and held-out data, against two floors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple, final

import numpy as np
import xarray as xr

from scorelens.core.denoiser import Denoiser
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.noise_level import NoiseLevelLaw
from scorelens.core.spectrum import Spectrum
from scorelens.instruments.base import Instrument
from scorelens.instruments.floors import MemorizationFloor, linear_floor, memorization_floor
from scorelens.instruments.labels import PURE, VARIANCE, sigma_coordinate, variable
from scorelens.instruments.probes import HELD_OUT_PROBES, TRAINING_PROBES, Probes
from scorelens.instruments.settings import measured_sigmas, sigma_data
from scorelens.instruments.squared_errors import squared_errors

if TYPE_CHECKING:
    from scorelens.data import Data
    from scorelens.results.config import RunConfig


@final
@dataclass(frozen=True, eq=False)
class DenoisingLoss(Instrument):
    """``E ||D(x_0 + sigma n, sigma) - x_0||^2``, summed over coordinates, at ``sigmas`` (ascending).

    Floors: ``linear_floor`` is the expected loss of the optimal linear denoiser on data of this spectrum
    (6.2), ``linear_held_out_loss`` that denoiser's loss on the held-out probes themselves (same points and
    noise; it was fitted to the training data and pays for it here), ``memorization_floor`` the training loss
    of the empirical-optimal denoiser, which knows every training point by heart: no denoiser has a smaller.

    ``*_edm_loss`` weighs each level by EDM's ``(sigma^2 + sigma_data^2) / (sigma sigma_data)^2`` and averages
    over ``noise`` restricted to the range of ``sigmas`` (trapezoids in ``ln sigma``).
    """

    spectrum: Spectrum
    train: Probes
    held_out: Probes
    sigmas: np.ndarray
    noise: NoiseLevelLaw
    sigma_data: float
    name: ClassVar[str] = "loss"
    title: ClassVar[str] = "Denoising loss at each noise level against its floors"
    reference: ClassVar[str] = "learning dynamics (6.2); karras2022, Table 1"

    @classmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> DenoisingLoss:
        n, seed = config.measurement.n_probes, config.seed
        seen = Probes.choose(train, n, seed, TRAINING_PROBES)
        unseen = Probes.choose(held_out, n, seed, HELD_OUT_PROBES)
        scale = sigma_data(spectrum, config)
        return cls(spectrum, seen, unseen, measured_sigmas(config), config.noise_law(), scale)

    @cached_property
    def edm_weights(self) -> np.ndarray:
        """Weight of each level's loss in the EDM loss, ``(sigma,)``: share of the level x EDM's weight."""
        u, g = np.log(self.sigmas), self.sigma_data**2
        share = self.noise.density(u) * np.gradient(u)
        share[[0, -1]] /= 2.0
        return share / share.sum() * (self.sigmas**2 + g) / (self.sigmas**2 * g)

    @cached_property
    def linear_floor(self) -> np.ndarray:
        """Expected loss ``(sigma,)`` of the optimal linear denoiser, directions without a mode included."""
        return linear_floor(self.spectrum, self.sigmas)

    @cached_property
    def memorization(self) -> MemorizationFloor:
        """The empirical-optimal denoiser's training loss (computed once)."""
        return memorization_floor(self.train, self.sigmas)

    @cached_property
    def _linear_held_out(self) -> _Losses:
        return self._losses(optimal_linear_denoiser(self.spectrum), self.held_out)

    def _measure(self, denoiser: Denoiser) -> xr.Dataset:
        train, held_out = (self._losses(denoiser, probes) for probes in (self.train, self.held_out))
        variables = self._per_sigma(train, held_out) | self._edm(train, held_out)
        attrs = {"n_train": self.train.n_points, "n_held_out": self.held_out.n_points}
        attrs |= {"n_mixture": self.memorization.n_points, "sigma_data": self.sigma_data}
        return xr.Dataset(variables, sigma_coordinate(self.sigmas), attrs)

    def _losses(self, denoiser: Denoiser, probes: Probes) -> _Losses:
        each = squared_errors(denoiser, probes, self.sigmas)
        weighted = self.edm_weights @ each
        return _Losses(*_mean_with_error(each), *_mean_with_error(weighted))

    def _per_sigma(self, train: _Losses, held_out: _Losses) -> dict[str, xr.Variable]:
        def loss(values: np.ndarray, long_name: str, equation: str | None = None) -> xr.Variable:
            return variable(("sigma",), values, long_name, VARIANCE, equation)

        return {
            "train_loss": loss(train.loss, "Denoising loss on training data"),
            "train_standard_error": loss(train.error, "Standard error of the loss on training data"),
            "held_out_loss": loss(held_out.loss, "Denoising loss on held-out data"),
            "held_out_standard_error": loss(held_out.error, "Standard error of the loss on held-out data"),
            "linear_floor": loss(self.linear_floor, "Expected loss of the optimal linear denoiser", "(6.2)"),
            "linear_held_out_loss": loss(
                self._linear_held_out.loss, "Loss of the optimal linear denoiser on the same held-out data"
            ),
            "memorization_floor": loss(
                self.memorization.loss, "Training loss of the denoiser that memorises every training point"
            ),
            "memorization_standard_error": loss(
                self.memorization.standard_error, "Standard error of the memorising denoiser's loss"
            ),
        }

    def _edm(self, train: _Losses, held_out: _Losses) -> dict[str, xr.Variable]:
        def loss(value: float | np.ndarray, long_name: str) -> xr.Variable:
            return variable((), value, long_name, PURE)

        linear = self._linear_held_out
        return {
            "train_edm_loss": loss(train.edm, "EDM loss on training data"),
            "held_out_edm_loss": loss(held_out.edm, "EDM loss on held-out data"),
            "train_edm_standard_error": loss(
                train.edm_error, "Standard error of the EDM loss on training data"
            ),
            "held_out_edm_standard_error": loss(
                held_out.edm_error, "Standard error of the EDM loss on held-out data"
            ),
            "linear_edm_loss": loss(linear.edm, "EDM loss of the optimal linear denoiser on held-out data"),
        }


class _Losses(NamedTuple):
    """Loss per level ``(sigma,)`` and its EDM average, each with its standard error over points."""

    loss: np.ndarray
    error: np.ndarray
    edm: np.ndarray
    edm_error: np.ndarray


def _mean_with_error(each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over points (last axis) and its standard error; an infinite error if there is one point only."""
    n = each.shape[-1]
    error = each.std(axis=-1, ddof=1) / np.sqrt(n) if n > 1 else np.full(each.shape[:-1], np.inf)
    return each.mean(axis=-1), error
