"""Conjugate gradients for several right-hand sides at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradients(
    operator: Callable[[Tensor], Tensor],
    right: Tensor,
    *,
    coupled: bool,
    tolerance: float = 1e-10,
    n_most: int = 10_000,
) -> Tensor:
    """Solve ``operator(c) = right`` for a positive definite operator on ``(n, d)`` vectors.

    ``coupled``: the columns are one system of ``n d`` unknowns; otherwise ``d`` systems of ``n``. Stops when
    every residual is below ``tolerance`` times its right-hand side; raises ``ValueError`` after ``n_most``
    steps.

    >>> conjugate_gradients(lambda c: 2 * c, torch.ones(3, 1), coupled=False).ravel()
    tensor([0.5000, 0.5000, 0.5000])
    """
    axes = (0, 1) if coupled else (0,)

    def inner(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(axes, keepdim=True)

    solution, residual = torch.zeros_like(right), right.clone()
    direction, size = residual.clone(), inner(residual, residual)
    goal = tolerance**2 * size
    for _ in range(n_most):
        if bool((size <= goal).all()):
            return solution
        image = operator(direction)
        step = _quotient(size, inner(direction, image))
        solution += step * direction
        residual -= step * image
        previous, size = size, inner(residual, residual)
        direction = residual + _quotient(size, previous) * direction
    raise ValueError(
        f"conjugate gradients did not reach a residual of {tolerance:g} in {n_most} steps; "
        "take a larger ridge or tolerance"
    )


def _quotient(numerator: Tensor, denominator: Tensor) -> Tensor:
    """0 where a column is already solved exactly."""
    return torch.where(denominator > 0, numerator / denominator.clamp_min(1e-300), 0.0)
