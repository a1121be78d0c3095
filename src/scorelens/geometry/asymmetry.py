"""How far a Jacobian is from symmetric, and so a denoiser from the gradient of anything."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt


class Asymmetry(NamedTuple):
    """``ratio (b,)`` = ``|J - J^T|_F / |J|_F`` (geometry [P13]), and its ``standard_error (b,)``, 0 if exact.

    The Jacobian of an optimal denoiser is symmetric ([P3]): 0. One that is antisymmetric has 2. Where J is 0,
    the ratio is 0.
    """

    ratio: Tensor
    standard_error: Tensor


def asymmetry(jacobian: JacobianAt, n_probes: int = 8, *, seed: int = 0) -> Asymmetry:
    """From ``n_probes`` >= 2 products with ``J`` and with ``J^T``: ``E |A z|^2 = |A|_F^2`` for normal ``z``.

    >>> at = JacobianAt(lambda x, sigma: x / (1 + sigma[:, None] ** 2), torch.ones(1, 5), 1.0)
    >>> asymmetry(at).ratio.item()
    0.0
    """
    shape = (jacobian.n_points, jacobian.dim, n_probes)
    probes = torch.randn(shape, generator=generator(seed, "asymmetry"), dtype=torch.float64)
    pushed, pulled = jacobian.apply(probes).double(), jacobian.apply_transposed(probes).double()
    difference = (pushed - pulled).square().sum(1)
    whole = (pushed.square().sum(1) + pulled.square().sum(1)) / 2
    return _ratio(difference, whole)


def exact_asymmetry(full: Tensor) -> Asymmetry:
    """Of Jacobians ``full (b, d, d)``.

    >>> exact_asymmetry(torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])).ratio.item()
    2.0
    """
    norm = full.double().norm(dim=(1, 2))
    ratio = (full - full.mT).double().norm(dim=(1, 2)) / norm
    ratio = torch.where(norm > 0, ratio, 0.0)
    return Asymmetry(ratio, torch.zeros_like(ratio))


def _ratio(difference: Tensor, whole: Tensor) -> Asymmetry:
    """Square root of the ratio of means over probes ``(b, m)``, its error by the delta method."""
    top, bottom = difference.mean(1, keepdim=True), whole.mean(1, keepdim=True)
    safe = bottom.clamp_min(torch.finfo(bottom.dtype).tiny)
    squared = top / safe
    spread = (difference - squared * whole).std(1) / (safe[:, 0] * difference.shape[1] ** 0.5)
    ratio = squared[:, 0].sqrt()
    return Asymmetry(ratio, torch.where(ratio > 0, spread / (2 * ratio), 0.0))
