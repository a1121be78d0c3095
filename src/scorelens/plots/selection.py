"""Which modes and steps a figure shows when there are more than a reader can tell apart."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks


def log_spaced(n: int, count: int) -> np.ndarray:
    """At most ``count`` indices of ``range(n)``, log-spaced in ``index + 1``, first and last included.

    Raises ``ValueError`` if either number is below 1.

    >>> log_spaced(1000, 4)
    array([  0,   9,  99, 999])
    >>> log_spaced(3, 8)
    array([0, 1, 2])
    """
    checks.at_least("n", n, 1, "there is nothing to show")
    checks.at_least("count", count, 1)
    if n <= count:
        return np.arange(n)
    chosen = np.unique(np.geomspace(1, n, count).round().astype(int))
    while len(chosen) < count:  # rounding merges the small ones: fill the gaps from the front
        missing = np.setdiff1d(np.arange(1, n + 1), chosen)
        chosen = np.union1d(chosen, missing[:1])
    return chosen - 1


def evenly_spaced(n: int, count: int) -> np.ndarray:
    """At most ``count`` indices of ``range(n)``, evenly spaced, first and last included.

    >>> evenly_spaced(9, 3)
    array([0, 4, 8])
    """
    checks.at_least("n", n, 1, "there is nothing to show")
    checks.at_least("count", count, 1)
    return np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(int))
