"""When to measure."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks


def measurement_steps(steps: int, n_measurements: int) -> tuple[int, ...]:
    """At most ``n_measurements`` distinct steps: 0, then evenly spaced in the logarithm from 1 to ``steps``.

    >>> measurement_steps(1000, 7)
    (0, 1, 4, 16, 63, 251, 1000)
    >>> measurement_steps(3, 24)
    (0, 1, 2, 3)

    Raises ``ValueError`` unless ``steps`` >= 1 and ``n_measurements`` >= 2.
    """
    checks.at_least("steps", steps, 1)
    checks.at_least("n_measurements", n_measurements, 2, "the first and the last step are always measured")
    if n_measurements > steps:
        return tuple(range(steps + 1))
    later = np.geomspace(1, steps, n_measurements - 1) if n_measurements > 2 else np.array([steps])
    rounded = np.rint(later).astype(int)
    for i in range(1, len(rounded)):  # early steps crowd together: spread them over the next free ones
        rounded[i] = max(rounded[i], rounded[i - 1] + 1)
    return (0, *(int(step) for step in rounded))
