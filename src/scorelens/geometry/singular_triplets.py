"""Leading singular triplets of a Jacobian that need not be symmetric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scorelens.core.block_krylov import block_krylov
from scorelens.core.eigen import fix_signs, mode_count
from scorelens.core.jacobian import JacobianAt


@dataclass(frozen=True)
class SingularTriplets:
    """``J v_i = s_i u_i`` at b points, the k largest ``s_i``, float64 on the CPU (geometry [P13])."""

    values: Tensor
    """``(b, k)``, descending, >= 0: gains, without unit."""
    left: Tensor
    """``u``, ``(b, d, k)``: what the denoiser puts out."""
    right: Tensor
    """``v``, ``(b, d, k)``: what it looks at."""
    errors: Tensor
    """``(b, k)``: a singular value lies within this of each; the i-th one where `converged`."""
    converged: Tensor
    """``(b, k)``."""
    n_applied: int
    """Products with ``J`` and as many with ``J^T``, all points together."""


def singular_triplets(
    jacobian: JacobianAt,
    n_modes: int,
    *,
    tolerance: float = 1e-3,
    block: int | None = None,
    max_passes: int | None = None,
    seed: int = 0,
) -> SingularTriplets:
    """By block Krylov iteration on ``J^T J``, and the decomposition of ``J`` within the space found.

    An iteration ends where ``|J^T u - s v|`` is at most ``tolerance`` times ``s``. Squaring loses singular
    values below the root of `JacobianAt.accuracy` times the largest: they are returned with errors that
    say so. ``block`` and ``max_passes`` are those of `jacobian_spectrum`. Raises ``ValueError`` for more
    modes than dimensions.

    >>> at = JacobianAt(lambda x, sigma: x.flip(1) * torch.tensor([3.0, 1.0]), torch.ones(1, 2), 1.0)
    >>> found = singular_triplets(at, 2)
    >>> found.values.tolist(), found.right[0].abs().tolist()
    ([[3.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
    """
    mode_count(n_modes, jacobian.dim, default=1)
    width = n_modes + max(8, n_modes // 8)
    passes = 60 * math.ceil(width / min(block or width, width)) if max_passes is None else max_passes
    options = {"tolerance": tolerance, "block": block, "max_passes": passes, "seed": seed}
    found = [_at_point(jacobian.point(i), n_modes, options) for i in range(jacobian.n_points)]
    arrays = zip(*[one[:5] for one in found], strict=True)
    values, left, right, errors, converged = (torch.as_tensor(np.stack(array)) for array in arrays)
    return SingularTriplets(values, left, right, errors, converged, sum(one[5] for one in found))


def _at_point(at: JacobianAt, n_modes: int, options: dict) -> tuple:
    n_applied = 0

    def product(directions: np.ndarray, transposed: bool) -> np.ndarray:
        apply = at.apply_transposed if transposed else at.apply
        return apply(torch.as_tensor(directions)[None])[0].double().numpy()

    def squared(directions: np.ndarray) -> np.ndarray:
        nonlocal n_applied
        n_applied += directions.shape[1]
        return product(product(directions, False), True)

    pairs = block_krylov(squared, at.dim, n_modes, accuracy=2 * at.accuracy, **options)
    left, values, rotation = np.linalg.svd(product(pairs.vectors, False), full_matrices=False)
    right = fix_signs(pairs.vectors @ rotation.T)
    left = left * np.sign((pairs.vectors @ rotation.T * right).sum(0))
    residuals = np.linalg.norm(product(left, True) - right * values, axis=0)
    rounding = at.accuracy * values.max()
    errors = residuals + rounding
    converged = (errors <= options["tolerance"] * values) | (errors <= 2 * rounding)
    # Below the root of the rounding the iteration saw nothing but rounding.
    seen = values**2 > 2 * at.accuracy * values.max() ** 2
    errors = np.where(seen, errors, np.sqrt(2 * at.accuracy) * values.max() + errors)
    return values, left, right, errors, converged & pairs.converged, n_applied + n_modes
