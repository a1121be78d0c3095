"""Preconditioners: what stands between a bare network ``F`` and a denoiser ``D``.

``D(x) = mean + C_skip (x - mean) + C_out F(C_in (x - mean); sigma)``, the three maps functions of an assumed
data covariance ``G``. Modules with buffers only: nothing here is trained.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self, final

import torch
from torch import Tensor, nn

from scorelens.core.preconditioning import Scalings, matched_scalings, spectral_skip_scalings
from scorelens.networks.assumed_covariance import AssumedCovariance

Network = Callable[[Tensor, Tensor], Tensor]
"""``network(y, sigma)``: ``y`` of shape ``(batch, *event)``, ``sigma`` of shape ``(batch,)`` or ``(1,)``."""


class Preconditioner(nn.Module, ABC):
    """Skip, input and output maps per sigma; its buffers are the arguments of its constructor."""

    name: ClassVar[str]
    equation: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_covariance(cls, covariance: AssumedCovariance, dtype: torch.dtype = torch.float32) -> Self:
        """Build it for data of the assumed covariance, buffers in ``dtype``."""

    @property
    @abstractmethod
    def mean_variance(self) -> float:
        """Assumed variance per coordinate, ``trace(G) / d``."""

    @abstractmethod
    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """``D(x)`` for ``x`` of shape ``(batch, *event)`` and ``sigma`` of shape ``(batch,)`` or ``(1,)``."""

    @abstractmethod
    def whiten(self, residual: Tensor, sigma: Tensor) -> Tensor:
        """``C_out^-1 residual``, ``(batch, *event)``: from data space to the network's output."""

    @abstractmethod
    def scalings(self, sigma: Tensor) -> Scalings:
        """Multipliers along the modes, each ``(s, k)`` or ``(s, 1)`` where all modes are alike."""

    @abstractmethod
    def rest_scalings(self, sigma: Tensor) -> Scalings:
        """Multipliers, each ``(s, 1)``, in the directions outside the modes."""


