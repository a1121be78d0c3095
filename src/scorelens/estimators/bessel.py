"""Modified Bessel functions as means and norms of von Mises-Fisher laws need them: ratios and logarithms."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
import torch
from scipy.special import ive
from torch import Tensor

_STEADY = 100.0
"""Up to this argument the continued fraction is always short."""


def bessel_ratio(order: float, x: Tensor) -> Tensor:
    """``I_(order+1)(x) / I_order(x)`` for ``x >= 0``, float64, same shape; differentiable to any order.

    ``order`` is at least -1/2. Relative accuracy about 1e-13.

    >>> bessel_ratio(0.5, torch.tensor([2.0]).double())  # coth x - 1 / x
    tensor([0.5373], dtype=torch.float64)
    """
    found: Any = _Ratio.apply(x, float(order))
    return found


def log_bessel(order: float, x: Tensor) -> Tensor:
    """``log(I_order(x) / x^order)`` for ``x >= 0``, float64, same shape, differentiable; ``order >= 0``.

    Neither overflows nor underflows; at 0 it is ``-order log 2 - log Gamma(order + 1)``.

    >>> log_bessel(0.0, torch.tensor([0.0, 1000.0]).double())
    tensor([  0.0000, 995.6273], dtype=torch.float64)
    """
    found: Any = _LogBessel.apply(x, float(order))
    return found


@final
class _Ratio(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: float) -> Tensor:
        ratio = torch.from_numpy(_ratio(order, x.detach().cpu().double().numpy())).to(x.device)
        ctx.order = order
        ctx.save_for_backward(x)
        return ratio

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        ratio, order = bessel_ratio(ctx.order, x), ctx.order
        # A' = 1 - A^2 - (2 order + 1) A / x, which tends to 1 / (2 order + 2) at 0.
        small = x < 1e-8
        safe = torch.where(small, torch.ones_like(x), x)
        slope = 1 - ratio**2 - (2 * order + 1) * ratio / safe
        return grad * torch.where(small, torch.full_like(x, 1 / (2 * order + 2)), slope), None


@final
class _LogBessel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: float) -> Tensor:
        ctx.order = order
        ctx.save_for_backward(x)
        return torch.from_numpy(_log(order, x.detach().cpu().double().numpy())).to(x.device)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return grad * bessel_ratio(ctx.order, x), None  # (log I_v x^-v)' = I_(v+1) / I_v


def _ratio(order: float, x: np.ndarray) -> np.ndarray:
    small = x <= _fraction_reach(order)
    found = np.empty_like(x)
    found[small] = _fraction(order, x[small])[0]
    found[~small] = _large_ratio(order, x[~small])
    return found


def _fraction_reach(order: float) -> float:
    """Arguments up to this need a continued fraction of few terms, and beyond it nothing underflows."""
    return max(_STEADY, 4 * (order + 1))


def _large_ratio(order: float, x: np.ndarray) -> np.ndarray:
    beyond, inverse = x > 1e6 * (order + 1), 1 / x
    # 1 - (2v+1)/2x + (4v^2-1)/8x^2: the next term is of relative size order^3 / x^3.
    found = 1 - (2 * order + 1) * inverse / 2 * (1 - (2 * order - 1) * inverse / 4)
    found[~beyond] = ive(order + 1, x[~beyond]) / ive(order, x[~beyond])
    return found


def _fraction(order: float, x: np.ndarray, start: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The ratio at ``order``, and the sum of ``log(ratio / x)`` over orders ``start, ..., order - 1``.

    Backwards through ``r_v = 1 / (2 (v + 1) / x + r_(v+1))``, written for ``r_v / x``, from a bound on the
    ratio (Amos 1974) so far out that its error is gone.
    """
    least = order if start is None else start
    reach = float(x.max(initial=0.0))
    n_steps = round(order - least) + int(max(reach - order, 0)) + 40
    v = least + n_steps
    scaled = 1 / (v + 0.5 + np.sqrt((v + 1.5) ** 2 + x**2))
    total, wanted = np.zeros_like(x), scaled
    for step in range(n_steps - 1, -1, -1):
        v = least + step
        scaled = 1 / (2 * (v + 1) + x**2 * scaled)
        if abs(v - order) < 0.25:
            wanted = scaled
        if v < order - 0.25:
            total += np.log(scaled)
    return wanted * x, total


def _log(order: float, x: np.ndarray) -> np.ndarray:
    small = x <= _fraction_reach(order)
    found = np.empty_like(x)
    found[small] = _small_log(order, x[small])
    found[~small] = _large_log(order, x[~small])
    return found


def _small_log(order: float, x: np.ndarray) -> np.ndarray:
    first = order - np.floor(order)
    lowest = np.full_like(x, -first * math.log(2) - math.lgamma(first + 1))
    some = x > 1e-150
    lowest[some] = np.log(ive(first, x[some])) + x[some] - first * np.log(x[some])
    # I_v / x^v = (I_first / x^first) prod r / x over the orders between.
    return lowest + (_fraction(order, x, first)[1] if order > first else 0.0)


def _large_log(order: float, x: np.ndarray) -> np.ndarray:
    beyond = x > 1e6 * (order + 1)
    scaled = -0.5 * np.log(2 * np.pi * x) - (4 * order**2 - 1) / (8 * x)
    scaled[~beyond] = np.log(ive(order, x[~beyond]))
    return scaled + x - order * np.log(x)
