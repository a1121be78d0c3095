"""The function ``theta . phi`` of an energy-based model, its score and its frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Gradient of `potential` in ``z``, ``(b, d)``, differentiable if ``z`` is."""
    with _tracked():
        at = _tracking(z)
        total = potential(features, at, theta.clone() if theta.is_inference() else theta).sum()
        return torch.autograd.grad(total, at, create_graph=z.requires_grad)[0]


def jacobian(rule: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``d rule_i / d x_j`` for a rule that acts on every row of ``x (b, d)`` alone; ``(b, d, d)``."""
    with _tracked():
        at = _tracking(x)
        totals = rule(at).sum(0)
        rows = [
            torch.autograd.grad(one, at, retain_graph=True, create_graph=x.requires_grad) for one in totals
        ]
    return torch.stack([row for (row,) in rows], dim=1)


@contextmanager
def _tracked() -> Iterator[None]:
    """Derivatives are taken here even where the caller wants none of its own."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def _tracking(x: Tensor) -> Tensor:
    """``x``, or a copy of it that derivatives can be taken of."""
    return x if x.requires_grad else x.clone().detach().requires_grad_()
