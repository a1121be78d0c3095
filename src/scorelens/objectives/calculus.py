"""Derivatives of a score along directions, by reverse passes; differentiable in the score's own weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]
"""``score(x) -> (batch, *event)``, sample by sample, for ``x (batch, *event)``."""


@final
class ScoreAt:
    """A score evaluated once at ``x (batch, *event)``, ready for derivatives in any number of directions.

    Each sample's score must depend on that sample alone (no batch normalisation). Raises ``ValueError`` if
    the score changes the shape of ``x``.

    >>> at = ScoreAt(lambda x: -x * x, torch.tensor([[1.0, 2.0]]))
    >>> at.value.tolist(), at.divergence().tolist()
    ([[-1.0, -4.0]], [-6.0])
    """

    def __init__(self, score: Score, x: Tensor) -> None:
        self._differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            self._x = x.detach().requires_grad_()
            self._graph = score(self._x)
        if self._graph.shape != x.shape:
            raise ValueError(f"a score has the shape of x, {tuple(x.shape)}, got {tuple(self._graph.shape)}")

    @property
    def value(self) -> Tensor:
        """The score, flat: ``(batch, d)``."""
        flat = self._graph.flatten(1)
        return flat if self._differentiable else flat.detach()

    def pulled_back(self, direction: Tensor) -> Tensor:
        """``v^T grad s``, flat: ``(batch, d)``, for ``direction (batch, d)``: one reverse pass."""
        if not self._graph.requires_grad:  # a constant
            return torch.zeros_like(self.value)
        along = direction.view_as(self._graph)
        (pulled,) = torch.autograd.grad(
            self._graph,
            self._x,
            along,
            retain_graph=True,
            create_graph=self._differentiable,
            materialize_grads=True,
        )
        return pulled.flatten(1)

    def curvature(self, direction: Tensor) -> Tensor:
        """``v . (grad s) v``, shape ``(batch,)``, for ``direction (batch, d)``: one reverse pass."""
        return (self.pulled_back(direction) * direction).sum(1)

    def divergence(self) -> Tensor:
        """``tr grad s`` exactly, shape ``(batch,)``: d reverse passes."""
        axes = torch.eye(self.value.shape[1], dtype=self._x.dtype, device=self._x.device)
        return torch.stack([self.pulled_back(e.expand_as(self.value))[:, i] for i, e in enumerate(axes)]).sum(
            0
        )

    def trace_against(self, matrix: Tensor) -> Tensor:
        """``tr(matrix^T grad s)``, shape ``(batch,)``, for a ``matrix (d, d)``: d reverse passes, and no
        Jacobian is kept.

        >>> ScoreAt(lambda x: -x, torch.ones(1, 2)).trace_against(torch.tensor([[3.0, 1.0], [1.0, 2.0]]))
        tensor([-5.])
        """
        axes = torch.eye(self.value.shape[1], dtype=self._x.dtype, device=self._x.device)
        rows = matrix.to(self._x)
        parts = [(self.pulled_back(e.expand_as(self.value)) @ row) for e, row in zip(axes, rows, strict=True)]
        return torch.stack(parts).sum(0)

    def jacobian(self) -> Tensor:
        """``grad s``, shape ``(batch, d, d)``, row i the gradient of ``s_i``: d reverse passes."""
        axes = torch.eye(self.value.shape[1], dtype=self._x.dtype, device=self._x.device)
        return torch.stack([self.pulled_back(e.expand_as(self.value)) for e in axes], dim=1)
