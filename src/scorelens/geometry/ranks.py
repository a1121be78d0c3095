"""Effective ranks: how many directions a matrix really uses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks

ETA = 0.99
"""Share of the Frobenius norm that the energy rank keeps (wang2024molrg): 0.9801 of the squares."""


class EffectiveRanks(NamedTuple):
    """Effective ranks of matrices, each of the shape ``(...)`` of the matrices.

    ``trace`` is the sum of the singular values, ``entropy`` ``exp(-sum q log q)`` with ``q`` their shares of
    the sum, ``participation`` the square of the sum over the sum of squares, ``energy`` the smallest ``r``
    whose leading ``r`` hold more than ``eta`` of the Frobenius norm (geometry, [P20]). All but the trace are
    free of scale; all but the trace and the energy rank lie between 1 and the rank.
    """

    trace: np.ndarray
    entropy: np.ndarray
    participation: np.ndarray
    energy: np.ndarray


def effective_ranks(singular_values: ArrayLike, eta: float = ETA) -> EffectiveRanks:
    """Effective ranks of matrices with the given ``singular_values (..., n)``, all of them, in any order.

    For the trace to count degrees of freedom, give those of the Jacobian ``s dD/dx_t`` (for ``s = 1`` that of
    the denoiser). ``eta`` is a share of the Frobenius norm, not of the energy.
    A matrix of zeros has all ranks 0. Computed in float64 from values relative to the largest.

    Raises ``ValueError`` for a negative value (eigenvalues of a symmetric matrix may be: give their absolute
    values), one that is not finite, none at all, and an ``eta`` outside ``0 <= eta < 1``.

    >>> effective_ranks([1.0, 1.0, 0.0])
    EffectiveRanks(trace=array(2.), entropy=array(2.), participation=array(2.), energy=array(2))
    """
    values = np.sort(np.asarray(singular_values, dtype=float), axis=-1)[..., ::-1]
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"singular_values must have shape (..., n) with n > 0, got {values.shape}")
    checks.non_negative("singular_values", values, "of a symmetric matrix, give |eigenvalues|")
    if not 0 <= eta < 1:
        raise ValueError(f"eta must be >= 0 and < 1, got {eta:g}; {ETA:g} is usual")
    largest = values[..., :1]
    relative = values / np.where(largest > 0, largest, 1.0)
    total, squares = relative.sum(-1), relative**2
    some = total > 0
    share = relative / np.where(some, total, 1.0)[..., None]
    surprise = -(share * np.log(np.where(share > 0, share, 1.0))).sum(-1)
    participation = total**2 / np.where(some, squares.sum(-1), 1.0)
    kept = np.sqrt(np.cumsum(squares, axis=-1))
    energy = np.where(some, 1 + (kept <= eta * kept[..., -1:]).sum(-1), 0)
    entropy = np.where(some, np.exp(surprise), 0.0)
    return EffectiveRanks(*map(np.asarray, (values.sum(-1), entropy, participation, energy)))
