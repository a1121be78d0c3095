"""The variance that a denoiser generates along the data's eigenmodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import xarray as xr

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import stream_seed
from scorelens.core.spectrum import Spectrum
from scorelens.dynamics import generated_variance_on_grid
from scorelens.instruments.alignment import alignment, alignment_ceiling
from scorelens.instruments.base import Instrument
from scorelens.instruments.generation import generated
from scorelens.instruments.labels import LENGTH, PURE, VARIANCE, mode_coordinates, variable

if TYPE_CHECKING:
    from scorelens.data import Data
    from scorelens.results.config import RunConfig


#: Fewest draws for which a regression on the starting noise is better than none.
LEAST_CONTROLLED = 16


@final
@dataclass(frozen=True, eq=False)
class GeneratedVariance(Instrument):
    """Moments, along the data's eigenmodes, of ``n_generated`` samples by Heun's method on ``sigmas``.

    ``sigmas`` (descending, data units) is the sampler's grid: it inflates small modes even of a perfect
    denoiser ([E11]), so compare with a forecast on the same grid. ``generated_variance`` is the sample
    variance, corrected for what the starting noise's own sample variance explains of it (a control variate:
    exact for a linear denoiser, no loss for any other), ``standard_error`` its error for any distribution.
    ``alignment`` is that of the samples' covariance with the data's frame, ``alignment_ceiling`` the value
    that as many samples of a perfect linear denoiser have on average.

    Raises ``ValueError`` for fewer than two samples.
    """

    spectrum: Spectrum
    sigmas: np.ndarray
    n_generated: int = 1024
    seed: int = 0
    name: ClassVar[str] = "generated_variance"
    title: ClassVar[str] = "Variance generated along the data's eigenmodes"
    reference: ClassVar[str] = "wang2025, Sec. 4.3; karras2022, Alg. 1"

    def __post_init__(self) -> None:
        checks.at_least("n_generated", self.n_generated, 2, "one sample has no variance")

    @classmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> GeneratedVariance:
        return cls(spectrum, config.sigmas(), config.measurement.n_generated, config.seed)

    @cached_property
    def _ceiling(self) -> np.ndarray:
        """Alignment of a perfect denoiser's samples (their variance is > 0 even where the data's is 0)."""
        spectrum = self.spectrum
        kept = self._perfect_variance(spectrum.eigenvalues)
        rest = float(self._perfect_variance(np.array([spectrum.residual_variance]))[0])
        seed = stream_seed(self.seed, "alignment ceiling")
        return alignment_ceiling(kept, rest, spectrum.dim - spectrum.n_modes, self.n_generated, seed)

    def _perfect_variance(self, eigenvalues: np.ndarray) -> np.ndarray:
        levels = self.sigmas[:, None] ** 2
        return generated_variance_on_grid(eigenvalues / (eigenvalues + levels), self.sigmas)

    def _measure(self, denoiser: Denoiser) -> xr.Dataset:
        event_shape = self.spectrum.event_shape
        batches = generated(denoiser, self.n_generated, event_shape, self.sigmas, self.seed)
        start, coordinates, image = _moments(batches, self.spectrum)
        variance, error = variance_with_error(coordinates, start)
        mean, _ = controlled_mean(coordinates, start, 0.0)
        return self._labelled(variance, mean, error, alignment(image, self.spectrum.eigenvectors))

    def _labelled(
        self, variance: np.ndarray, mean: np.ndarray, error: np.ndarray, frame: np.ndarray
    ) -> xr.Dataset:
        dims = ("mode",)
        variables = {
            "generated_variance": variable(dims, variance, "Generated variance along the mode", VARIANCE),
            "generated_mean": variable(
                dims, mean, "Generated mean along the mode, minus the data's mean", LENGTH
            ),
            "standard_error": variable(dims, error, "Standard error of the generated variance", VARIANCE),
            "alignment": variable(
                dims, frame, "Alignment of the generated covariance with the data's eigenvector", PURE
            ),
            "alignment_ceiling": variable(
                dims, self._ceiling, "Alignment of as many samples of a perfect linear denoiser", PURE
            ),
        }
        attrs = {"n_generated": self.n_generated, "sampler": "heun", "n_sigmas": len(self.sigmas)}
        return xr.Dataset(variables, mode_coordinates(self.spectrum.eigenvalues), attrs)


def variance_with_error(coordinates: np.ndarray, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of each column of ``coordinates`` ``(n, k)`` and its standard error, ``(k,)`` each.

    ``control`` ``(n, k)``: draws of variance 1 that may explain part of the scatter.

    >>> draws = np.random.default_rng(0).standard_normal((20, 1))
    >>> variance_with_error(3 * draws, draws)[0].round(9)
    array([9.])
    """
    n = len(coordinates)
    squares, expected_one = ((part - part.mean(axis=0)) ** 2 * n / (n - 1) for part in (coordinates, control))
    return controlled_mean(squares, expected_one, 1.0)


def controlled_mean(
    values: np.ndarray, control: np.ndarray, expectation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each column of ``values`` ``(n, k)`` and its standard error, with a control variate.

    What a regression on ``control``, whose ``expectation`` is known, explains of the draws' accidents is
    taken out; with fewer than `LEAST_CONTROLLED` draws there is no regression and this is the plain mean.
    """
    n = len(values)
    slope = _slope(values, control) if n >= LEAST_CONTROLLED else np.zeros(values.shape[1])
    error = (values - slope * control).std(axis=0, ddof=1) / np.sqrt(n)
    return values.mean(axis=0) - slope * (control.mean(axis=0) - expectation), error


def _slope(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    centred = control - control.mean(axis=0)
    return (centred * values).sum(axis=0) / (centred**2).sum(axis=0)


def _moments(
    batches: Iterable[tuple[np.ndarray, np.ndarray]], spectrum: Spectrum
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates ``(n, k)`` of noise and samples, and the samples' covariance times the eigenvectors."""
    start, coordinates, total = [], [], np.zeros(spectrum.dim)
    product = np.zeros((spectrum.dim, spectrum.n_modes))
    for noise, samples in batches:
        start.append(noise.reshape(len(noise), -1).astype(np.float64) @ spectrum.eigenvectors)
        centred = samples.reshape(len(samples), -1).astype(np.float64) - spectrum.mean
        coordinates.append(centred @ spectrum.eigenvectors)
        total += centred.sum(axis=0)
        product += centred.T @ coordinates[-1]
    every = np.concatenate(coordinates)
    image = (product - np.outer(total, every.mean(axis=0))) / (len(every) - 1)
    return np.concatenate(start), every, image
