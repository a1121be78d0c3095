"""What a gain law needs of a spectrum: variances of modes, and a linear denoiser with a gain for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser

#: From variances ``(mode,)`` to the gains of these modes, a function of noise levels ``(s,) -> (s, mode)``.
GainOf = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]


class ModeSpectrum(Protocol):
    """A spectrum whose modes can be damped one by one: principal components, or spatial frequencies."""

    @property
    def has_rest(self) -> bool:
        """Whether there are directions outside the modes, which share one residual variance."""
        ...

    def denoiser(self, gain_of: GainOf) -> Denoiser:
        """The linear denoiser around the mean that multiplies each mode by its gain."""
        ...


def optimal_linear_denoiser(spectrum: ModeSpectrum) -> Denoiser:
    """The best linear denoiser (Wiener's) of this spectrum: ``gain = variance / (variance + sigma^2)``.

    Directions outside the spectrum's modes share its residual variance.

    >>> from scorelens.core.spectrum import Spectrum
    >>> spectrum = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 10, 5.0, (2,))
    >>> optimal_linear_denoiser(spectrum).gain(np.array([1.0]))
    array([[0.8, 0.5]])
    """
    return spectrum.denoiser(lambda variance: lambda sigma: variance / (variance + sigma[:, None] ** 2))
