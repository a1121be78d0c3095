"""Preconditioning scalings: what multiplies the input, the network and the skip of a denoiser, per mode.

``D(x) = mean + skip * (x - mean) + output * F(input * (x - mean))``, each scaling a function of the variance
that the preconditioner assumes along a mode. Arithmetic only, so that they take NumPy arrays (theory) and
torch tensors (networks) alike, broadcasting ``variance`` against ``sigma``.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Scalings(NamedTuple):
    """Multipliers of the skip connection, of the network's output and of its input."""

    skip: Any
    output: Any
    input: Any


def matched_scalings(variance: Any, sigma: Any) -> Scalings:
    """Scalings that give input and target unit variance if the data have ``variance`` along the mode.

    A scalar ``variance = sigma_data ** 2`` is EDM's preconditioning (Karras et al. 2022, Table 1; [E1]);
    one variance per mode is spectral preconditioning ([E21]).

    >>> skip, output, input = matched_scalings(0.25, 0.5)
    >>> skip, round(output, 4), round(input, 4)
    (0.5, 0.3536, 1.4142)
    """
    total = variance + sigma**2
    return Scalings(variance / total, sigma * (variance / total) ** 0.5, total**-0.5)


def spectral_skip_scalings(
    variance: Any, sigma: Any, mean_posterior_variance: Any, mean_variance: Any
) -> Scalings:
    """Spectral skip with scalar input and output scalings ([E32]).

    ``mean_posterior_variance`` is the mean over all d directions of ``sigma^2 g / (g + sigma^2)``,
    ``mean_variance`` the mean of ``g``.
    """
    skip = variance / (variance + sigma**2)
    return Scalings(skip, mean_posterior_variance**0.5, (mean_variance + sigma**2) ** -0.5)
