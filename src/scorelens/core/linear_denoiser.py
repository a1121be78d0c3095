"""The linear denoiser: one gain per eigenmode and noise level. The theory's Denoisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import per_sample

Gain = Callable[[np.ndarray], np.ndarray]


@final
class LinearDenoiser(torch.nn.Module):
    """``D(x) = mean + U diag(gain(sigma)) U^T (x - mean) + rest_gain(sigma) (I - U U^T) (x - mean)``.

    ``mean`` has shape ``(d,)``, ``eigenvectors`` ``U`` shape ``(d, k)`` with orthonormal columns and
    ``d = prod(event_shape)``. ``gain`` maps noise levels ``(s,)`` to gains ``(s, k)`` and ``rest_gain`` to
    ``(s,)``, both in float64; without ``rest_gain`` the directions outside the modes are set to the mean.
    The result has the dtype of ``x`` and is differentiable in ``x`` (not in ``sigma``).

    >>> def gain(sigma):
    ...     return np.stack([1 / (1 + sigma**2), 3 / (3 + sigma**2)], axis=1)
    >>> denoiser = LinearDenoiser(np.zeros(2), np.eye(2), gain, (2,))
    >>> denoiser(torch.ones(3, 2), 1.0)[0]
    tensor([0.5000, 0.7500])
    """

    mean: Tensor
    eigenvectors: Tensor

    def __init__(
        self,
        mean: np.ndarray,
        eigenvectors: np.ndarray,
        gain: Gain,
        event_shape: tuple[int, ...],
        rest_gain: Gain | None = None,
    ) -> None:
        super().__init__()
        _check_shapes(np.shape(mean), np.shape(eigenvectors), tuple(event_shape))
        self.register_buffer("mean", torch.as_tensor(np.array(mean, dtype=float)))
        self.register_buffer("eigenvectors", torch.as_tensor(np.array(eigenvectors, dtype=float)))
        self.event_shape = tuple(event_shape)
        self._gain = gain
        self._rest_gain = rest_gain

    def gain(self, sigma: np.ndarray) -> np.ndarray:
        """Gains of the modes, shape ``(s, k)``, at noise levels ``sigma > 0`` of shape ``(s,)``."""
        checks.positive("sigma", sigma, "a denoiser is defined at positive noise only")
        n_modes = self.eigenvectors.shape[1]
        gains = np.asarray(self._gain(np.asarray(sigma, dtype=float)), dtype=float)
        if gains.shape != (len(sigma), n_modes):
            raise ValueError(f"gain must return shape {(len(sigma), n_modes)}, got {gains.shape}")
        return gains

    def rest_gain(self, sigma: np.ndarray) -> np.ndarray:
        """Gain outside the modes, shape ``(s,)``, at noise levels ``sigma`` of shape ``(s,)``."""
        levels = np.asarray(sigma, dtype=float)
        return np.zeros(levels.shape) if self._rest_gain is None else self._rest_gain(levels)

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Denoised ``x``, same shape ``(batch, *event_shape)``. Raises ``ValueError`` for any other shape."""
        checks.events("x", x.shape, self.event_shape)
        per_sample(sigma, x)  # refuse a wrong shape
        levels = torch.as_tensor(sigma, dtype=torch.float64).detach().cpu().reshape(-1).numpy()
        rest = torch.as_tensor(self.rest_gain(levels), dtype=x.dtype, device=x.device)[:, None]
        gain = torch.as_tensor(self.gain(levels), dtype=x.dtype, device=x.device)
        mean, basis = self.mean.to(x.dtype), self.eigenvectors.to(x.dtype)
        centred = x.flatten(1) - mean
        modes = ((gain - rest) * (centred @ basis)) @ basis.T
        return (mean + modes + rest * centred).reshape(x.shape)


def _check_shapes(mean: tuple[int, ...], eigenvectors: tuple[int, ...], event_shape: tuple[int, ...]) -> None:
    dim = int(np.prod(event_shape))
    if mean != (dim,):
        raise ValueError(f"mean must have shape ({dim},) for events of shape {event_shape}, got {mean}")
    if len(eigenvectors) != 2 or eigenvectors[0] != dim or eigenvectors[1] > dim:
        raise ValueError(f"eigenvectors must have shape ({dim}, k) with k <= {dim}, got {eigenvectors}")
