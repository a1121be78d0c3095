"""The denoiser of the training set itself: a softmax over its points, streamed in blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.estimators.base import (
    Estimator,
    WithJacobian,
    WithLogProb,
    WithPosteriorCovariance,
    samples,
)
from scorelens.estimators.streamed_softmax import Points, softmax_sums


@final
class EmpiricalDenoiser(WithLogProb, WithPosteriorCovariance, WithJacobian):
    """``D(x) = sum_i w_i y_i``, ``w = softmax(-|x - y_i|^2 / 2 sigma^2)``: full memorisation.

    ``points`` are the ``y_i``, ``(n, d)``, float32 or float64. No point is left out for any ``n``; points are
    met in blocks, and memory beyond them is bounded by the block (also under autograd). Two matrix products
    with the points dominate. At noise levels so small that these would leave rounding errors in the weights,
    the distances to all points that are not negligible are formed again from differences in float64.
    `posterior_covariance` and `jacobian` take ``O(n d^2)`` operations per event.

    >>> EmpiricalDenoiser((1,), torch.tensor([[-1.0], [1.0]]))(torch.tensor([[0.5]]), 1.0)
    tensor([[0.4621]])
    """

    name: ClassVar[str] = "empirical"
    points: Tensor
    half_squares: Tensor

    def __init__(self, event_shape: tuple[int, ...], points: Tensor) -> None:
        if points.ndim != 2 or points.shape[1] != math.prod(event_shape) or len(points) == 0:
            expected = f"(n, {math.prod(event_shape)}) with n > 0"
            raise ValueError(f"points must have shape {expected}, got {tuple(points.shape)}")
        super().__init__(event_shape, {"points": points})
        norms = [block.double().square().sum(1) / 2 for block in points.detach().split(4096)]
        self.register_buffer("half_squares", torch.cat(norms), persistent=False)

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        sums = softmax_sums(x, sigma, self._points)
        return sums.point / sums.total[:, None]

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        sums = softmax_sums(x, sigma, self._points)
        norm = self.dim * (sigma.double().log() + 0.5 * math.log(2 * math.pi))
        return sums.peak + sums.total.log() - norm - math.log(len(self.points))

    def covariance(self, x: Tensor, sigma: Tensor) -> Tensor:
        sums = softmax_sums(x, sigma, self._points)
        mean = sums.point / sums.total[:, None]
        total = torch.zeros(len(x), self.dim, self.dim, dtype=torch.float64, device=x.device)
        for block in self._points.blocks(len(x) * self.dim):
            y = block.values.double()
            squares = (x.double()[:, None] - y).square().sum(2)
            logits = -squares / (2 * sigma.double()[:, None] ** 2)
            weights = (logits - sums.peak[:, None]).exp() / sums.total[:, None]
            # Around the posterior mean: raw second moments would cancel at small noise.
            away = y - mean[:, None]
            total = total + (away * weights[:, :, None]).mT @ away
        return (total + total.mT) / 2

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.covariance(x, sigma) / sigma.double()[:, None, None] ** 2  # second-order Tweedie

    @property
    def _points(self) -> Points:
        return Points(self.points, self.half_squares)


@final
@dataclass(frozen=True)
class Empirical(Estimator):
    """The optimum of denoising score matching on the data: the score of the noised sample, full memorisation.

    The data are kept in their own precision. Raises ``ValueError`` for data without events.

    >>> Empirical().fit(np.array([[-1.0], [1.0]])).log_prob(torch.zeros(1, 1), 1.0)
    tensor([-1.4189])
    """

    name: ClassVar[str] = "empirical"
    reference: ClassVar[str] = "karras2022, Eq. 57"
    equation: ClassVar[str] = "D = sum_i w_i y_i, w = softmax(-|x - y_i|^2 / 2 sigma^2)"
    fitted: ClassVar[type[EmpiricalDenoiser]] = EmpiricalDenoiser

    def fit(self, x: np.ndarray | Tensor) -> EmpiricalDenoiser:
        data, shape = samples(x)
        return EmpiricalDenoiser(shape, data.clone(memory_format=torch.contiguous_format))
