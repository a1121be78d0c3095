"""``filter(A) b`` for a matrix that is known by its products with vectors only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from scorelens.core.filters import Filter, GradientFlow, Landweber, Ridge
from scorelens.estimators.kernel.conjugate_gradients import conjugate_gradients

Product = Callable[[Tensor], Tensor]
"""``v (p,) -> A v (p,)``, A symmetric and positive semi-definite."""


def refuse_unless_iterative(spectral_filter: Filter) -> None:
    """``TypeError`` for a filter that needs the eigenvalues themselves."""
    if not isinstance(spectral_filter, Ridge | GradientFlow | Landweber):
        name = getattr(spectral_filter, "name", type(spectral_filter).__name__)
        raise TypeError(
            f"solver {name!r} needs eigenvalues, and only products are at hand; take Ridge, GradientFlow or "
            "Landweber (GradientFlow of a long time tends to the minimum norm)"
        )


def filtered_product(
    spectral_filter: Filter, product: Product, right: Tensor, tolerance: float, n_most: int
) -> Tensor:
    """``filter(A) right``: ridge by conjugate gradients, gradient flow by Lanczos, Landweber as it is.

    ``tolerance``: relative residual, or relative change of the solution, at which they stop. Raises
    ``TypeError`` for other filters, ``ValueError`` if ``n_most`` products do not suffice, or if Landweber's
    step is too large.

    >>> diagonal, right = torch.tensor([1.0, 2.0]).double(), torch.ones(2).double()
    >>> filtered_product(Ridge(1.0), lambda v: diagonal * v, right, 1e-9, 10).round(decimals=4)
    tensor([0.5000, 0.3333], dtype=torch.float64)
    """
    refuse_unless_iterative(spectral_filter)
    if isinstance(spectral_filter, Ridge):
        return _ridge(spectral_filter.ridge, product, right, tolerance, n_most)
    if isinstance(spectral_filter, Landweber):
        return _landweber(spectral_filter, product, right)
    return _lanczos(spectral_filter, product, right, tolerance, n_most)


def _ridge(ridge: float, product: Product, right: Tensor, tolerance: float, n_most: int) -> Tensor:
    def shifted(column: Tensor) -> Tensor:
        return product(column[:, 0])[:, None] + ridge * column

    return conjugate_gradients(
        shifted, right[:, None], coupled=False, tolerance=tolerance, n_most=n_most
    ).squeeze(1)


def _landweber(spectral_filter: Landweber, product: Product, right: Tensor) -> Tensor:
    solution, residual = torch.zeros_like(right), right
    rounding = 1e3 * torch.finfo(right.dtype).eps * right.norm()
    for _ in range(spectral_filter.n_steps):
        solution = solution + spectral_filter.step * residual
        previous, residual = residual.norm(), right - product(solution)
        if not residual.norm() <= previous + rounding:  # every mode shrinks, or the step is too large
            raise ValueError(
                f"gradient descent with step {spectral_filter.step:g} diverges: take step * eigenvalue < 2; "
                "try a smaller step"
            )
    return solution


def _lanczos(
    spectral_filter: Filter, product: Product, right: Tensor, tolerance: float, n_most: int
) -> Tensor:
    """``|b| V filter(T) e_1`` in the Krylov space of ``b``, whose basis ``V`` is kept orthonormal."""
    size = float(right.norm())
    if size == 0:
        return torch.zeros_like(right)
    basis, diagonal, below, last = [right / size], [], [], np.zeros(0)
    rounding = torch.finfo(right.dtype).eps
    while len(diagonal) < n_most:
        image = product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        for _ in range(2):  # twice is enough (Parlett 1998)
            for vector in basis:
                image = image - (image @ vector) * vector
        found = _first_column(spectral_filter, diagonal, below)
        change = np.linalg.norm(found - np.append(last, 0.0))
        last, left = found, float(image.norm())
        if change <= tolerance * np.linalg.norm(found) or left <= rounding * max(diagonal):
            weights = torch.as_tensor(size * found, dtype=right.dtype, device=right.device)
            return torch.stack(basis, 1) @ weights
        below.append(left)
        basis.append(image / left)
    raise ValueError(
        f"gradient flow did not settle to {tolerance:g} in {n_most} products; "
        "take a shorter flow_time, a larger tolerance or n_most"
    )


def _first_column(spectral_filter: Filter, diagonal: list[float], below: list[float]) -> np.ndarray:
    values, vectors = eigh_tridiagonal(diagonal, below)
    return vectors @ (spectral_filter(np.maximum(values, 0.0)) * vectors[0])
