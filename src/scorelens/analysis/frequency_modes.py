"""Spatial frequencies as modes: the coefficients of the Fourier spectrum, by descending power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.core.fourier_spectrum import FourierSpectrum
from scorelens.instruments.labels import PURE, VARIANCE, variable


@final
@dataclass(frozen=True, eq=False)
class FrequencyModes:
    """The ``n_modes`` strongest coefficients of ``spectrum``, one mode each, by descending power.

    ``index (mode,)`` are their places in the flattened ``power``.

    >>> modes = FrequencyModes.of(FourierSpectrum(np.array([[[1.0, 2.0], [3.0, 4.0]]]), 9), 3)
    >>> modes.power, modes.frequency.round(3)
    (array([4., 3., 2.]), array([0.707, 0.5  , 0.5  ]))
    """

    spectrum: FourierSpectrum
    index: np.ndarray

    @classmethod
    def of(cls, spectrum: FourierSpectrum, n_modes: int | None = None) -> FrequencyModes:
        """The strongest ``n_modes`` frequencies of all channels; all of them by default."""
        return cls(spectrum, np.argsort(-spectrum.power.ravel(), kind="stable")[:n_modes])

    @property
    def power(self) -> np.ndarray:
        """Variance of each coefficient, ``(mode,)``."""
        return self.spectrum.power.ravel()[self.index]

    @property
    def frequency(self) -> np.ndarray:
        """Length of the frequency vector of each mode, in cycles per pixel, ``(mode,)``."""
        return np.broadcast_to(self.spectrum.frequency, self.spectrum.power.shape).ravel()[self.index]

    @property
    def place(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Channel, row and column of each mode in ``power``."""
        channel, row, column = np.unravel_index(self.index, self.spectrum.power.shape)
        return channel, row, column

    @property
    def counted(self) -> np.ndarray:
        """Mask of one mode of each conjugate pair: the two are one pattern of real images, shifted."""
        channel, row, column = self.place
        _, height, width = self.spectrum.power.shape
        twin = np.ravel_multi_index((channel, -row % height, -column % width), self.spectrum.power.shape)
        return self.index <= twin

    def coordinates(self) -> dict[str, xr.Variable]:
        """``mode``, ``eigenvalue`` (the power), ``spatial_frequency`` and ``image_channel``, labelled."""
        rank = np.arange(len(self.index))
        return {
            "mode": variable(("mode",), rank, "Spatial frequency, largest power first", PURE),
            "eigenvalue": variable(("mode",), self.power, "Power of the data at the frequency", VARIANCE),
            "spatial_frequency": variable(
                ("mode",), self.frequency, "Length of the frequency vector", "cycles per pixel"
            ),
            "image_channel": variable(("mode",), self.place[0], "Channel of the images", PURE),
        }
