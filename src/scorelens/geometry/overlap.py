"""How much two eigenbases share: between points, noise levels, training steps or models."""

from __future__ import annotations

from dataclasses import dataclass

import scipy.optimize
import torch
from torch import Tensor

from scorelens.core import checks


@dataclass(frozen=True)
class Overlap:
    """What frames ``(b, d, k)`` and ``(b, d, l)`` of orthonormal columns share, pair by pair.

    Vectors within a repeated eigenvalue are arbitrary: their subspace can agree where they do not.
    """

    subspace: Tensor
    """``(b,)``: mean squared cosine of the ``min(k, l)`` principal angles; 1 if one holds the other."""
    chance: float
    """What random subspaces share on average: ``max(k, l) / d``."""
    cosines: Tensor
    """``(b, min(k, l))``: of the principal angles, descending."""
    matched: Tensor
    """``(b, min(k, l))``: squared cosines of vectors matched one to one for the largest sum, in the order
    of the first frame (of the second if that has fewer)."""
    in_order: Tensor
    """``(b, min(k, l))``: squared cosines of vectors of the same rank."""


def overlap(first: Tensor, second: Tensor) -> Overlap:
    """Of two frames ``(d, k)`` or ``(b, d, k)``; one of ``b = 1`` meets all of the other.

    Raises ``ValueError`` for other shapes, different dimensions, or columns that are not orthonormal to 1e-3.

    >>> found = overlap(torch.eye(4)[:, :2], torch.eye(4)[:, 1:3])
    >>> found.subspace.item(), found.chance, found.matched.tolist(), found.in_order.tolist()
    (0.5, 0.5, [[0.0, 1.0]], [[0.0, 0.0]])
    """
    left, right = _frame("first", first), _frame("second", second)
    if left.shape[1] != right.shape[1] or len({len(left), len(right)} - {1}) > 1:
        raise ValueError(
            f"frames must have one dimension d and as many points, got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    products = left.mT @ right
    fewer = min(products.shape[1:])
    cosines = torch.linalg.svdvals(products).clamp(max=1.0)
    squares = products.square()
    in_order = squares[:, :fewer, :fewer].diagonal(dim1=1, dim2=2)
    matched = torch.stack([_matched(table) for table in squares])
    chance = max(products.shape[1:]) / left.shape[1]
    return Overlap(cosines.square().mean(1), chance, cosines, matched, in_order)


def overlap_table(frames: Tensor) -> Tensor:
    """``subspace`` overlaps of ``n`` frames ``(n, d, k)`` with one another: ``(n, n)``, ones on the diagonal.

    >>> overlap_table(torch.stack([torch.eye(3)[:, :1], torch.eye(3)[:, 1:2]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    stacked = _frame("frames", frames)
    return torch.stack([overlap(one, stacked).subspace for one in stacked])


def _matched(table: Tensor) -> Tensor:
    by_rows = table if table.shape[0] <= table.shape[1] else table.mT
    rows, columns = scipy.optimize.linear_sum_assignment(by_rows.numpy(), maximize=True)
    return by_rows[rows, columns]


def _frame(name: str, columns: Tensor) -> Tensor:
    frame = columns.detach().double().cpu()
    frame = frame[None] if frame.ndim == 2 else frame
    if frame.ndim != 3 or frame.numel() == 0 or frame.shape[2] > frame.shape[1]:
        raise ValueError(
            f"{name} must have shape (d, k) or (b, d, k) with k <= d, got {tuple(columns.shape)}"
        )
    checks.finite(name, frame.numpy())
    off = (frame.mT @ frame - torch.eye(frame.shape[2]).double()).abs().max()
    if off > 1e-3:
        raise ValueError(f"{name} must have orthonormal columns, off by {float(off):.1e}; take its QR factor")
    return frame
