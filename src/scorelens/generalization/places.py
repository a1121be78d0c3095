"""Places in the data space, the rows of ``x (p, d)``: checked, and standardised."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks


def places(name: str, x: ArrayLike, dim: int, rows: str = "p") -> np.ndarray:
    """``x`` as float64 ``(p, dim)``; ``ValueError`` for another shape, a NaN or an infinity.

    >>> places("x", [[1, 2]], 2)
    array([[1., 2.]])
    >>> places("x", [1, 2], 2)
    Traceback (most recent call last):
    ValueError: x must have shape (p, 2), got (2,)
    """
    found = np.asarray(x, dtype=float)
    checks.events(name, found.shape, (dim,), rows)
    checks.finite(name, found)
    return found


def standardised(x: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> np.ndarray:
    """``x (p, d)`` in coordinates in which ``N(mean, covariance)`` is ``N(0, I)``; ``(p, d)``.

    Inner products are those of ``x - mean`` under the inverse covariance.

    >>> standardised([[3.0, 0.0]], [1.0, 0.0], [[4.0, 0.0], [0.0, 1.0]])
    array([[1., 0.]])
    """
    center = np.asarray(mean, dtype=float)
    root = np.linalg.cholesky(np.asarray(covariance, dtype=float))
    return np.linalg.solve(root, (places("x", x, len(center)) - center).T).T
