"""Twins of circular convolutions on a line or an image of one channel."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.networks.twins.base import Affine, Twin
from scorelens.networks.twins.start import draw, per_level


class CircularTwin(Twin):
    """``D(x)_i = sum_k f_k x_{i+k}``, indices cyclic on ``grid``, ``(N,)`` or ``(N1, N2)``; no bias.

    Pixels are in row-major order, ``dim`` of them. Denoising goes through Fourier transforms; `matrix` forms
    an ``N x N`` matrix per level, for training on exact moments.
    """

    loss: ClassVar[str] = "denoising"

    def __init__(
        self, sigmas: Any, grid: tuple[int, ...], taps: Any, shape: tuple[int, ...], dtype: torch.dtype
    ) -> None:
        super().__init__(sigmas, math.prod(grid))
        self.grid = grid
        self.taps = per_level("initial_filter", taps, shape, self.n_levels, dtype)

    @abstractmethod
    def filters(self, taps: Tensor) -> Tensor:
        """What the taps ``(..., *taps)`` make of one pixel's neighbours: ``(..., *grid)``, index = offset."""

    def trained_map(self) -> Affine:
        return Affine(self.matrix(), self.bias())

    def matrix(self) -> Tensor:
        return self.filters(self.taps).flatten(1)[:, self._lags()]

    def bias(self) -> Tensor:
        return self.taps.new_zeros(self.n_levels, self.dim)

    def transfer(self) -> Tensor:
        """Eigenvalues ``gamma_m`` of the convolutions, complex, ``(s, *grid)`` (learning dynamics (10.1)).

        On the wave ``exp(-2 pi i m x / N)``; `numpy.fft` coefficients are multiplied by the conjugate.
        """
        return torch.fft.fftn(self.filters(self.taps), dim=self._axes)

    def denoise(self, x: Tensor, level: int) -> Tensor:
        gain = torch.fft.fftn(self.filters(self.taps[level]), dim=self._axes).conj()
        waves = torch.fft.fftn(x.reshape(-1, *self.grid), dim=self._axes)
        made = torch.fft.ifftn(gain.to(waves.dtype) * waves, dim=self._axes)
        return made.real.reshape(x.shape)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.grid), 0))

    def _lags(self) -> Tensor:
        """Flat index of ``j - i`` on the grid for pixels ``i`` and ``j``, ``(N, N)``."""
        pixels = np.indices(self.grid).reshape(len(self.grid), -1)
        lag = (pixels[:, None, :] - pixels[:, :, None]) % np.array(self.grid)[:, None, None]
        flat = np.ravel_multi_index(tuple(lag), self.grid)
        return torch.from_numpy(flat).to(self.taps.device)


def checked_grid(grid: Any) -> tuple[int, ...]:
    """``(N,)`` or ``(N1, N2)``; ``ValueError`` otherwise."""
    sizes = tuple(int(n) for n in grid)
    if len(sizes) not in (1, 2) or min(sizes) < 1:
        raise ValueError(f"grid must be (N,) or (N1, N2), one channel, got {tuple(grid)}")
    return sizes


def pixel(grid: tuple[int, ...], value: float) -> np.ndarray:
    """The filter on ``grid`` that multiplies by ``value``: one tap, at offset 0."""
    filter_ = np.zeros(grid)
    filter_[(0,) * len(grid)] = value
    return filter_


