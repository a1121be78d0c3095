"""The Fourier spectrum of images: how their variance is spread over spatial frequencies.

It is the diagonal of ``F* Sigma F``, the covariance averaged over all cyclic shifts: what a convolutional
score model with full-width filters sees of the data (learning dynamics (10.1)).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from scorelens.core import array_file, checks
from scorelens.core.blocks import Blocks, check_finite, one_pass
from scorelens.core.feature_moments import FeatureMoments

if TYPE_CHECKING:
    from scorelens.core.fourier_denoiser import FourierDenoiser
    from scorelens.core.mode_spectrum import GainOf

_KIND = "Fourier spectrum"


class RadialSpectrum(NamedTuple):
    """Averages over rings: ``frequency (r,)`` (cycles per pixel), ``power (channels, r)``, ``count (r,)``."""

    frequency: np.ndarray
    power: np.ndarray
    count: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class FourierSpectrum:
    """Variance of each coefficient of the orthonormal 2-D discrete Fourier transform of ``n_samples`` images.

    ``power`` has shape ``(channels, height, width)``, float64, in squared data units, zero frequency first as
    in `numpy.fft`. Its sum is the total variance of the data (Parseval). ``mean`` is the mean image, of the
    same shape; a spectrum stored without it has none, and makes no denoiser.
    Raises ``ValueError`` if ``power`` has another number of axes, shapes disagree, or a value is negative or
    not finite.

    >>> FourierSpectrum(np.ones((1, 2, 2)), 10).radial()
    RadialSpectrum(frequency=array([0. , 0.569...]), power=array([[1., 1.]]), count=array([1, 3]))
    """

    power: np.ndarray = field(repr=False)
    n_samples: int
    mean: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        power = np.ascontiguousarray(self.power, dtype=np.float64)
        if power.ndim != 3:
            raise ValueError(f"power must have shape (channels, height, width), got {power.shape}")
        checks.non_negative("power", power)
        checks.at_least("n_samples", self.n_samples, 2, "one sample has no variance")
        object.__setattr__(self, "power", power)
        if self.mean is not None:
            mean = np.ascontiguousarray(self.mean, dtype=np.float64)
            checks.finite("mean", mean)
            if mean.shape != power.shape:
                raise ValueError(f"mean must have the shape of power, {power.shape}, got {mean.shape}")
            object.__setattr__(self, "mean", mean)

    @property
    def eigenvalues(self) -> np.ndarray:
        """Variances of the modes, ``(channels * height * width,)``: the flattened power, not sorted."""
        return self.power.ravel()

    @property
    def has_rest(self) -> bool:
        """Whether there are directions outside the modes: never."""
        return False

    def denoiser(self, gain_of: GainOf) -> FourierDenoiser:
        """Linear denoiser around the mean with the gains ``gain_of(eigenvalues)`` of the frequencies.

        Events have the shape of ``power``. Raises ``ValueError`` if the spectrum has no mean.

        >>> spectrum = FourierSpectrum(np.ones((1, 1, 2)), 10, mean=np.zeros((1, 1, 2)))
        >>> spectrum.denoiser(lambda power: lambda sigma: power / (power + sigma[:, None] ** 2)).event_shape
        (1, 1, 2)
        """
        # Imported here, because theory on a spectrum needs no torch.
        from scorelens.core.fourier_denoiser import FourierDenoiser

        if self.mean is None:
            raise ValueError("this Fourier spectrum was stored without the mean; make it again from the data")
        return FourierDenoiser(self.mean.ravel(), gain_of(self.eigenvalues), self.power.shape)

    @property
    def frequency(self) -> np.ndarray:
        """Length of the frequency vector of each coefficient, ``(height, width)``, in cycles per pixel."""
        _, height, width = self.power.shape
        return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])

    @property
    def total_variance(self) -> float:
        """Sum of all powers: the trace of the covariance."""
        return float(self.power.sum())

    def radial(self) -> RadialSpectrum:
        """Mean power per ring of the frequency plane.

        A ring is one period per longer side of the image wide. Its frequency is the mean over its
        coefficients; corners beyond the axes are included.
        """
        channels, height, width = self.power.shape
        ring = np.rint(self.frequency * max(height, width)).astype(int).ravel()
        _, ring, count = np.unique(ring, return_inverse=True, return_counts=True)
        frequency = np.bincount(ring, self.frequency.ravel()) / count
        power = [np.bincount(ring, channel.ravel()) / count for channel in self.power.reshape(channels, -1)]
        return RadialSpectrum(frequency, np.array(power), count)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, whole or not at all. Raises ``OSError`` naming the file."""
        arrays = {"power": self.power} if self.mean is None else {"power": self.power, "mean": self.mean}
        array_file.write(path, _KIND, arrays, {"n_samples": int(self.n_samples)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FourierSpectrum:
        """Read what `save` wrote; ``ValueError`` naming the file and the remedy if it is damaged."""
        arrays, facts = array_file.read(path, _KIND)
        try:
            return cls(**arrays, **facts)
        except (TypeError, ValueError) as error:
            raise array_file.damaged(path, _KIND, error) from error


def fourier_spectrum(blocks: Blocks, event_shape: tuple[int, ...]) -> FourierSpectrum:
    """Fourier spectrum, in one pass, of the images that ``blocks()`` yields.

    ``event_shape`` is ``(channels, height, width)`` or ``(height, width)``; blocks are ``(b, *event_shape)``
    of any float or integer dtype. Sums are float64.
    Raises ``ValueError`` for events that are no images, fewer than two samples, or a NaN or infinity.

    >>> images = np.random.default_rng(0).standard_normal((50, 1, 4, 4))
    >>> spectrum = fourier_spectrum(lambda: [images], (1, 4, 4))
    >>> bool(np.isclose(spectrum.total_variance, images.var(axis=0).sum()))
    True
    """
    if len(event_shape) not in (2, 3):
        raise ValueError(
            f"images have shape (channels, height, width) or (height, width), got {tuple(event_shape)}"
        )
    shape = (1,) * (3 - len(event_shape)) + tuple(event_shape)
    moments, origin = FeatureMoments(), np.zeros(0)
    for chunk in one_pass(blocks, tuple(event_shape)):
        check_finite(chunk, moments.n_samples)
        origin = chunk[0].astype(np.float64) if moments.n_samples == 0 else origin
        # Relative to the first image: a mean far larger than the spread then costs no accuracy.
        images = (chunk - origin).reshape(-1, *shape)
        moments.update(np.fft.fft2(images, norm="ortho").reshape(len(images), -1))
    checks.at_least("the number of samples", moments.n_samples, 2, "one sample has no variance")
    mean = origin.reshape(shape) + np.fft.ifft2(moments.mean.reshape(shape), norm="ortho").real
    return FourierSpectrum(moments.variance.reshape(shape), moments.n_samples, mean)
