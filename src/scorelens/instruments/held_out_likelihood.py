"""Bits per dimension of held-out events under the law that a denoiser generates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
import xarray as xr

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import generator, normal_batches
from scorelens.instruments.labels import LENGTH, variable
from scorelens.instruments.probes import HELD_OUT_PROBES, Probes
from scorelens.sampling.likelihood import CONVERGED, log_likelihood

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data

#: The divergence is exact up to so many dimensions, else from so many random probes.
EXACT_DIM, PROBES = 64, 8
#: The prior lies at so many standard deviations of the data.
FAR: Final = 80.0
BITS = "bits per dimension"


def held_out_likelihood(
    denoiser: Denoiser,
    held_out: Data,
    spectrum: Spectrum,
    sigma: float,
    n_events: int,
    *,
    n_levels: int = 65,
    seed: int = 0,
) -> xr.Dataset:
    """Code lengths of ``n_events`` held-out events with noise ``sigma`` added, dim ``event``.

    ``bits`` (per dimension, of the density in data units) under the law of ``denoiser`` at ``sigma``, by the
    probability-flow ODE; ``bits_standard_error`` of the trace, ``bits_numeric_error`` of the steps and
    ``converged``. ``gaussian_bits`` are those of the Gaussian with the moments of ``spectrum`` and the noise:
    on average, no law codes noisy data shorter than their own does.

    >>> from scorelens.core.mode_spectrum import optimal_linear_denoiser
    >>> from scorelens.core.spectrum_fit import fit_spectrum
    >>> from scorelens.data import load
    >>> data = load("gaussian:dim=2,n=100")
    >>> spectrum = fit_spectrum(data.blocks, (2,))
    >>> found = held_out_likelihood(optimal_linear_denoiser(spectrum), data, spectrum, 0.5, 3)
    >>> bool(abs(found.bits - found.gaussian_bits).max() < 0.01)
    True
    """
    chosen = Probes.choose(held_out, n_events, seed, HELD_OUT_PROBES)
    clean = torch.from_numpy(held_out[chosen.indices])
    noise = torch.cat(list(normal_batches(len(clean), held_out.event_shape, generator(seed, "likelihood"))))
    noisy = clean + sigma * noise
    variance = spectrum.total_variance / spectrum.dim
    far = FAR * max(math.sqrt(variance), sigma)
    found = log_likelihood(
        denoiser,
        noisy,
        sigma,
        far,
        n_levels=n_levels,
        data_mean=spectrum.mean.reshape(held_out.event_shape),
        data_variance=variance,
        n_probes=0 if held_out.dim <= EXACT_DIM else PROBES,
        seed=seed,
    )
    per_nat = 1 / (held_out.dim * math.log(2))
    return xr.Dataset(
        {
            "bits": variable(("event",), found.bits_per_dim().numpy(), "Code length by the model", BITS),
            "bits_standard_error": variable(
                ("event",), per_nat * found.standard_error.numpy(), "Error of the trace", BITS
            ),
            "bits_numeric_error": variable(
                ("event",), per_nat * found.numeric_error.numpy(), "Change when all steps are halved", BITS
            ),
            "converged": variable(("event",), [one == CONVERGED for one in found.status], "Converged", "1"),
            "gaussian_bits": variable(
                ("event",), gaussian_bits(noisy.numpy(), spectrum, sigma), "Code length by a Gaussian", BITS
            ),
            "sigma": variable((), sigma, "Noise level (standard deviation)", LENGTH),
        },
        attrs={"n_levels": found.n_levels, "sigma_max": far, "dim": held_out.dim},
    )


def gaussian_bits(noisy: np.ndarray, spectrum: Spectrum, sigma: float) -> np.ndarray:
    """Bits per dimension ``(n,)`` of ``noisy (n, *event)`` under the Gaussian of ``spectrum`` with noise.

    >>> from scorelens.core.spectrum import Spectrum
    >>> one = Spectrum(np.zeros(2), np.array([1.0, 1.0]), np.eye(2), 9, 2.0, (2,))
    >>> gaussian_bits(np.zeros((1, 2)), one, 1.0).round(4)  # log2(2 pi 2) / 2
    array([1.8257])
    """
    apart = noisy.reshape(len(noisy), -1).astype(float) - spectrum.mean.reshape(-1)
    along = apart @ spectrum.eigenvectors
    variance = spectrum.eigenvalues + sigma**2
    rest = spectrum.residual_variance + sigma**2
    others = spectrum.dim - spectrum.n_modes
    left = np.maximum((apart**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
    log_volume = np.log(variance).sum() + others * np.log(rest) + spectrum.dim * math.log(2 * math.pi)
    squares = (along**2 / variance).sum(axis=1) + (left / rest if others else 0.0)
    return (squares + log_volume) / (2 * spectrum.dim * math.log(2))
