"""Authenticity: is a sample farther from its nearest training point than that point is from the others?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from scorelens.generalization.memorization.intervals import Estimate, share


@final
@dataclass(frozen=True, eq=False)
class Authenticity:
    """Share of authentic samples, and the same of held-out points: what fresh data of the same law have.

    A sample is authentic if the training point nearest to it has another training point nearer than the
    sample. Fresh data are not all authentic: two points are often each other's nearest. So the share is to
    be read against ``held_out``, with as many training points. ``authentic`` is the mask ``(n,)``.
    """

    share: Estimate
    held_out: Estimate
    authentic: np.ndarray = field(repr=False)
    reference: ClassVar[str] = "alaa2022"


def authenticity(
    distances: np.ndarray,
    gaps: np.ndarray,
    held_out_distances: np.ndarray,
    held_out_gaps: np.ndarray,
    level: float = 0.95,
) -> Authenticity:
    """From distances to the nearest training point, and the ``gaps`` from it to its own nearest other one.

    Shapes ``(n,)`` for samples, ``(h,)`` for held-out points.

    >>> one = np.ones(1)
    >>> authenticity(0.1 * one, one, 3 * one, one).share.value
    0.0
    """
    own, fresh = gaps < distances, held_out_gaps < held_out_distances
    of_samples, of_held_out = (share(int(mask.sum()), len(mask), level) for mask in (own, fresh))
    return Authenticity(of_samples, of_held_out, own)
