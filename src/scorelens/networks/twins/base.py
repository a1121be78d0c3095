"""Trainable twins of the laws of learning: small linear networks with parameters of their own per noise
level."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from scorelens.core import checks
from scorelens.core.denoiser import per_sample

_SAME_LEVEL = 1e-5
_LISTED = 12


class Affine(NamedTuple):
    """``weight (s, d, d)`` and ``bias (s, d)``: one affine map per noise level."""

    weight: Tensor
    bias: Tensor


class Twin(nn.Module, ABC):
    """``D(x) = matrix[level] x + bias[level]`` at ``s`` noise levels ``sigmas``, whose parameters are
    independent of one another, as the theory of learning takes them to be (learning dynamics, section 0).

    A Denoiser at its own levels: a sampler runs on it with exactly these. Full-batch gradient descent on
    exact moments (`scorelens.training.descend`) makes it follow the law named ``law``, to first order in the
    learning rate. ``x`` is ``(batch, *event)`` with ``prod(event) = dim``; the result has its shape and
    dtype.

    Raises ``ValueError`` unless ``sigmas (s,)`` are positive and distinct.
    """

    law: ClassVar[str]
    """Name of the law in `scorelens.dynamics` that it follows."""
    loss: ClassVar[str]
    """Name of the exact loss in `scorelens.objectives` that it is trained with."""
    reference: ClassVar[str]
    sigmas: Tensor

    def __init__(self, sigmas: Any, dim: int) -> None:
        super().__init__()
        self.register_buffer("sigmas", _distinct(sigmas))
        self.dim = dim

    @abstractmethod
    def trained_map(self) -> Affine:
        """What the loss is a function of, at all levels: the denoiser, or the velocity of flow matching."""

    @abstractmethod
    def matrix(self) -> Tensor:
        """Matrices of the denoiser, ``(s, d, d)``, differentiable in the parameters."""

    @abstractmethod
    def bias(self) -> Tensor:
        """Biases of the denoiser, ``(s, d)``, differentiable in the parameters."""

    @abstractmethod
    def denoise(self, x: Tensor, level: int) -> Tensor:
        """Denoised ``x (batch, d)`` at one of the levels, an index into ``sigmas``."""

    @property
    def n_levels(self) -> int:
        """Number ``s`` of noise levels."""
        return len(self.sigmas)

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Denoised ``x``; ``ValueError`` for another size of ``x`` and for a ``sigma`` that is no level of
        it."""
        flat = x.flatten(1)
        if flat.shape[1] != self.dim:
            raise ValueError(f"x must have {self.dim} coordinates per sample, got shape {tuple(x.shape)}")
        distinct, group = self._levels_of(sigma, x).unique(return_inverse=True)
        if len(distinct) == 1:
            return self.denoise(flat, int(distinct)).view_as(x)
        made = torch.empty_like(flat)
        for index, level in enumerate(distinct.tolist()):
            rows = (group == index).to(x.device)
            made[rows] = self.denoise(flat[rows], level)
        return made.view_as(x)

    def _levels_of(self, sigma: Tensor | float, x: Tensor) -> Tensor:
        """Index of the level of every sample, ``(batch,)``."""
        per_sample(sigma, x)  # refuse a wrong shape
        asked = torch.as_tensor(sigma).detach().cpu().double().expand(len(x))
        # Single precision of a level, in the call or after `float()`, is still that level.
        apart = (asked[:, None] / self.sigmas.cpu().double() - 1.0).abs()
        nearest, level = apart.min(dim=1)
        unknown = ~(nearest <= _SAME_LEVEL)
        if bool(unknown.any()):
            raise ValueError(
                f"this twin knows the noise levels {_listed(self.sigmas.tolist())}, got sigma "
                f"{float(asked[unknown][0]):g}; build it with the levels of your sampler's grid"
            )
        return level


def _distinct(sigmas: Any) -> Tensor:
    levels = np.array(sigmas, dtype=float)
    if levels.ndim != 1 or not len(levels):
        raise ValueError(f"sigmas must have shape (s,) with s >= 1, got {levels.shape}")
    checks.positive("sigmas", levels)
    ordered = np.sort(levels)
    close = ordered[1:] < ordered[:-1] * (1.0 + 10.0 * _SAME_LEVEL)
    if close.any():
        raise ValueError(f"sigmas must be distinct, got {ordered[1:][close][0]:g} more than once")
    return torch.tensor(levels)


def _listed(levels: list[float]) -> str:
    shown = [f"{level:g}" for level in levels]
    return ", ".join(shown if len(shown) <= _LISTED else [*shown[: _LISTED - 2], "...", shown[-1]])
