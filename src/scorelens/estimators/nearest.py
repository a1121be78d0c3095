"""The nearest of any number of points, by exact blockwise search, and the softmax over these alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from scorelens.estimators.streamed_softmax import (
    Points,
    Sums,
    block_size,
    bounded_in_memory,
    including,
    no_sums,
    products,
)

SPARE = 16
"""Points beyond those wanted that are ranked again by exact distances."""


class Nearest(NamedTuple):
    """``columns (batch, k)``, unordered, of the nearest points; ``others (batch,)`` bounds the rest.

    Every other point lies at a squared distance of at least ``others`` (float64), rounding included.
    """

    columns: Tensor
    others: Tensor

    def blocks(self, points: Tensor) -> Iterator[Tensor]:
        """The points ``(batch, c, d)`` in blocks of bounded memory, float64."""
        size = block_size(self.columns.shape[0] * points.shape[1])
        return (points[part].double() for part in self.columns.split(size, dim=1))


def nearest(x: Tensor, points: Points, count: int) -> Nearest:
    """The ``count < n`` nearest of the ``points`` to each of ``x (batch, d)``.

    A matrix product ranks all points and differences in float64 rank the best once more. An event for which
    the rounding of the product could have hidden a near point is searched again with products in float64.
    """
    with torch.no_grad():
        found, sure = _search(x, points, count, points.values.dtype)
        unsure = (~sure).nonzero()[:, 0]
        if len(unsure) and points.values.dtype == torch.float32:
            again, _ = _search(x[unsure], points, count, torch.float64)
            for old, new in zip(found, again, strict=True):
                old[unsure] = new
    return found


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


def _search(x: Tensor, points: Points, count: int, dtype: torch.dtype) -> tuple[Nearest, Tensor]:
    """The nearest points, and for which events (mask ``(batch,)``) they surely are the nearest."""
    n = len(points.values)
    columns, worst = _best_products(x, points, min(n, count + SPARE), dtype)
    blocks = Nearest(columns, worst).blocks(points.values)
    squares = torch.cat([_squares(x.double(), y) for y in blocks], dim=1)
    chosen = squares.topk(count + 1, dim=1, largest=False, sorted=True)
    nearest_left = chosen.values[:, count] * (1 - _relative(x, torch.float64))
    if columns.shape[1] == n:
        beyond = torch.full_like(nearest_left, torch.inf)
    else:
        beyond = x.double().square().sum(1) - 2 * worst - 2 * _rounding(x, points, dtype)
    found = Nearest(columns.gather(1, chosen.indices[:, :count]), torch.minimum(nearest_left, beyond))
    return found, chosen.values[:, count - 1] <= beyond


def _best_products(x: Tensor, points: Points, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Columns ``(batch, count)`` of the largest ``x . y - |y|^2 / 2``, and the least of these, float64."""
    values = torch.empty(len(x), 0, dtype=dtype, device=x.device)
    columns, start = torch.empty(len(x), 0, dtype=torch.long, device=x.device), 0
    for block in points.blocks(len(x)):
        rough = products(x.to(dtype), Points(block.values.to(dtype), block.half_squares))
        best, where = largest(rough, min(count, rough.shape[1]))
        both, places = torch.cat([values, best], 1), torch.cat([columns, where + start], 1)
        values, kept = both.topk(min(count, both.shape[1]), dim=1, sorted=False)
        columns = places.gather(1, kept)
        start += len(block.values)
    return columns, values.amin(1).double()


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` largest of each row and their columns, ``(batch, count)``, unordered.

    They lie in the ``count`` groups of columns with the largest maxima: two small rankings, not a large one.

    >>> largest(torch.tensor([[0.0, 5.0, 3.0, 4.0, 1.0, 2.0, 7.0, 6.0]]), 2)
    (tensor([[7., 6.]]), tensor([[6, 7]]))
    """
    per_group = math.isqrt(values.shape[1] // count)
    n_groups = values.shape[1] // per_group
    grouped = values[:, : per_group * n_groups].unflatten(1, (per_group, n_groups))
    groups = grouped.amax(1).topk(min(count, n_groups), dim=1, sorted=False).indices
    members = groups[:, None] + n_groups * torch.arange(per_group, device=values.device)[:, None]
    rest = torch.arange(per_group * n_groups, values.shape[1], device=values.device)
    columns = torch.cat([members.flatten(1), rest.expand(len(values), -1)], 1)
    best = values.gather(1, columns).topk(count, dim=1)
    return best.values, columns.gather(1, best.indices)


def _rounding(x: Tensor, points: Points, dtype: torch.dtype) -> Tensor:
    """No product ``x . y - |y|^2 / 2`` errs by more, ``(batch,)``: ``d`` terms of one sum, and a few more."""
    largest = (2 * points.half_squares.max()).sqrt()
    size = x.double().norm(dim=1) + largest
    return _relative(x, dtype) * size**2


def _relative(x: Tensor, dtype: torch.dtype) -> float:
    return (x.shape[1] + 8) * torch.finfo(dtype).eps


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances ``(batch, c)`` of ``x (batch, d)`` to its own points ``y (batch, c, d)``."""
    return (x.double()[:, None] - y).square().sum(2)
