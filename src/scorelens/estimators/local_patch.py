"""Denoisers that see a patch: the best shared linear filter, and the exact score machine over patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import Estimator, FittedDenoiser, WithJacobian, samples
from scorelens.estimators.fourier_gaussian import image_shape

_BLOCK_ENTRIES = 2**22


@final
class Neighbourhood:
    """Which values of an event a centred square patch around each pixel holds, on a circular image.

    Events are ``(n,)``, ``(height, width)`` or ``(channels, height, width)``; a patch holds all channels. An
    axis shorter than the patch is read whole, every position once. Raises ``ValueError`` for an even size.

    >>> Neighbourhood((4,), 3).index[0]
    tensor([3, 0, 1])
    """

    def __init__(self, event_shape: tuple[int, ...], patch_size: int) -> None:
        self.channels, *grid = image_shape(event_shape)
        checks.at_least("patch_size", patch_size, 1)
        if patch_size % 2 == 0:
            raise ValueError(
                f"patch_size must be odd to have a centre, got {patch_size}; "
                f"take {patch_size - 1} or {patch_size + 1}"
            )
        rows, columns = (_reach(n, patch_size) for n in grid)
        pixel = torch.arange(grid[0] * grid[1]).reshape(grid)
        offsets = [(row, column) for row in rows for column in columns]
        shifted = [pixel.roll((-row, -column), (0, 1)).flatten() for row, column in offsets]
        self.index = torch.stack(shifted, 1)
        self.centre = offsets.index((0, 0))

    @property
    def n_pixels(self) -> int:
        return len(self.index)

    @property
    def n_taps(self) -> int:
        """Positions in a patch; it holds ``channels`` times as many values."""
        return self.index.shape[1]

    @property
    def centres(self) -> Tensor:
        """Where a flattened patch holds its own pixel, one entry per channel."""
        return torch.arange(self.channels) * self.n_taps + self.centre

    def patches(self, x: Tensor) -> Tensor:
        """Patches of flat events ``(b, d)``: ``(b, pixels, channels * taps)``, channel by channel."""
        image = x.reshape(len(x), self.channels, self.n_pixels)
        found = image[:, :, self.index.to(x.device)]
        return found.transpose(1, 2).reshape(len(x), self.n_pixels, self.channels * self.n_taps)


@final
class PatchLinearDenoiser(WithJacobian):
    """``D(x)_i = mean_i + sum_k w_k(sigma) (x - mean)_{i + k}``, the same taps at every pixel.

    ``w = (sigma^2 I + C)^{-1} C e`` with the covariance ``C = frame diag(variances) frame^T`` of a patch and
    ``e`` its centre; with several channels one filter each, over the patch in all channels. The
    Jacobian need not be symmetric, so that there is no posterior covariance. Computes in float64.

    >>> denoiser = PatchLinear(patch_size=3).fit(np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]))
    >>> denoiser.taps(torch.ones(1))
    tensor([[[0.2500, 0.2500, 0.2500]]], dtype=torch.float64)
    """

    name: ClassVar[str] = "patch-linear"
    mean: Tensor
    variances: Tensor
    frame: Tensor

    def __init__(
        self, event_shape: tuple[int, ...], patch_size: int, mean: Tensor, variances: Tensor, frame: Tensor
    ) -> None:
        self._near = Neighbourhood(event_shape, patch_size)
        buffers = {"mean": mean, "variances": variances, "frame": frame}
        super().__init__(event_shape, buffers, {"patch_size": patch_size})

    def taps(self, sigma: Tensor) -> Tensor:
        """Filters at ``sigma > 0`` of shape ``(b,)``: ``(b, channels, channels * taps)``."""
        level = sigma.to(self.variances.dtype)[:, None, None]
        gains = self.variances / (self.variances + level**2)
        return (self.frame[self._near.centres.to(level.device)] * gains) @ self.frame.T  # (10.3)

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        patches = self._near.patches(x.to(self.mean.dtype) - self.mean)
        filtered = torch.einsum("bct,bit->bci", self.taps(sigma), patches)
        return (self.mean + filtered.flatten(1)).to(x.dtype)

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        near, n = self._near, self._near.n_pixels
        shape = (len(x), near.channels, n, near.channels)
        taps = self.taps(sigma).reshape(len(x), near.channels, 1, near.channels, near.n_taps)
        where = near.index.to(x.device)[None, None, :, None, :]
        full = taps.new_zeros(*shape, n)
        full.scatter_(4, where.expand(*shape, near.n_taps), taps.expand(*shape, near.n_taps))
        return full.reshape(len(x), self.dim, self.dim).to(x.dtype)


@final
@dataclass(frozen=True)
class PatchLinear(Estimator):
    """The best denoiser that is one local linear filter, shared by all pixels, around the data's mean.

    The optimum that a convolution with ``patch_size`` (odd) circular taps per axis learns. With a patch as
    large as the image it is the Wiener filter of the covariance averaged over all shifts.

    >>> x = np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])
    >>> PatchLinear(patch_size=1).fit(x)(torch.ones(1, 3), 1.0)
    tensor([[0.5000, 0.5000, 0.5000]])
    >>> PatchLinear(patch_size=3).fit(x)(torch.ones(1, 3), 1.0)
    tensor([[0.7500, 0.7500, 0.7500]])
    """

    patch_size: int = 3
    name: ClassVar[str] = "patch-linear"
    reference: ClassVar[str] = "wang2025, Prop. 5.4"
    equation: ClassVar[str] = "learning dynamics (10.3): w = (sigma^2 I + C)^{-1} C e"
    fitted: ClassVar[type[FittedDenoiser]] = PatchLinearDenoiser

    def fit(self, x: np.ndarray | Tensor) -> PatchLinearDenoiser:
        data, event_shape = samples(x, least=2)
        near, mean = Neighbourhood(event_shape, self.patch_size), data.mean(0, dtype=torch.float64)
        width = near.channels * near.n_taps
        moment = torch.zeros(width, width, dtype=torch.float64, device=data.device)
        for block in data.split(_rows(near.n_pixels * width)):
            patches = near.patches(block.double() - mean).flatten(0, 1)
            moment += patches.T @ patches
        values, frame = torch.linalg.eigh(moment / (len(data) * near.n_pixels))
        return PatchLinearDenoiser(
            event_shape, self.patch_size, mean, values.clamp_min(0), frame.contiguous()
        )


class _Softmax(NamedTuple):
    """Sums of ``exp(logit - top)`` and of the values weighted by it, over the training patches met so far."""

    top: Tensor
    total: Tensor
    weighted: Tensor


@final
class LocalPatchDenoiser(FittedDenoiser):
    """Every pixel is the posterior mean given the patch around it, over the patches of the training set.

    ``D(x)_i = sum_p softmax_p(-|x_patch(i) - p|^2 / 2 sigma^2) centre(p)``. Buffer: ``points``, the training
    events ``(n, d)``. Patches are met in blocks: memory is bounded by the block (not under autograd, which
    keeps what it needs for the gradient). Computes in float64.

    >>> denoiser = LocalPatch(patch_size=3).fit(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    >>> denoiser.points.shape, denoiser.facts["patch_size"]
    (torch.Size([2, 3]), 3)
    """

    name: ClassVar[str] = "local-patch"
    points: Tensor

    def __init__(
        self, event_shape: tuple[int, ...], patch_size: int, equivariant: bool, points: Tensor
    ) -> None:
        self._near, self._equivariant = Neighbourhood(event_shape, patch_size), equivariant
        super().__init__(
            event_shape, {"points": points}, {"patch_size": patch_size, "equivariant": equivariant}
        )

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        width = self._near.n_pixels * self._near.channels * self._near.n_taps
        parts = zip(x.split(_rows(width)), sigma.split(_rows(width)), strict=True)
        return torch.cat([self._denoised(events.double(), level.double()) for events, level in parts]).to(x)

    def _denoised(self, x: Tensor, sigma: Tensor) -> Tensor:
        queries, pixels = self._grouped(x), self._near.n_pixels
        level = sigma.repeat_interleave(pixels) if self._equivariant else sigma
        groups, n, _ = queries.shape
        top = torch.full((groups, n, 1), -torch.inf, dtype=x.dtype, device=x.device)
        found = _Softmax(top, torch.zeros_like(top), x.new_zeros(groups, n, self._near.channels))
        for patches in self._training(groups * n):
            found = self._met(found, queries, patches, level[:, None])
        pixel_values = (found.weighted / found.total).reshape(*self._order(len(x)), self._near.channels)
        across = (0, 2, 1) if self._equivariant else (1, 2, 0)
        return pixel_values.permute(*across).flatten(1)

    def _met(self, found: _Softmax, queries: Tensor, patches: Tensor, level: Tensor) -> _Softmax:
        """``found``, after more training patches ``(groups, m, values)``."""
        squared = _squares(queries) - 2 * queries @ patches.mT + _squares(patches).mT
        logits = -squared / (2 * level**2)
        # Any shift leaves the quotient alone, so the largest logit is a constant to the gradient.
        top = torch.maximum(found.top, logits.detach().amax(2, keepdim=True))
        kept, weights = (found.top - top).exp(), (logits - top).exp()
        centres = patches[:, :, self._near.centres.to(patches.device)]
        return _Softmax(
            top,
            found.total * kept + weights.sum(2, keepdim=True),
            found.weighted * kept + weights @ centres,
        )

    def _training(self, n_queries: int) -> Iterator[Tensor]:
        """Training patches in blocks, ``(groups, m, values)``."""
        per_event = n_queries * (self._near.n_pixels if self._equivariant else 1)
        values = self._near.n_pixels * self._near.channels * self._near.n_taps
        for block in self.points.split(_rows(max(per_event, values))):
            yield self._grouped(block.double())

    def _grouped(self, x: Tensor) -> Tensor:
        """Patches that are compared with each other, in one group: all of them, or those of one pixel."""
        patches = self._near.patches(x)
        return patches.flatten(0, 1)[None] if self._equivariant else patches.transpose(0, 1)

    def _order(self, n_events: int) -> tuple[int, int]:
        """Axes of what `_grouped` gives."""
        pixels = self._near.n_pixels
        return (n_events, pixels) if self._equivariant else (pixels, n_events)


@final
@dataclass(frozen=True)
class LocalPatch(Estimator):
    """The score machine of a network that sees ``patch_size`` (odd) pixels per axis (Kamb & Ganguli 2024).

    Not ``equivariant``: a pixel is compared with training patches at its own place (local score machine).
    ``equivariant``: with patches at every place, as a convolution must (equivariant local score machine); as
    sigma grows it gives the mean over all pixels, not the mean of each. Borders are circular. With the whole
    image as patch and not equivariant it is the empirical denoiser, which only remembers.

    >>> x = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> LocalPatch(patch_size=1).fit(x)(torch.ones(1, 3), 0.1).round(decimals=3)
    tensor([[1., 0., 0.]])
    >>> LocalPatch(patch_size=1, equivariant=True).fit(x)(torch.ones(1, 3), 0.1).round(decimals=3)
    tensor([[1., 1., 1.]])
    """

    patch_size: int = 3
    equivariant: bool = False
    name: ClassVar[str] = "local-patch"
    reference: ClassVar[str] = "kamb2024"
    equation: ClassVar[str] = "D_i = sum_p softmax_p(-|x_patch(i) - p|^2 / 2 sigma^2) centre(p)"
    fitted: ClassVar[type[FittedDenoiser]] = LocalPatchDenoiser

    def fit(self, x: np.ndarray | Tensor) -> LocalPatchDenoiser:
        data, event_shape = samples(x)
        return LocalPatchDenoiser(event_shape, self.patch_size, self.equivariant, data.clone())


def _reach(length: int, patch_size: int) -> list[int]:
    """Offsets of a centred patch along an axis of ``length``, each position once."""
    return (torch.arange(min(length, patch_size)) - min(length, patch_size) // 2).tolist()


def _squares(patches: Tensor) -> Tensor:
    return (patches * patches).sum(2, keepdim=True)


def _rows(entries_per_row: int) -> int:
    return max(1, _BLOCK_ENTRIES // max(1, entries_per_row))
