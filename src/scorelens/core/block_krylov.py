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
    rounding), or after ``max_passes`` applications (as many more as fill the basis). The result depends on
    ``seed`` and nothing else that is random.

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
    aim = _Aim(n_modes, width, columns, tolerance, max_passes, precision, semidefinite)
    return _iterated(apply, dim, aim, np.random.default_rng(seed))


class _Aim(NamedTuple):
    """What is asked for: ``width`` modes are followed, of which ``n_modes`` count, by ``columns`` a pass."""

    n_modes: int
    width: int
    columns: int
    tolerance: float
    max_passes: int
    precision: float
    semidefinite: bool


def _iterated(
    apply: Callable[[np.ndarray], np.ndarray], dim: int, aim: _Aim, draws: np.random.Generator
) -> Eigenpairs:
    basis = np.linalg.qr(draws.standard_normal((dim, aim.columns)))[0]
    images = apply(basis)
    n_passes = 1
    while True:
        best = _rayleigh_ritz(basis, images, aim)
        narrow = basis.shape[1] < aim.width
        early = n_passes < _LEAST_PASSES or narrow
        done = best.converged[: aim.n_modes].all() and not early
        if done or (n_passes >= aim.max_passes and not narrow):
            return best.leading(aim.n_modes, n_passes)
        if basis.shape[1] + aim.columns > _BASIS_BLOCKS * aim.width:
            basis, images = best.vectors, best.images
        fresh = _complement(best.residuals[:, best.inexact if early else ~best.converged], basis, aim.columns)
        if fresh.shape[1] == 0 and narrow:  # the operator does not leave the basis
            more = min(aim.columns, dim - basis.shape[1])
            fresh = _complement(draws.standard_normal((dim, more)), basis, aim.columns)
        if fresh.shape[1] == 0:
            return best.leading(aim.n_modes, n_passes)
        basis, images = np.hstack([basis, fresh]), np.hstack([images, apply(fresh)])
        n_passes += 1


class _Ritz(NamedTuple):
    """The best pairs that a basis holds, with their images; ``inexact`` errors are above rounding."""

    values: np.ndarray
    vectors: np.ndarray
    images: np.ndarray
    residuals: np.ndarray
    errors: np.ndarray
    inexact: np.ndarray
    converged: np.ndarray

    def leading(self, n_modes: int, n_passes: int) -> Eigenpairs:
        errors = np.where(self.converged, self.errors, 2 * self.errors)[:n_modes]
        vectors = fix_signs(self.vectors[:, :n_modes])
        return Eigenpairs(self.values[:n_modes], vectors, errors, self.converged[:n_modes], n_passes)


def _rayleigh_ritz(basis: np.ndarray, images: np.ndarray, aim: _Aim) -> _Ritz:
    """The largest eigenpairs within the span of ``basis``, held against the norm that is seen there."""
    values, rotation = scipy.linalg.eigh(basis.T @ images)
    rounding = aim.precision * float(np.abs(values[[0, -1]]).max())
    best = rotation[:, ::-1][:, : aim.width]
    values = values[::-1][: aim.width]
    if aim.semidefinite:
        values = np.maximum(values, 0.0)
    vectors, vector_images = basis @ best, images @ best
    residuals = vector_images - vectors * values
    errors = np.linalg.norm(residuals, axis=0) + rounding
    inexact = errors > 2 * rounding
    converged = ~inexact | (errors <= aim.tolerance * np.abs(values))
    return _Ritz(values, vectors, vector_images, residuals, errors, inexact, converged)


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
