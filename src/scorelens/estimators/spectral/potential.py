"""The function ``theta . phi`` of an energy-based model, its score and its frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor


class Evaluates(Protocol):
    """Anything with features of a tensor."""

    def evaluate(self, x: Tensor) -> Tensor:
        """Features ``(b, m)`` of ``x (b, d)``."""
        ...


def in_frame(points: Tensor, sigma: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """``z = alpha (x - mean) / scale`` and its noise ``std (b,)``, with ``alpha^2 + std^2 = 1``.

    ``std = s alpha`` with ``s = sigma / scale``: as sigma grows the law of ``z`` tends to ``N(0, I)``. The
    score of ``x`` is that of ``z`` times ``std / sigma``.
    """
    whole = torch.hypot(scale.expand_as(sigma), sigma)
    return (points - mean) / whole[:, None], sigma / whole


def potential(features: Evaluates, z: Tensor, theta: Tensor) -> Tensor:
    """``theta_b . phi(z_b)`` for every row, ``(b,)``; ``theta`` is ``(b, m)``."""
    return (features.evaluate(z) * theta).sum(1)


def gradient(features: Evaluates, z: Tensor, theta: Tensor) -> Tensor:
    """Gradient of `potential` in ``z``, ``(b, d)``, itself differentiable."""
    return torch.func.grad(lambda at: potential(features, at, theta).sum())(z)


def jacobian(rule: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``d rule_i / d x_j`` for a rule that acts on every row of ``x (b, d)`` alone; ``(b, d, d)``."""
    value, pulled_back = torch.func.vjp(rule, x)  # pyright: ignore[reportAssignmentType]
    units = torch.eye(value.shape[1], dtype=value.dtype, device=value.device)
    return torch.stack([pulled_back(unit.expand_as(value))[0] for unit in units], dim=1)
