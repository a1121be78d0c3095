"""Leading eigenpairs of a symmetric operator that can only be applied: block Krylov iteration.

Where every application costs a pass over the data, blocks are wide (all wanted modes and some guard modes at
once); where every column costs, narrow blocks need fewer of them. The whole basis is kept for the
Rayleigh-Ritz step until it is restarted with its best part (Musco & Musco 2015; Saad 2011).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from scorelens.core import checks
from scorelens.core.eigen import fix_signs, mode_count

# The basis restarts when it would grow beyond this many times the modes that it keeps.
_BASIS_BLOCKS = 5
# A random start sees a lone large eigenvalue on the first pass only dimly.
_LEAST_PASSES = 3
# New directions whose squared length outside the basis and one another is below this are left out.
_DEPENDENT = 1e-10


class Eigenpairs(NamedTuple):
    """``values (k,)`` descending, ``vectors (d, k)``, ``errors (k,)``.

    ``converged (k,)`` says which errors met the tolerance, ``n_passes`` how often the operator was applied.
    """

    values: np.ndarray
    vectors: np.ndarray
    errors: np.ndarray
    converged: np.ndarray
    n_passes: int


def block_krylov(
    apply: Callable[[np.ndarray], np.ndarray],
    dim: int,
    n_modes: int,
    *,
    tolerance: float = 1e-3,
    max_passes: int = 60,
    seed: int = 0,
    semidefinite: bool = True,
    block: int | None = None,
    accuracy: float | None = None,
) -> Eigenpairs:
    """The ``n_modes`` largest eigenpairs of the symmetric operator ``apply: (d, b) -> (d, b)``.

    ``values[i]`` is never above the true eigenvalue i by more than rounding. ``errors[i]`` is the norm of the
    residual ``A v_i - values[i] v_i`` plus rounding: some eigenvalue lies within it, and once converged it is
    the i-th with the true error far smaller (of the order of ``errors[i] ** 2`` over the gap to the modes
    left out). Where iteration was stopped early it is twice that: an estimate, which held on every spectrum
    tried.

    Iteration ends when every error is at most ``tolerance`` times the size of its eigenvalue (or is all
    rounding), or after ``max_passes`` applications (as many more as fill the
    basis). The result depends on ``seed`` and nothing else that is
    random.

    ``semidefinite`` operators have no eigenvalue below 0, and none is returned; with False the largest are
    found of an indefinite one, 3 before -5. ``block`` columns are applied at once, by default all modes and
    some guard modes: fewer need fewer columns in all, but an eigenvalue repeated more often than ``block``
    times may then be counted ``block`` times only. ``accuracy`` is the relative error of one application
    (default: ``d`` times the rounding of float64).

    >>> diagonal = np.arange(30.0)[:, None] ** 2
    >>> pairs = block_krylov(lambda v: diagonal * v, 30, 2)
    >>> pairs.values.round(3)
    array([841., 784.])
    >>> block_krylov(lambda v: (diagonal - 865) * v, 30, 1, semidefinite=False).values.round(3)
    array([-24.])
    """
    checks.positive("tolerance", tolerance)
    checks.at_least("max_passes", max_passes, _LEAST_PASSES, "fewer can miss a large eigenvalue")
    mode_count(n_modes, dim, default=1)
    width = min(dim, n_modes + max(8, n_modes // 8))
    checks.whole("block", width if block is None else block, 1)
    columns = width if block is None else min(block, width)
    precision = dim * np.finfo(float).eps if accuracy is None else accuracy
    draws = np.random.default_rng(seed)
    basis = np.linalg.qr(draws.standard_normal((dim, columns)))[0]
    images = apply(basis)
    n_passes = 1
    while True:
        norm, values, vectors, vector_images = _rayleigh_ritz(basis, images, width)
        if semidefinite:
            values = np.maximum(values, 0.0)
        residuals = vector_images - vectors * values
        rounding = precision * norm
        errors = np.linalg.norm(residuals, axis=0) + rounding
        inexact = errors > 2 * rounding
        converged = ~inexact | (errors <= tolerance * np.abs(values))
        narrow = basis.shape[1] < width
        early = n_passes < _LEAST_PASSES or narrow
        if (n_passes >= max_passes and not narrow) or (converged[:n_modes].all() and not early):
            break
        if basis.shape[1] + columns > _BASIS_BLOCKS * width:
            basis, images = vectors, vector_images
        fresh = _complement(residuals[:, inexact if early else ~converged], basis, columns)
        if fresh.shape[1] == 0 and narrow:  # the operator does not leave the basis
            fresh = _complement(
                draws.standard_normal((dim, min(columns, dim - basis.shape[1]))), basis, columns
            )
        if fresh.shape[1] == 0:
            break
        basis, images = np.hstack([basis, fresh]), np.hstack([images, apply(fresh)])
        n_passes += 1
    errors = np.where(converged, errors, 2 * errors)
    vectors = fix_signs(vectors[:, :n_modes])
    return Eigenpairs(values[:n_modes], vectors, errors[:n_modes], converged[:n_modes], n_passes)


def _rayleigh_ritz(
    basis: np.ndarray, images: np.ndarray, width: int
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Within the span of ``basis``: norm of the operator, its ``width`` largest eigenpairs, their images."""
    values, rotation = scipy.linalg.eigh(basis.T @ images)
    best = rotation[:, ::-1][:, :width]
    return float(np.abs(values[[0, -1]]).max()), values[::-1][:width], basis @ best, images @ best


def _complement(directions: np.ndarray, basis: np.ndarray, most: int) -> np.ndarray:
    """Orthonormal basis of what ``directions`` add to the span of ``basis``, its ``most`` main directions.

    No columns if they add nothing.
    """
    if directions.shape[1] == 0:
        return directions
    fresh = directions / np.linalg.norm(directions, axis=0)
    for _ in range(2):  # twice is enough (Kahan, Parlett)
        fresh -= basis @ (basis.T @ fresh)
    weights, rotation = scipy.linalg.eigh(fresh.T @ fresh)
    kept = (weights > _DEPENDENT) & (np.arange(len(weights)) >= len(weights) - most)
    fresh = np.linalg.qr(fresh @ rotation[:, kept])[0]
    return np.linalg.qr(fresh - basis @ (basis.T @ fresh))[0]
