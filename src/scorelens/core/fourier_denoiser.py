"""The linear denoiser of a circular convolution: one gain per spatial frequency and noise level."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import per_sample
from scorelens.core.linear_denoiser import Gain


@final
class FourierDenoiser(torch.nn.Module):
    """``D(x) = mean + F^-1 diag(gain(sigma)) F (x - mean)`` with the discrete Fourier transform ``F``.

    ``event_shape`` is ``(n,)``, ``(height, width)`` or ``(channels, height, width)``: the transform runs over
    the last axis of the first and over the last two of the others, every channel on its own. ``mean`` has
    shape ``(d,)`` with ``d = prod(event_shape)``. ``gain`` maps noise levels ``(s,)`` in float64 to real or
    complex gains ``(s, d)``, which multiply the coefficients of `numpy.fft` in row-major order, zero
    frequency first. The real part is returned: a real filter's gains at ``m`` and ``-m`` are conjugate.
    The result has the dtype of ``x`` and is differentiable in ``x`` (not in ``sigma``).

    Raises ``ValueError`` for a mean of another shape, events of more than three axes, gains or ``x`` of
    another shape, and noise levels that are not positive.

    >>> def gain(sigma):
    ...     return np.array([[1.0, 0.0, 0.0, 0.0]]).repeat(len(sigma), axis=0)
    >>> FourierDenoiser(np.zeros(4), gain, (4,))(torch.tensor([[0.0, 2.0, 4.0, 6.0]]), 1.0)
    tensor([[3., 3., 3., 3.]])
    """

    mean: Tensor

    def __init__(self, mean: np.ndarray, gain: Gain, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        shape = tuple(int(n) for n in event_shape)
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"event_shape must be (n,), (h, w) or (channels, h, w), got {shape}")
        if np.shape(mean) != (int(np.prod(shape)),):
            raise ValueError(f"mean must have shape ({np.prod(shape)},) for {shape}, got {np.shape(mean)}")
        self.register_buffer("mean", torch.as_tensor(np.array(mean, dtype=float)))
        self.event_shape = shape
        self._axes = (-1,) if len(shape) == 1 else (-2, -1)
        self._gain = gain

    def gain(self, sigma: np.ndarray) -> np.ndarray:
        """Gains of the frequencies, shape ``(s, d)``, at noise levels ``sigma > 0`` of shape ``(s,)``."""
        checks.positive("sigma", sigma, "a denoiser is defined at positive noise only")
        gains, expected = np.asarray(self._gain(np.asarray(sigma, dtype=float))), (len(sigma), len(self.mean))
        if gains.shape != expected:
            raise ValueError(f"gain must return shape {expected}, got {gains.shape}")
        return gains

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Denoised ``x``, same shape ``(batch, *event_shape)``. Raises ``ValueError`` for any other shape."""
        checks.events("x", x.shape, self.event_shape)
        per_sample(sigma, x)  # refuse a wrong shape
        levels = torch.as_tensor(sigma, dtype=torch.float64).detach().cpu().reshape(-1).numpy()
        gains = self.gain(levels).reshape(-1, *self.event_shape)
        dtype = x.dtype.to_complex() if np.iscomplexobj(gains) else x.dtype
        gain = torch.as_tensor(gains, device=x.device).to(dtype)
        mean = self.mean.to(x.dtype).reshape(self.event_shape)
        waves = torch.fft.fftn(x - mean, dim=self._axes)
        return mean + torch.fft.ifftn(gain * waves, dim=self._axes).real
