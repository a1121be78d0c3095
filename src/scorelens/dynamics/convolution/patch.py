"""A local filter, shared by all pixels of a circular image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.convolution.autocovariance import (
    checked_autocovariance,
    fourier_variance,
    power_autocovariance,
)
from scorelens.dynamics.convolution.offsets import cyclic_offsets
from scorelens.dynamics.convolution.patch_modes import PatchModes
from scorelens.dynamics.convolution.patch_spectrum import PatchTrajectory
from scorelens.dynamics.values import Values
from scorelens.dynamics.weights.weight_law import WeightLaw, check_point

if TYPE_CHECKING:
    from scorelens.core.fourier_denoiser import FourierDenoiser

_LARGEST_MATRIX = 4096


@final
class PatchConvolution(WeightLaw):
    """``D(x)_i = sum_k w_k x_{i+k}``, a circular convolution with ``K`` taps, the same start at every noise
    level.

    - ``autocovariance``: averaged covariance of one channel of the (centred) data, ``(N,)`` or ``(N1, N2)``,
      as `autocovariance` or `power_autocovariance` give it. Other channels learn by themselves.
    - ``offsets``: ``(K,)`` or ``(K, 2)`` whole numbers that contain 0, as `square_patch` gives them.
    - ``initial_filter``: ``(K,)``, in the order of the offsets; zero unless given.

    ``fourier_variance``, shape ``grid``, is the spectrum of the data. Parameters are the taps. The loss is
    summed over the ``N`` pixels, which share the taps: learning is ``N`` times faster than that of one layer
    (for a loss averaged over pixels it is not: divide the flow time by ``N``). Everything that is generated
    has a closed form (learning dynamics (10.4), (10.5)), evaluated by Fourier transforms without any
    ``N x N`` matrix; `weight` and `generated_moments` form one and are for small images.

    A patch covariance in float64 has its eigenvalues ``s`` to the rounding of the largest, so generated
    variances are relatively exact to about ``2e-16 max(s) / (min(s) + sigma_min**2)``, or 1e-13 if that is
    more. Eigenvalues below that rounding are taken for 0.

    Raises ``ValueError`` for an autocovariance that is not symmetric or has negative power, a filter larger
    than the image, and offsets without 0 or given twice.

    >>> law = PatchConvolution([2.0, 1.0, 0.0, 1.0], [-1, 0, 1])
    >>> law.limit(1.0).round(4)
    array([0.1429, 0.5714, 0.1429])
    >>> law.generated_variance(1e9, sigma_min=1e-4, sigma_max=1e4).round(4)
    array([4.9186, 1.4142, 0.4066, 1.4142])
    """

    name: ClassVar[str] = "patch-convolution"
    equation: ClassVar[str] = "learning dynamics (10.3), (10.4)"
    reference: ClassVar[str] = "wang2025, Prop. 5.4"

    def __init__(self, autocovariance: Any, offsets: Any, initial_filter: Any = None) -> None:
        shift = checked_autocovariance(autocovariance)
        self.fourier_variance = fourier_variance(shift)
        self._modes = PatchModes(shift, cyclic_offsets(offsets, shift.shape))
        n_taps = len(self._modes.offsets)
        start = np.zeros(n_taps) if initial_filter is None else np.asarray(initial_filter, dtype=float)
        checks.finite("initial_filter", start)
        if start.shape != (n_taps,):
            raise ValueError(f"initial_filter must have shape ({n_taps},), got {start.shape}")
        self._start = start.copy()

    @classmethod
    def of_power(cls, power: Any, offsets: Any, initial_filter: Any = None) -> PatchConvolution:
        """The law of data whose Fourier coefficients have the variances ``power``, ``(N,)`` or ``(N1, N2)``:
        one channel of a `scorelens.core.fourier_spectrum.FourierSpectrum`."""
        return cls(power_autocovariance(power), offsets, initial_filter)

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of the image, and of everything that is generated."""
        return self._modes.grid

    @property
    def dim(self) -> int:
        return int(np.prod(self.grid))

    @property
    def patch_covariance(self) -> np.ndarray:
        """Covariance of what the filter reads, ``(K, K)``, in the order of the offsets."""
        return self._modes.covariance

    def start(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        return self._start.copy()

    def limit(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        along = gain_law.optimal_gain(self._modes.variances, sigma**2)
        return self._modes.vectors @ (along * self._modes.vectors[self._modes.centre])

    def evolve(self, parameters: np.ndarray, sigma: float, flow_time: float) -> np.ndarray:
        check_point(sigma, flow_time)
        vectors, variances = self._modes.vectors, self._modes.variances
        exponent = self.dim * flow_time * (variances + sigma**2)
        optimum = gain_law.optimal_gain(variances, sigma**2) * vectors[self._modes.centre]
        return vectors @ (
            np.exp(-exponent) * (vectors.T @ parameters) - np.expm1(-exponent) * optimum
        )  # (10.3)

    def rate(self, parameters: np.ndarray, sigma: float) -> np.ndarray:
        check_point(sigma)
        # Gradient by a tap of the loss summed over pixels, from the correlation of the filter with the data.
        seen = np.fft.ifftn(self.fourier_variance * self._modes.transfer(parameters)).real
        gradient = (seen - self._modes.autocovariance)[tuple(self._modes.offsets.T)] + sigma**2 * parameters
        return -self.dim * gradient

    def weight(self, parameters: np.ndarray) -> np.ndarray:
        if self.dim > _LARGEST_MATRIX:
            raise ValueError(
                f"no matrix of more than {_LARGEST_MATRIX} pixels is formed, got {self.dim}; "
                "use transfer, generated_variance and denoiser, which need none"
            )
        filter_ = self._modes.image(np.asarray(parameters, dtype=float))
        axes = tuple(range(len(self.grid)))
        return np.stack([np.roll(filter_, pixel, axes).ravel() for pixel in np.ndindex(self.grid)])

    def bias(self, parameters: np.ndarray) -> np.ndarray:
        return np.zeros(self.dim)

    def transfer(self, parameters: np.ndarray) -> np.ndarray:
        """Eigenvalues ``gamma_m`` of the convolution with these taps, complex, shape ``grid`` ((10.1)).

        On the wave ``exp(-2 pi i m x / N)``; `numpy.fft` coefficients are multiplied by the conjugate.
        """
        return self._modes.transfer(np.asarray(parameters, dtype=float))

    def trajectory(
        self, sigma_min: float, sigma_max: float, frequencies: np.ndarray | None = None
    ) -> PatchTrajectory:
        """Generated variance of every frequency as a function of flow time, for many evaluations.

        With ``frequencies (n,)``, indices into the flattened grid, that of these only, shape ``(n,)``.
        """
        pace = float(self.dim)
        return PatchTrajectory(self._modes, self._start, pace, sigma_min, sigma_max, frequencies)

    def log_start_variance(self, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Logarithm of the spectrum generated before training, shape ``grid``."""
        return gain_law.log_variance_of_one_gain(self._modes.cosine_sums(self._start), sigma_min, sigma_max)

    def log_limit_variance(self, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Logarithm of the spectrum generated after infinite training, shape ``grid`` ((10.5)).

        It is that of the data only for a filter as large as the image.
        """
        gain_law.check_sigma_range(sigma_min, sigma_max)
        variances, vectors = self._modes.variances, self._modes.vectors
        contraction = np.log((variances + sigma_max**2) / (variances + sigma_min**2))
        taps = vectors @ (contraction * vectors[self._modes.centre])
        return 2.0 * np.log(sigma_max) - self._modes.cosine_sums(taps)

    def log_generated_variance(self, flow_time: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Logarithm of the generated spectrum at flow times ``(...)``, shape ``(..., *grid)`` ((10.4))."""
        times = gain_law.non_negative("flow_time", flow_time)
        times = times.reshape(*times.shape, *(1,) * len(self.grid))
        growth = self.trajectory(sigma_min, sigma_max).growth(times)
        growth += self.log_start_variance(sigma_min, sigma_max)
        return growth

    def generated_variance(self, flow_time: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Generated spectrum at flow times ``(...)``, shape ``(..., *grid)``: the variance of each Fourier
        coefficient of the stationary process that the probability-flow ODE generates."""
        return np.exp(self.log_generated_variance(flow_time, sigma_min, sigma_max))

    def generated_autocovariance(self, flow_time: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Autocovariance of the generated stationary Gaussian process, shape ``(..., *grid)``."""
        axes = tuple(range(-len(self.grid), 0))
        return np.fft.ifftn(self.generated_variance(flow_time, sigma_min, sigma_max), axes=axes).real

    def log_deviation(
        self, flow_time: Values, sigma_min: float, sigma_max: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sign and logarithm of ``log(generated / limit variance)`` at times ``(...)``: ``(..., *grid)``.

        Accurate relative to the largest of the frequencies at the same time, without underflow.
        """
        return self.trajectory(sigma_min, sigma_max).log_deviation(flow_time)

    def denoiser(
        self, flow_time: float, event_shape: tuple[int, ...] | None = None, mean: np.ndarray | None = None
    ) -> FourierDenoiser:
        """What the filter does after ``flow_time``, around ``mean`` ``(N,)`` (0 unless given), by Fourier
        transforms.

        ``event_shape`` is ``grid`` unless given; an image with one channel is ``(1, N1, N2)``.
        """
        from scorelens.core.fourier_denoiser import FourierDenoiser  # torch stays out of the theory

        checks.non_negative("flow_time", flow_time)
        centre = np.zeros(self.dim) if mean is None else np.asarray(mean, dtype=float)
        return FourierDenoiser(centre, lambda sigma: self._gains(sigma, flow_time), event_shape or self.grid)

    def _gains(self, sigma: np.ndarray, flow_time: float) -> np.ndarray:
        taps = np.stack([self.parameters(float(level), flow_time) for level in sigma])
        return np.conj(self._modes.transfer(taps)).reshape(len(sigma), -1)
