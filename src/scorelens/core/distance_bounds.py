"""Lower bounds of squared distances by one matrix product, safe against its rounding."""

from __future__ import annotations

import math
from typing import NamedTuple, final

import torch
from torch import Tensor

_UNDERFLOW = 1e-30
"""Larger than all that products of numbers near one lose to underflow in float32."""


class _Points(NamedTuple):
    """Points in a frame, ``(m, d)``, and half their squared norms less the rounding, ``(m,)``."""

    rows: Tensor
    half_squares: Tensor


class _Queries(NamedTuple):
    """Queries in a frame, ``(q, d)``, and their squared norms less the rounding, ``(q,)`` float64."""

    rows: Tensor
    floor: Tensor


@final
class Frame(NamedTuple):
    """Coordinates around ``centre (d,)`` in units of ``unit`` (a power of two), of precision ``dtype``.

    With ``x``, ``y`` in these coordinates, ``u`` the unit roundoff and ``g`` the product ``x . y`` as
    computed, ``|x - y|^2 >= (|x|^2 + |y|^2) (1 - slack) - 2 g`` for any order of summation: the error of
    ``g`` is at most ``d u |x| |y| / (1 - d u)``, that of the squares no more, and coordinates are off by a
    few ``u``.
    """

    centre: Tensor
    unit: float
    dtype: torch.dtype
    slack: float

    @classmethod
    def around(cls, centre: Tensor, spread: float, x: Tensor, dtype: torch.dtype) -> Frame:
        """A frame for points with values within ``spread`` of ``centre``, and queries ``x (q, d)``.

        Raises ``ValueError`` for numbers whose squares overflow float64.
        """
        away = float((x.double() - centre.double()).abs().max()) if len(x) else 0.0
        size = max(spread, away)
        if not size * math.sqrt(len(centre)) < 1e150:
            raise ValueError("points and queries are too large for float64 squares; rescale them")
        unit = 2.0 ** math.ceil(math.log2(size)) if size > 0 else 1.0
        wide = torch.float64 if len(centre) * torch.finfo(dtype).eps > 0.1 else dtype
        return cls(centre, unit, wide, _slack(len(centre), wide))

    def queries(self, x: Tensor) -> _Queries:
        """The queries ``x (q, d)`` in this frame."""
        rows = self._placed(x)
        return _Queries(rows, _squares(rows) * (1 - self.slack) - _UNDERFLOW)

    def points(self, y: Tensor) -> _Points:
        """The points ``y (m, d)`` in this frame."""
        rows = self._placed(y)
        return _Points(rows, (_squares(rows) * ((1 - self.slack) / 2)).to(self.dtype))

    def square(self, value: Tensor) -> Tensor:
        """A squared length in this frame, in the units of the data."""
        return value * self.unit**2

    def _placed(self, rows: Tensor) -> Tensor:
        wide = torch.promote_types(rows.dtype, self.dtype)
        return (rows.to(wide) - self.centre.to(wide)).mul_(1 / self.unit).to(self.dtype)


def bounded_below(queries: Tensor, points: _Points) -> Tensor:
    """``(|y|^2 (1 - slack) - 2 x . y) / 2`` of all pairs, ``(q, m)``; with `_Queries.floor` half a bound."""
    return torch.addmm(points.half_squares, queries, points.rows.T, alpha=-1)


def exact_squares(x: Tensor, y: Tensor, pairs: Tensor, most: int) -> Tensor:
    """``|x_i - y_j|^2`` from differences in float64 for the (row, column) ``pairs (p, 2)``, shape ``(p,)``.

    At most ``most`` differences are held at once.
    """
    parts = pairs.split(max(1, most // x.shape[1]))
    return torch.cat([square_norms(y[p[:, 1]], x[p[:, 0]]) for p in parts])


def square_norms(y: Tensor, x: Tensor) -> Tensor:
    """``|y_i - x_i|^2`` of rows ``(p, d)``, float64, shape ``(p,)``; ``y`` may be overwritten."""
    return torch.linalg.vector_norm(y.double().sub_(x), dim=1).square_()


def _squares(rows: Tensor) -> Tensor:
    return torch.linalg.vector_norm(rows, dim=1).double().square()


def _slack(d: int, dtype: torch.dtype) -> float:
    unit = torch.finfo(dtype).eps / 2
    rounding = (2 * d + 32) * unit
    # TF32 and bfloat16 products round their factors, where they are allowed.
    factors = {"highest": 0.0, "high": 2.0**-9, "medium": 2.0**-6}[torch.get_float32_matmul_precision()]
    return 1.05 * rounding / (1 - rounding) + (factors if dtype == torch.float32 else 0.0)
