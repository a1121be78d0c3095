"""Ways to solve the normal equations of score matching: exactly, through a filter, or with a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.core.filters import Filter, MinimumNorm
from scorelens.estimators.equations.normal_equations import NormalEquations


@final
@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients ``theta``, and what is left of the equations: ``residual = |A theta + b|``.

    ``bounded`` is false where the objective has no minimum, so that ``theta`` is of the regularizer's making.
    """

    theta: np.ndarray
    residual: float
    bounded: bool
    rank: int


def solve_exactly(equations: NormalEquations) -> Solution:
    """The unique solution, by Cholesky after scaling the diagonal to 1.

    Raises ``ValueError`` where there is none or more than one: the message says which.

    >>> solve_exactly(NormalEquations([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])).theta
    array([-1. , -0.5])
    """
    factor = _cholesky(equations.matrix)
    if factor is None:
        raise ValueError(_why_singular(equations))
    scale, lower = factor
    theta = _solve(scale, lower, -equations.vector)
    return Solution(theta, equations.residual(theta), True, equations.n_features)


def solve_filtered(
    equations: NormalEquations, spectral_filter: Filter | None = None, penalty: ArrayLike | None = None
) -> Solution:
    """``theta = -filter(A) b``: minimum norm ([S9]) unless another filter is given.

    ``penalty`` is the diagonal of a matrix ``Lambda``, entries > 0: the filter then acts on
    ``Lambda^-1/2 A Lambda^-1/2``, so that ``Ridge(tau)`` is ``-(A + tau Lambda)^-1 b`` ([S10], [S15]) and the
    minimum norm is that of ``Lambda^1/2 theta``. Eigenvalues beyond the numerical rank count as 0.
    """
    spectral_filter = MinimumNorm() if spectral_filter is None else spectral_filter
    root = np.ones(equations.n_features) if penalty is None else np.sqrt(_diagonal(equations, penalty, "> 0"))
    scaled = equations if (root == 1).all() else equations.divided(root)
    eigen = scaled.eigen
    gain = spectral_filter(eigen.values)
    coefficients = eigen.vectors.T @ scaled.vector
    theta = -(eigen.vectors @ (gain * coefficients.T).T).T / root
    theta = theta.T
    return Solution(theta, equations.residual(theta), equations.existence.bounded, eigen.rank)


def solve_penalized(equations: NormalEquations, strength: float, penalty: ArrayLike) -> Solution:
    """``-(A + tau Lambda)^-1 b`` for a diagonal ``Lambda >= 0`` that may leave some features free ([S10]).

    Raises ``ValueError`` where a direction is seen neither by the matrix nor by the penalty. As ``strength``
    falls to 0 the solution diverges like its inverse, unless the equations are consistent.
    """
    checks.positive("strength", strength, "for no penalty use solve_exactly")
    weight = _diagonal(equations, penalty, ">= 0")
    factor = _cholesky(equations.matrix + strength * np.diag(weight))
    if factor is None:
        raise ValueError(
            f"matrix + {strength:g} penalty is singular: the penalty leaves free "
            f"{int((weight == 0).sum())} features, some of which the samples do not see; penalise them too"
        )
    theta = _solve(*factor, -equations.vector)
    return Solution(theta, equations.residual(theta), equations.existence.bounded, equations.n_features)


def solve_least_squares(
    equations: NormalEquations, penalty: ArrayLike, linear: ArrayLike | None = None
) -> Solution:
    """The least-squares solution that minimises ``1/2 theta^T Lambda theta - q^T theta`` ([S11]).

    ``penalty`` is the diagonal of ``Lambda``, entries >= 0; ``linear`` is ``q`` (0 if not given). Raises
    ``ValueError`` where the penalty is singular on the directions that the samples do not see.
    """
    weight = _diagonal(equations, penalty, ">= 0")
    pull = np.zeros_like(equations.vector) if linear is None else np.asarray(linear, dtype=float)
    if pull.shape != equations.vector.shape:
        raise ValueError(f"linear must have the shape {equations.vector.shape}, got {pull.shape}")
    checks.finite("linear", pull)
    least = solve_filtered(equations).theta
    kernel = equations.eigen.kernel
    if kernel.shape[1] == 0:
        return Solution(least, equations.residual(least), True, equations.n_features)
    factor = _cholesky(kernel.T @ (weight[:, None] * kernel))
    if factor is None:
        raise ValueError(
            f"penalty is singular on the {kernel.shape[1]} directions that the samples do not see; "
            "give every feature a penalty > 0"
        )
    theta = least + kernel @ _solve(*factor, kernel.T @ (pull - (weight * least.T).T))
    return Solution(theta, equations.residual(theta), equations.existence.bounded, equations.eigen.rank)


def _diagonal(equations: NormalEquations, penalty: ArrayLike, bound: str) -> np.ndarray:
    weight = np.asarray(penalty, dtype=float)
    if weight.shape != (equations.n_features,):
        raise ValueError(
            f"penalty must hold {equations.n_features} entries, one per feature, got {weight.shape}"
        )
    check = checks.positive if bound == "> 0" else checks.non_negative
    check("penalty", weight, "a free feature needs solve_penalized" if bound == "> 0" else "")
    return weight


def _cholesky(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Scaling and Cholesky factor, or None if the scaled matrix is singular to working precision."""
    diagonal = np.diag(matrix)
    if not (diagonal > 0).all():
        return None
    scale = np.sqrt(diagonal)
    scaled = matrix / np.outer(scale, scale)
    try:
        lower = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        return None
    norm = np.abs(scaled).sum(axis=0).max()
    (reciprocal_condition,) = scipy.linalg.get_lapack_funcs(("pocon",), (lower,))
    if reciprocal_condition(lower.T, norm)[0] < len(matrix) * np.finfo(float).eps:
        return None
    return scale, lower


def _solve(scale: np.ndarray, lower: np.ndarray, right: np.ndarray) -> np.ndarray:
    solved = scipy.linalg.cho_solve((lower, True), (right.T / scale).T)
    return (solved.T / scale).T


def _why_singular(equations: NormalEquations) -> str:
    found = equations.existence
    shape = f"the normal equations are singular: rank {found.rank} of {found.n_features} features"
    unseen = np.flatnonzero(np.diag(equations.matrix) == 0)
    seen = f"; features {unseen.tolist()} are not seen by any sample" if len(unseen) else ""
    if not found.bounded:
        return (
            f"{shape}, and inconsistent: the objective has no minimum, |A theta + b| stays above "
            f"{found.residual:.3g}{seen}; use a penalty, a cut-off or noise"
        )
    return f"{shape}, so the solution is not unique{seen}; drop dependent features or use a filter"
