"""The softmax average over any number of points, met in blocks of bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BLOCK = 2**21
"""Most numbers per block that are held at once, in each of a few arrays."""

PAIRS = 2**14
"""Most pairs of an event and a point whose difference is formed at once."""

NEGLIGIBLE = -80.0
"""Logit below the peak whose weight is set to zero: denormal numbers would slow the products tenfold."""

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
"""Typical rounding error of a logit up to which matrix products are good enough."""


class Sums(NamedTuple):
    """Of ``exp(logit - peak)``: ``total (batch,)`` and ``point (batch, d)``; all float64."""

    peak: Tensor
    total: Tensor
    point: Tensor


class Points(NamedTuple):
    """Points ``(n, d)`` and half their squared norms ``(n,)``, float64."""

    values: Tensor
    half_squares: Tensor

    def blocks(self, per_point: int) -> Iterator[Points]:
        """The points in blocks, for work that holds ``per_point`` numbers for each of them."""
        size = block_size(per_point)
        return map(Points, self.values.split(size), self.half_squares.split(size))


def block_size(per_point: int) -> int:
    """How many points make a block, for work that holds ``per_point`` numbers for each of them."""
    return max(1, BLOCK // max(1, per_point))


def softmax_sums(x: Tensor, sigma: Tensor, points: Points) -> Sums:
    """Sums of the softmax of ``-|x - y|^2 / 2 sigma^2`` over the points ``y``, for ``x (batch, d)``.

    Matrix products where these are exact enough in the points' dtype, event by event, else differences.
    """
    coarse = blur(x, sigma, points) > TOLERANCE[points.values.dtype]
    if not coarse.any():
        return by_products(x, sigma, points)
    if coarse.all():
        return by_differences(x, sigma, points)
    parts = by_products(x[~coarse], sigma[~coarse], points), by_differences(x[coarse], sigma[coarse], points)
    order = torch.cat([(~coarse).nonzero()[:, 0], coarse.nonzero()[:, 0]]).argsort()
    return Sums(*(torch.cat(pair)[order] for pair in zip(*parts, strict=True)))


def blur(x: Tensor, sigma: Tensor, points: Points) -> Tensor:
    """Typical rounding error of a logit that is formed by matrix products, ``(batch,)``, float64."""
    largest = points.half_squares.max()
    size = x.detach().double().norm(dim=1) * (2 * largest).sqrt() + largest
    return 4 * torch.finfo(points.values.dtype).eps * size / sigma.detach().double() ** 2


def by_products(x: Tensor, sigma: Tensor, points: Points) -> Sums:
    """The sums with logits from ``x . y - |y|^2 / 2``: two matrix products with the points."""
    sums = no_sums(x)
    for block in points.blocks(len(x)):
        sums = bounded_in_memory(
            lambda x, *s, b=block: including(Sums(*s), _rough(x, sigma, b), b.values), x, sums
        )
    common = x.double().square().sum(1) / (2 * sigma.double() ** 2)
    return sums._replace(peak=sums.peak - common)


def by_differences(x: Tensor, sigma: Tensor, points: Points) -> Sums:
    """The sums with logits from ``x - y`` in float64, for the points whose weight is not negligible.

    Products choose these points: what is left out weighs less than ``exp(-40)`` altogether.
    """
    safety = 2 * (math.sqrt(x.shape[1]) + 4)
    margin = 40 + math.log(len(points.values)) + safety * blur(x, sigma, points)
    sums, best = no_sums(x), torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    for block in points.blocks(len(x)):
        rough = _rough(x.detach(), sigma.detach(), block).double()
        best = torch.maximum(best, rough.amax(1))
        pairs = (rough > (best - margin)[:, None]).nonzero()
        if len(pairs):
            sums = bounded_in_memory(
                lambda x, *s, p=pairs, b=block: including(Sums(*s), _exact(x, sigma, b.values, p), b.values),
                x,
                sums,
            )
    return sums


def no_sums(x: Tensor) -> Sums:
    """The sums over no point at all."""
    zero = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    return Sums(zero - torch.inf, zero, torch.zeros(x.shape, dtype=torch.float64, device=x.device))


def _rough(x: Tensor, sigma: Tensor, block: Points) -> Tensor:
    """Logits ``(batch, m)`` in the points' dtype, less ``-|x|^2 / 2 sigma^2``."""
    dtype = block.values.dtype
    return products(x.to(dtype), block) / sigma[:, None].to(dtype) ** 2


def products(x: Tensor, block: Points) -> Tensor:
    """``x . y - |y|^2 / 2``, ``(batch, m)``, largest for the nearest point; ``x`` in the points' dtype."""
    return torch.addmm(block.half_squares.to(x.dtype), x, block.values.T, beta=-1)


def _exact(x: Tensor, sigma: Tensor, points: Tensor, pairs: Tensor) -> Tensor:
    """Logits ``(batch, m)`` in float64 of the ``(row, column)`` pairs; minus infinity elsewhere."""
    squares = [
        (x[rows].double() - points[columns].double()).square().sum(1)
        for rows, columns in (part.unbind(1) for part in pairs.split(PAIRS))
    ]
    rows, columns = pairs.unbind(1)
    logits = -torch.cat(squares) / (2 * sigma.double()[rows] ** 2)
    nowhere = torch.full((len(x), len(points)), -torch.inf, dtype=torch.float64, device=x.device)
    return nowhere.index_put((rows, columns), logits)


def including(sums: Sums, logits: Tensor, points: Tensor) -> Sums:
    """``sums`` with one more block of points, ``(m, d)`` or each event's own, ``(batch, m, d)``.

    The ``logits (batch, m)`` are overwritten.
    """
    peak = torch.maximum(sums.peak, logits.detach().amax(1).double())
    below = logits.sub_(peak[:, None].to(logits.dtype))  # in place: no second block is held
    weights = torch.nn.functional.threshold(below, NEGLIGIBLE, -torch.inf).exp_()
    shrunk = (sums.peak - peak).exp()
    total = sums.total * shrunk + weights.sum(1, dtype=torch.float64)
    point = sums.point * shrunk[:, None] + _weighted(weights.to(points.dtype), points).double()
    return Sums(peak, total, point)


def _weighted(weights: Tensor, points: Tensor) -> Tensor:
    return weights @ points if points.ndim == 2 else (weights[:, None] @ points)[:, 0]


def bounded_in_memory(step: Callable[..., Sums], x: Tensor, sums: Sums) -> Sums:
    """``step(x, *sums)``; under autograd only its inputs are kept, and the backward pass repeats it."""
    if torch.is_grad_enabled() and x.requires_grad:
        return Sums(*checkpoint(step, x, *sums, use_reentrant=False, preserve_rng_state=False))
    return step(x, *sums)
