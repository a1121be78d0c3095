"""A circular convolution as wide as the image: every Fourier mode learns by itself, faster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw
from scorelens.dynamics.laws.one_layer import OneLayer
from scorelens.dynamics.laws.rescaled import RescaledLaw


@final
@dataclass(frozen=True, eq=False)
class FullConvolution(RescaledLaw):
    """``D(x)_i = sum_k w_k x_{i+k}`` over all ``n_pixels`` offsets, indices cyclic, on a line or an image.

    Modes are Fourier modes, eigenvalues their variances (a `FourierSpectrum`'s power, or
    `scorelens.dynamics.fourier_variance`), gains the eigenvalues ``gamma_m`` of the convolution. Each learns
    as the gain of ``law`` does in ``n_pixels`` times the flow time: the pixels share the taps, and the loss
    is summed over them (for a loss averaged over pixels the factor is 1; learning dynamics, section 10.2).
    With several channels each has a filter of its own and ``n_pixels`` pixels.

    ``law`` is `OneLayer` with the real part of the initial filter's transform as initial gain, or
    `SymmetricTwoLayer` for two tied layers ``C C^T`` with its squared modulus; a filter that is one pixel has
    the same gain for all modes. An asymmetric filter has complex gains; their real parts are all that
    the variance depends on, and follow this law: `full_filter_spectrum` has both parts.

    Raises ``ValueError`` for a number of pixels below 1 or a law with a unit of its own, ``TypeError`` for a
    fraction.

    >>> FullConvolution(64, OneLayer(0.1)).gain(2.0, 1.0, 1e-3) == OneLayer(0.1).gain(2.0, 1.0, 0.064)
    np.True_
    """

    n_pixels: int
    law: GainLaw = field(default_factory=OneLayer)
    name: ClassVar[str] = "full-convolution"
    equation: ClassVar[str] = "learning dynamics (10.2)"
    reference: ClassVar[str] = "wang2025, Prop. 5.3"

    def __post_init__(self) -> None:
        checks.whole("n_pixels", self.n_pixels, 1)
        if not isinstance(self.law, GainLaw):
            raise TypeError(f"law must be a gain law such as OneLayer, got {self.law!r}")
        if not self.law.scale_free:
            raise ValueError(
                f"the taps of a convolution learn by a law of the plain loss, got {self.law.name}; "
                "give OneLayer or SymmetricTwoLayer"
            )

    @property
    def inner(self) -> GainLaw:
        return self.law

    @property
    def speedup(self) -> float:
        return float(self.n_pixels)


def full_filter_spectrum(
    initial_filter: np.ndarray,
    fourier_variance: np.ndarray,
    sigma: float,
    flow_time: float,
) -> np.ndarray:
    """Eigenvalues ``gamma_m`` of a full-width convolution after ``flow_time``, complex ((10.2)).

    ``initial_filter`` is any real filter, index = offset modulo the image, and ``fourier_variance`` the
    variance of each Fourier mode, both ``(N,)`` or ``(N1, N2)``, as is the result. On the wave
    ``exp(-2 pi i m x / N)``; `numpy.fft` coefficients are multiplied by the conjugate.
    Raises ``ValueError`` if shapes differ, or a variance or the flow time is negative.

    >>> full_filter_spectrum(np.array([0.5, 0.0]), np.array([2.0, 1.0]), 1.0, 0.0)
    array([0.5+0.j, 0.5+0.j])
    """
    taps, power = np.asarray(initial_filter, dtype=float), np.asarray(fourier_variance, dtype=float)
    checks.finite("initial_filter", taps)
    if taps.shape != power.shape or taps.ndim not in (1, 2):
        raise ValueError(
            "initial_filter and fourier_variance must have one shape, (N,) or (N1, N2), "
            f"got {taps.shape} and {power.shape}"
        )
    checks.non_negative("fourier_variance", power)
    checks.positive("sigma", sigma)
    checks.non_negative("flow_time", flow_time)
    exponent = taps.size * flow_time * (sigma**2 + power)
    # The start is gamma(0): the published (10) has gamma(tau) on its right-hand side (erratum 7).
    start, optimum = np.fft.fftn(taps), gain_law.optimal_gain(power, sigma**2)
    return start * np.exp(-exponent) - optimum * np.expm1(-exponent)


def full_filter(
    initial_filter: np.ndarray, fourier_variance: np.ndarray, sigma: float, flow_time: float
) -> np.ndarray:
    """Filter of a full-width convolution after ``flow_time``, index = offset modulo the image ((10.2)).

    Arguments and shapes as in `full_filter_spectrum`; ``fourier_variance`` is the same at ``m`` and ``-m``,
    as that of real data is.

    >>> full_filter(np.array([0.1, 0.0, 0.0]), np.array([3.0, 1.0, 1.0]), 1.0, 1e9).round(4)
    array([0.5833, 0.0833, 0.0833])
    """
    return np.fft.ifftn(full_filter_spectrum(initial_filter, fourier_variance, sigma, flow_time)).real