@final
class FullConvolutionTwin(CircularTwin):
    """One filter as wide as the image: twin of `FullConvolution` with `OneLayer` inside.

    ``initial_filter`` has the shape of ``grid``, index = offset modulo the grid, or ``(s, *grid)``.

    >>> twin = FullConvolutionTwin.aligned([1.0], (4,), initial_gain=0.5)
    >>> twin(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), 1.0).tolist()
    [[0.0, 0.5, 1.0, 1.5]]
    """

    law: ClassVar[str] = "full-convolution"
    reference: ClassVar[str] = "wang2025, Prop. 5.3"

    def __init__(
        self, sigmas: Any, grid: Any, initial_filter: Any, *, dtype: torch.dtype = torch.float64
    ) -> None:
        shape = checked_grid(grid)
        super().__init__(sigmas, shape, initial_filter, shape, dtype)

    @classmethod
    def aligned(
        cls, sigmas: Any, grid: Any, initial_gain: float = 0.0, *, dtype: torch.dtype = torch.float64
    ) -> Self:
        """Every Fourier mode starts with the same ``initial_gain``: a filter of one pixel."""
        return cls(sigmas, grid, pixel(checked_grid(grid), initial_gain), dtype=dtype)

    @classmethod
    def random(
        cls,
        sigmas: Any,
        grid: Any,
        generator: torch.Generator,
        *,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Taps normal with standard deviation ``scale``, the same at every level."""
        return cls(sigmas, grid, draw(checked_grid(grid), scale, generator), dtype=dtype)

    def filters(self, taps: Tensor) -> Tensor:
        return taps


@final
class TwoLayerConvolutionTwin(CircularTwin):
    """``D(x) = C C^T x`` with one filter ``C`` as wide as the image: twin of `FullConvolution` with
    `SymmetricTwoLayer` inside.

    The gain of a Fourier mode is the squared modulus of ``C``'s. ``initial_filter`` is that of ``C``, of the
    shape of ``grid``, index = offset modulo the grid, or ``(s, *grid)``.

    >>> TwoLayerConvolutionTwin.aligned([1.0], (2,), initial_gain=0.25).matrix()[0].tolist()
    [[0.25, 0.0], [0.0, 0.25]]
    """

    law: ClassVar[str] = "full-convolution"
    reference: ClassVar[str] = "wang2025, App. G; learning dynamics, section 10.2"

    def __init__(
        self, sigmas: Any, grid: Any, initial_filter: Any, *, dtype: torch.dtype = torch.float64
    ) -> None:
        shape = checked_grid(grid)
        super().__init__(sigmas, shape, initial_filter, shape, dtype)

    @classmethod
    def aligned(
        cls, sigmas: Any, grid: Any, initial_gain: float = 0.1, *, dtype: torch.dtype = torch.float64
    ) -> Self:
        """Every Fourier mode starts with the same ``initial_gain >= 0``: a filter of one pixel."""
        checks.non_negative("initial_gain", initial_gain, "C C^T has no negative gain")
        return cls(sigmas, grid, pixel(checked_grid(grid), math.sqrt(initial_gain)), dtype=dtype)

    @classmethod
    def random(
        cls,
        sigmas: Any,
        grid: Any,
        generator: torch.Generator,
        *,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Taps normal with standard deviation ``scale``, the same at every level."""
        return cls(sigmas, grid, draw(checked_grid(grid), scale, generator), dtype=dtype)

    def filters(self, taps: Tensor) -> Tensor:
        power = torch.fft.fftn(taps, dim=self._axes).abs().square()
        return torch.fft.ifftn(power, dim=self._axes).real


@final
class PatchConvolutionTwin(CircularTwin):
    """One local filter, shared by all pixels: twin of `PatchConvolution`.

    ``offsets`` are ``(K,)`` on a line or ``(K, 2)`` on an image, whole numbers, 0 among them;
    ``initial_filter`` is ``(K,)`` in their order, or ``(s, K)``; zero unless given.

    Raises ``ValueError`` for offsets of another shape, larger than the grid, without 0 or given twice.

    >>> twin = PatchConvolutionTwin([1.0], (4,), [-1, 0, 1], [0.5, 0.0, 0.25])
    >>> twin.matrix()[0].tolist()[0]
    [0.0, 0.25, 0.0, 0.5]
    """

    law: ClassVar[str] = "patch-convolution"
    reference: ClassVar[str] = "wang2025, Prop. 5.4"
    offsets: Tensor

    def __init__(
        self,
        sigmas: Any,
        grid: Any,
        offsets: Any,
        initial_filter: Any = None,
        *,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        shape = checked_grid(grid)
        places = _cyclic(offsets, shape)
        start = np.zeros(len(places)) if initial_filter is None else initial_filter
        super().__init__(sigmas, shape, start, (len(places),), dtype)
        self.register_buffer("offsets", torch.from_numpy(places))

    @classmethod
    def random(
        cls,
        sigmas: Any,
        grid: Any,
        offsets: Any,
        generator: torch.Generator,
        *,
        scale: float = 0.1,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Taps normal with standard deviation ``scale``, the same at every level."""
        return cls(sigmas, grid, offsets, draw((len(offsets),), scale, generator), dtype=dtype)

    def filters(self, taps: Tensor) -> Tensor:
        laid = taps.new_zeros(*taps.shape[:-1], *self.grid)
        laid[(..., *self.offsets.unbind(-1))] = taps
        return laid


def _cyclic(offsets: Any, grid: tuple[int, ...]) -> np.ndarray:
    """Offsets modulo the grid, ``(K, n_axes)``, checked."""
    given = np.asarray(offsets)
    if not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"offsets must be whole numbers, got {given.dtype}")
    pairs = given.reshape(len(given), -1)
    if pairs.shape[1] != len(grid):
        allowed = "(K,) on a line" if len(grid) == 1 else "(K, 2) on an image"
        raise ValueError(f"offsets must have shape {allowed}, got {given.shape}")
    places = pairs % np.array(grid)
    if (np.abs(pairs) >= np.array(grid)).any() or len(np.unique(places, axis=0)) < len(places):
        raise ValueError(f"offsets must fit in the grid {grid} and be given once each, got {pairs.tolist()}")
    if not (pairs == 0).all(axis=1).any():
        raise ValueError("the offsets of a denoising filter must contain 0, the pixel itself")
    return places
