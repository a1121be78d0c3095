"""The bandwidth that the data suggest: the median distance between points."""

from __future__ import annotations

import torch
from torch import Tensor

from scorelens.core import checks

_MOST = 2048


def median_bandwidth(x: Tensor) -> float:
    """Median distance between different rows of ``x``, shape ``(n, d)``, in data units.

    Above 2,048 rows, that of 2,048 rows spread evenly over the data. Raises ``ValueError`` for fewer than two
    rows, and where the median is 0 because half the pairs are copies of one another.

    >>> median_bandwidth(torch.tensor([[0.0], [1.0], [3.0]]))
    2.0
    """
    checks.at_least("the number of samples", len(x), 2, "one point has no distances; give a bandwidth")
    rows = x[torch.linspace(0, len(x) - 1, min(len(x), _MOST), device=x.device).round().long()]
    median = float(torch.pdist(rows.double()).median())
    if median == 0:
        distinct = len(torch.unique(rows, dim=0))
        raise ValueError(
            f"the median distance between samples is 0: only {distinct} of {len(rows)} are distinct; "
            "remove duplicated samples (numpy.unique(x, axis=0)) or give a bandwidth > 0"
        )
    return median
