"""Fits to many training sets at once, where those that leave weights undetermined are drawn again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NormalEquations = tuple[np.ndarray, np.ndarray]
"""Second moments ``(count, F, F)`` and products with the target ``(count, F, d)``, sums over samples."""
DRAWS, SPARE_SETS = 100, 10
"""Draws allowed per training set, on average over the sets and these spare ones."""
_TINY = 1e-9


def determined_weights(
    draw: Callable[[int], NormalEquations], count: int, n_samples: int, std: float
) -> np.ndarray:
    """Weights ``(count, F, d)`` of fits to training sets of ``n_samples`` each, which ``draw(count)`` draws.

    Features are orthonormal under the noised data. Sets that leave weights undetermined (an empty bin) are
    drawn again, as [G13] does; raises ``ValueError`` where fewer than about one
    draw in `DRAWS` determines them.
    """
    matrix, vector = draw(count)
    drawn, allowed = count, DRAWS * (count + SPARE_SETS)
    bad = _singular(matrix / n_samples)
    while bad.any():
        again = int(bad.sum())
        if drawn + again > allowed:
            raise ValueError(
                f"{again} of {count} training sets of {n_samples} samples leave some of {matrix.shape[-1]} "
                f"weights undetermined again and again at noise level {std:g}: {drawn} draws made, at most "
                f"{allowed} allowed; take more samples, fewer features or wider bins"
            )
        matrix[bad], vector[bad] = draw(again)
        drawn += again
        bad[bad] = _singular(matrix[bad] / n_samples)
    return np.linalg.solve(matrix, vector)


def _singular(matrix: np.ndarray) -> np.ndarray:
    """Which matrices, near the identity with enough draws, have no inverse."""
    sign, log_volume = np.linalg.slogdet(matrix)
    found = sign <= 0
    small = np.flatnonzero(~found & (log_volume < np.log(_TINY)))  # eigenvalues cost far more
    if small.size:
        found[small] = np.linalg.eigvalsh(matrix[small])[:, 0] <= _TINY
    return found
