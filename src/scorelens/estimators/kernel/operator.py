"""The kernel matrix of the samples as an operator: kept where it fits in memory, recomputed where not."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from scorelens.estimators.kernel.kernels import Kernel, blocks, squared_distances

KEPT_BYTES = 2**30
"""Memory for kernel values that are kept between products."""


@final
class SampleOperator:
    """``f(X) -> (L f)(X) = (1/N) sum_n Gamma(X, x_n) f(x_n)`` on vectors ``(n, d)``."""

    def __init__(self, gamma: Kernel, points: Tensor) -> None:
        self._gamma, self._points = gamma, points
        self._rows = list(blocks(points, len(points)))
        n_bytes = 8 * len(points) ** 2 * len(gamma.weights(points.new_zeros(1, 1)))
        self._kept = [self._weights(rows) for rows in self._rows] if n_bytes <= KEPT_BYTES else None

    def __call__(self, vectors: Tensor) -> Tensor:
        weights = self._kept or (self._weights(rows) for rows in self._rows)
        parts = [
            self._gamma.apply(part, rows, self._points, vectors)
            for part, rows in zip(weights, self._rows, strict=True)
        ]
        return torch.cat(parts) / len(self._points)

    def _weights(self, rows: Tensor) -> tuple[Tensor, ...]:
        return self._gamma.weights(squared_distances(rows, self._points))
