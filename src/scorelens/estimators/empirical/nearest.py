"""The nearest of any number of points, and the softmax over these alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from scorelens.core.nearest_neighbours import NeighbourSearch
from scorelens.estimators.empirical.streamed_softmax import (
    Sums,
    block_size,
    bounded_in_memory,
    including,
    no_sums,
)


class Nearest(NamedTuple):
    """``columns (batch, k)`` of the nearest points, the nearest first; ``others (batch,)`` bounds the rest.

    Every other point lies at a squared distance of at least ``others`` (float64), rounding included.
    """

    columns: Tensor
    others: Tensor

    def blocks(self, points: Tensor) -> Iterator[Tensor]:
        """The points ``(batch, c, d)`` in blocks of bounded memory, float64."""
        size = block_size(self.columns.shape[0] * points.shape[1])
        return (points[part].double() for part in self.columns.split(size, dim=1))


def nearest(x: Tensor, points: Tensor, count: int, center: Tensor, radius: float) -> Nearest:
    """The ``count < n`` nearest of the ``points (n, d)`` to each of ``x (batch, d)``.

    All points lie within ``radius`` of ``center (d,)``. The search is exact; see
    `scorelens.core.nearest_neighbours`.
    """
    search = NeighbourSearch(points, about=(center.to(points.dtype), radius))
    squares, columns = search.squares(x, count + 1)
    rounding = (x.shape[1] + 8) * torch.finfo(torch.float64).eps
    return Nearest(columns[:, :count], squares[:, count] * (1 - rounding))


def nearest_sums(x: Tensor, sigma: Tensor, points: Tensor, found: Nearest) -> Sums:
    """Sums of the softmax of ``-|x - y|^2 / 2 sigma^2`` over the points that were ``found`` alone."""
    sums = no_sums(x)
    for y in found.blocks(points):
        sums = bounded_in_memory(
            lambda x, *s, y=y: including(Sums(*s), -_squares(x, y) / (2 * sigma.double()[:, None] ** 2), y),
            x,
            sums,
        )
    return sums


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances ``(batch, c)`` of ``x (batch, d)`` to its own points ``y (batch, c, d)``."""
    return (x.double()[:, None] - y).square().sum(2)
