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
