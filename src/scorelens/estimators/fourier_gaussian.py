"""The Wiener filter of stationary Gaussian events: one gain per spatial frequency, by FFT."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core.blocks import row_blocks
from scorelens.core.fourier_spectrum import fourier_spectrum
from scorelens.estimators.base import Estimator, samples
from scorelens.estimators.gaussian_law import GaussianLaw, events, tensor


@final
class FourierGaussianDenoiser(GaussianLaw):
    """Wiener filter of ``C = F* diag(power) F`` with the orthonormal discrete Fourier transform ``F``.

    Events are ``(n,)``, ``(height, width)`` or ``(channels, height, width)``; every channel on its own.
    ``mean`` and ``power`` (>= 0, squared data units, zero frequency first as in `numpy.fft`) are ``(d,)``.

    >>> power = torch.tensor([1.0, 0.0, 0.0, 0.0])
    >>> FourierGaussianDenoiser((4,), torch.zeros(4), power)(torch.tensor([[0.0, 2.0, 4.0, 6.0]]), 1.0)
    tensor([[1.5000, 1.5000, 1.5000, 1.5000]])
    """

    name: ClassVar[str] = "gaussian-fourier"
    power: Tensor

    def __init__(self, event_shape: tuple[int, ...], mean: Tensor, power: Tensor) -> None:
        self._image = image_shape(event_shape)
        expected = (math.prod(event_shape),)
        if mean.shape != expected or power.shape != expected:
            found = f"got {tuple(mean.shape)} and {tuple(power.shape)}"
            raise ValueError(f"mean and power of events {self._image} must have shape {expected}, {found}")
        super().__init__(event_shape, {"mean": mean, "power": power})

    def smoothed(self, centred: Tensor, sigma: Tensor) -> Tensor:
        return self._filtered(centred, self.power / (self.power + sigma[:, None] ** 2))

    def divided(self, centred: Tensor, sigma: Tensor) -> Tensor:
        return self._filtered(centred, 1 / (self.power + sigma[:, None] ** 2))

    def deviance(self, centred: Tensor, sigma: Tensor) -> Tensor:
        variance = self.power + sigma[:, None] ** 2
        energy = self._waves(centred).abs().square().flatten(1)
        return (energy / variance + variance.log()).sum(1)

    def _filtered(self, centred: Tensor, gain: Tensor) -> Tensor:
        waves = self._waves(centred) * gain.reshape(-1, *self._image)
        return torch.fft.ifft2(waves, norm="ortho").real.flatten(1)

    def _waves(self, centred: Tensor) -> Tensor:
        return torch.fft.fft2(centred.reshape(-1, *self._image), norm="ortho")


@final
@dataclass(frozen=True)
class FourierGaussian(Estimator):
    """Gaussian of the data's mean and of their covariance averaged over cyclic shifts, per channel.

    The best denoiser that is a cyclic convolution around the mean. Raises ``ValueError`` for fewer than two
    events and for events of more than three axes.

    >>> FourierGaussian().fit(np.array([[1.0, 1.0], [-1.0, -1.0]]))(torch.ones(1, 2), 1.0)
    tensor([[0.6667, 0.6667]])
    """

    name: ClassVar[str] = "gaussian-fourier"
    reference: ClassVar[str] = "wiener1949; learning dynamics (10.1)"
    equation: ClassVar[str] = "D = mean + F* diag(P / (P + sigma^2)) F (x - mean)"
    fitted: ClassVar[type[FourierGaussianDenoiser]] = FourierGaussianDenoiser

    def fit(self, x: np.ndarray | Tensor) -> FourierGaussianDenoiser:
        data, shape = samples(x, least=2)
        images = events(data, image_shape(shape))
        spectrum = fourier_spectrum(lambda: row_blocks(images), images.shape[1:])
        mean = data.mean(0, dtype=torch.float64)
        return FourierGaussianDenoiser(shape, mean, tensor(spectrum.power.ravel()))


def image_shape(event_shape: tuple[int, ...]) -> tuple[int, ...]:
    """``(channels, height, width)`` of an event; ``ValueError`` for more than three axes.

    >>> image_shape((5,))
    (1, 1, 5)
    """
    if not 1 <= len(event_shape) <= 3:
        raise ValueError(
            f"events must be (n,), (height, width) or (channels, height, width), got {tuple(event_shape)}; "
            "reshape them"
        )
    return (1,) * (3 - len(event_shape)) + tuple(int(n) for n in event_shape)