@final
class EDM(Preconditioner):
    """Scalars: every mode is assumed to have ``variance`` (sigma_data squared).

    ``mean``: ``(d,)`` (zeros: plain EDM); ``variance``: scalar > 0.

    >>> edm = EDM(torch.zeros(2), torch.tensor(0.25))
    >>> edm.denoise(lambda y, sigma: 0 * y, torch.ones(1, 2), torch.tensor([0.5]))
    tensor([[0.5000, 0.5000]])
    """

    name: ClassVar[str] = "edm"
    equation: ClassVar[str] = "E1"
    mean: Tensor
    variance: Tensor

    def __init__(self, mean: Tensor, variance: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("variance", variance)

    @classmethod
    def from_covariance(cls, covariance: AssumedCovariance, dtype: torch.dtype = torch.float32) -> Self:
        return cls(_buffer(covariance.mean, dtype), _buffer(covariance.mean_variance, dtype))

    @property
    def mean_variance(self) -> float:
        return float(self.variance)

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        skip, output, input = self.scalings(sigma)
        centred = x.flatten(1) - self.mean
        raw = network((input * centred).view_as(x), sigma).flatten(1)
        return torch.addcmul(torch.addcmul(self.mean, skip, centred), output, raw).view_as(x)

    def whiten(self, residual: Tensor, sigma: Tensor) -> Tensor:
        return (residual.flatten(1) / self.scalings(sigma).output).view_as(residual)

    def scalings(self, sigma: Tensor) -> Scalings:
        return matched_scalings(self.variance, sigma.unsqueeze(-1))  # [E1]

    def rest_scalings(self, sigma: Tensor) -> Scalings:
        return self.scalings(sigma)


class _Operator(Preconditioner):
    """Functions of ``G = U diag(variances) U^T + rest (I - U U^T)``, never a d x d product of them."""

    mean: Tensor
    eigenvectors: Tensor
    variances: Tensor
    rest: Tensor

    def __init__(self, mean: Tensor, eigenvectors: Tensor, variances: Tensor, rest: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("eigenvectors", eigenvectors)
        self.register_buffer("variances", variances)
        self.register_buffer("rest", rest)

    @classmethod
    def from_covariance(cls, covariance: AssumedCovariance, dtype: torch.dtype = torch.float32) -> Self:
        parts = (covariance.mean, covariance.eigenvectors, covariance.variances, covariance.rest)
        return cls(*(_buffer(part, dtype) for part in parts))

    @property
    def mean_variance(self) -> float:
        return float(self._mean_over_directions(self.variances, self.rest))

    @property
    def _complete(self) -> bool:
        return self.eigenvectors.shape[0] == self.eigenvectors.shape[1]

    def _mean_over_directions(self, modes: Tensor, rest: Tensor) -> Tensor:
        """Mean over all d directions, last axis kept with length one."""
        dim, n_modes = self.eigenvectors.shape
        return (modes.sum(-1, keepdim=True) + (dim - n_modes) * rest) / dim

    def _along(self, flat: Tensor) -> Tensor:
        """Coordinates along the modes, ``(batch, k)``."""
        return flat @ self.eigenvectors

    def _assemble(self, modes: Tensor, outside: Tensor, outside_along: Tensor) -> Tensor:
        """The vector with coordinates ``modes`` along U and equal to ``outside`` elsewhere ([E27])."""
        if self._complete:
            return modes @ self.eigenvectors.T
        return torch.addmm(outside, modes - outside_along, self.eigenvectors.T)

    def _apply_function(self, modes: Tensor, rest: Tensor, flat: Tensor, along: Tensor) -> Tensor:
        """``f(G) flat`` from ``f`` of the variances and of the rest; ``along`` = ``U^T flat`` ([E27])."""
        return self._assemble(modes * along, rest * flat, rest * along)


@final
class Spectral(_Operator):
    """Operators: the network's input and target have unit variance along every mode ([E21], [E22])."""

    name: ClassVar[str] = "spectral"
    equation: ClassVar[str] = "E21"

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        modes, rest = self.scalings(sigma), self.rest_scalings(sigma)
        centred = x.flatten(1) - self.mean
        along = self._along(centred)
        whitened = self._apply_function(modes.input, rest.input, centred, along)
        raw = network(whitened.view_as(x), sigma).flatten(1)
        raw_along = self._along(raw)
        denoised = self._assemble(
            modes.skip * along + modes.output * raw_along,
            rest.skip * centred + rest.output * raw,
            rest.skip * along + rest.output * raw_along,
        )
        return (self.mean + denoised).view_as(x)

    def whiten(self, residual: Tensor, sigma: Tensor) -> Tensor:
        flat = residual.flatten(1)
        modes, rest = self.scalings(sigma).output, self.rest_scalings(sigma).output
        return self._apply_function(1 / modes, 1 / rest, flat, self._along(flat)).view_as(residual)

    def scalings(self, sigma: Tensor) -> Scalings:
        return matched_scalings(self.variances, sigma.unsqueeze(-1))  # [E21]

    def rest_scalings(self, sigma: Tensor) -> Scalings:
        return matched_scalings(self.rest, sigma.unsqueeze(-1))  # [E27]


@final
class SpectralSkip(_Operator):
    """Operator in the skip only; the network sees the ordinary noisy event, scaled ([E32])."""

    name: ClassVar[str] = "spectral-skip"
    equation: ClassVar[str] = "E32"

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        modes, rest = self.scalings(sigma), self.rest_scalings(sigma)
        centred = x.flatten(1) - self.mean
        raw = network((modes.input * centred).view_as(x), sigma).flatten(1)
        linear = self._apply_function(modes.skip, rest.skip, centred, self._along(centred))
        return torch.addcmul(self.mean + linear, modes.output, raw).view_as(x)

    def whiten(self, residual: Tensor, sigma: Tensor) -> Tensor:
        return (residual.flatten(1) / self.rest_scalings(sigma).output).view_as(residual)

    def scalings(self, sigma: Tensor) -> Scalings:
        return self._scalings(self.variances, sigma)

    def rest_scalings(self, sigma: Tensor) -> Scalings:
        return self._scalings(self.rest, sigma)

    def _scalings(self, variance: Tensor, sigma: Tensor) -> Scalings:
        level = sigma.unsqueeze(-1)
        posterior = self._mean_over_directions(
            matched_scalings(self.variances, level).output ** 2,
            matched_scalings(self.rest, level).output ** 2,
        )
        mean_variance = self._mean_over_directions(self.variances, self.rest)
        return spectral_skip_scalings(variance, level, posterior, mean_variance)  # [E32]


ALL: tuple[type[Preconditioner], ...] = (EDM, Spectral, SpectralSkip)


def _buffer(values: object, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64).to(dtype).clone(memory_format=torch.contiguous_format)
