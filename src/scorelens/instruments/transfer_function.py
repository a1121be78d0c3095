"""What a denoiser does to each eigenmode at each noise level: no sampling, one forward pass per level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import torch
import xarray as xr
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import device_of
from scorelens.core.spectrum import Spectrum
from scorelens.dynamics import generated_variance_on_grid
from scorelens.instruments.base import Instrument
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, sigma_coordinate, variable
from scorelens.instruments.probes import TRAINING_PROBES, Probes
from scorelens.instruments.settings import measured_sigmas

if TYPE_CHECKING:
    from scorelens.data import Data
    from scorelens.results.config import RunConfig


@final
@dataclass(frozen=True, eq=False)
class TransferFunction(Instrument):
    """``T_k(sigma)``: least-squares slope of the denoiser's output on its input, both along mode ``k``.

    Measured on the noisy ``probes`` at ``sigmas`` (ascending, data units). ``optimal_transfer`` is Wiener's
    ``lambda / (lambda + sigma^2)``. ``implied_variance`` is the variance that Heun's method on ``grid``
    (descending, within the range of ``sigmas``) makes of ``T_k`` if modes do not mix ([E11]); between the
    measured levels ``T_k`` is a monotone cubic (PCHIP) in ``ln sigma``, which cannot overshoot and, with 24
    levels from 0.002 to 80, costs less than 1% of the variance.
    """

    spectrum: Spectrum
    probes: Probes
    sigmas: np.ndarray
    grid: np.ndarray
    name: ClassVar[str] = "transfer_function"
    title: ClassVar[str] = "Transfer function of each eigenmode"
    reference: ClassVar[str] = "preconditioned law, section 8; karras2022, Alg. 1"

    @classmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> TransferFunction:
        probes = Probes.choose(train, config.measurement.n_probes, config.seed, TRAINING_PROBES)
        return cls(spectrum, probes, measured_sigmas(config), config.sigmas())

    @cached_property
    def _frame(self) -> tuple[Tensor, Tensor]:
        """The data's mean ``(d,)`` and eigenvectors ``(d, k)`` in float32."""
        return (
            torch.as_tensor(self.spectrum.mean, dtype=torch.float32),
            torch.as_tensor(self.spectrum.eigenvectors, dtype=torch.float32),
        )

    def _measure(self, denoiser: Denoiser) -> xr.Dataset:
        slopes = [self._slope(denoiser, level) for level in range(len(self.sigmas))]
        transfer, error = (np.stack(part) for part in zip(*slopes, strict=True))
        return self._labelled(transfer, error)

    def _slope(self, denoiser: Denoiser, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Slope and its standard error at one noise level, ``(k,)`` each."""
        sigma, device = float(self.sigmas[level]), device_of(denoiser)
        mean, modes = (tensor.to(device) for tensor in self._frame)
        sums = np.zeros((5, self.spectrum.n_modes))
        for _, x, output in self.probes.answers(denoiser, level, sigma):
            given, made = ((v.flatten(1).to(device) - mean) @ modes for v in (x, output))
            sums += _sums(given.double(), made.double()).cpu().numpy()
        return _regression(sums, len(self.probes))

    def _implied(self, transfer: np.ndarray) -> np.ndarray:
        at_grid = PchipInterpolator(np.log(self.sigmas), transfer)(np.log(self.grid))
        return generated_variance_on_grid(at_grid, self.grid)

    def _labelled(self, transfer: np.ndarray, error: np.ndarray) -> xr.Dataset:
        eigenvalues, plane = self.spectrum.eigenvalues, ("sigma", "mode")
        optimal = eigenvalues / (eigenvalues + self.sigmas[:, None] ** 2)
        variables = {
            "transfer": variable(plane, transfer, "Slope of the output on the input along the mode", PURE),
            "standard_error": variable(plane, error, "Standard error of the transfer function", PURE),
            "optimal_transfer": variable(
                plane, optimal, "Transfer function of the optimal linear denoiser", PURE, "[E3]"
            ),
            "implied_variance": variable(
                ("mode",),
                self._implied(transfer),
                "Variance implied by the transfer function",
                VARIANCE,
                "[E11]",
            ),
        }
        coordinates = mode_coordinates(eigenvalues) | sigma_coordinate(self.sigmas)
        attrs = {"n_probes": len(self.probes), "sampler": "heun", "n_sigmas": len(self.grid)}
        return xr.Dataset(variables, coordinates, attrs)


def _sums(given: Tensor, made: Tensor) -> Tensor:
    """Sums over the batch that a regression needs, ``(5, k)``."""
    columns = (given, made, given**2, given * made, made**2)
    return torch.stack([column.sum(dim=0) for column in columns])


def _regression(sums: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Slope with intercept, and its standard error, from `_sums` over ``n`` pairs."""
    x, y, xx, xy, yy = sums
    sxx, sxy, syy = xx - x * x / n, xy - x * y / n, yy - y * y / n
    slope = sxy / sxx
    residual = np.maximum(syy - slope * sxy, 0.0) / max(n - 2, 1)
    return slope, np.sqrt(residual / sxx)
