"""The denoiser of the training set itself: a softmax over its points, streamed in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import (
    Estimator,
    WithJacobian,
    WithLogProb,
    WithPosteriorCovariance,
    samples,
)
from scorelens.estimators.empirical.nearest import Nearest, nearest, nearest_sums
from scorelens.estimators.empirical.streamed_softmax import Points, Sums, softmax_sums


@final
class EmpiricalDenoiser(WithLogProb, WithPosteriorCovariance, WithJacobian):
    """``D(x) = sum_i w_i y_i``, ``w = softmax(-|x - y_i|^2 / 2 sigma^2)``: full memorisation.

    ``points`` are the ``y_i``, ``(n, d)``, float32 or float64. No point is left out for any ``n``; points are
    met in blocks, and memory beyond them is bounded by the block (also under autograd). Two matrix products
    with the points dominate. At noise levels so small that these would leave rounding errors in the weights,
    the distances to all points that are not negligible are formed again from differences in float64.
    `posterior_covariance` and `jacobian` take ``O(n d^2)`` operations per event.

    With ``neighbours = k`` the sums run over the ``k`` nearest points of each event only, found exactly;
    `truncation_error` bounds what that changes. ``log_prob`` is then at most the exact one, and falls short
    of it by at most ``-log(1 - e)``, with ``e`` as there; the score is its gradient except where the ``k``-th
    neighbour changes, where both jump. `posterior_covariance` and `jacobian` take ``O(k d^2)`` operations
    instead of ``O(n d^2)``, and each further pass of autograd ``O(k d)`` instead of ``O(n d)``. The denoiser
    itself gains nothing: the search costs one of the two products, and the kept distances come on top.

    Raises ``ValueError`` for points of another shape and for ``neighbours`` outside ``1..n``.

    >>> EmpiricalDenoiser((1,), torch.tensor([[-1.0], [1.0]]))(torch.tensor([[0.5]]), 1.0)
    tensor([[0.4621]])
    """

    name: ClassVar[str] = "empirical"
    points: Tensor
    half_squares: Tensor
    center: Tensor

    def __init__(self, event_shape: tuple[int, ...], points: Tensor, neighbours: int | None = None) -> None:
        if points.ndim != 2 or points.shape[1] != math.prod(event_shape) or len(points) == 0:
            expected = f"(n, {math.prod(event_shape)}) with n > 0"
            raise ValueError(f"points must have shape {expected}, got {tuple(points.shape)}")
        check_neighbours(neighbours, len(points))
        super().__init__(event_shape, {"points": points}, {"neighbours": neighbours} if neighbours else None)
        self.neighbours = neighbours
        norms = [block.double().square().sum(1) / 2 for block in points.detach().split(4096)]
        self.register_buffer("half_squares", torch.cat(norms), persistent=False)
        if neighbours is not None:
            center, self.radius = _ball(points.detach())
            self.register_buffer("center", center, persistent=False)

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        sums = self._sums(x, sigma, self._nearest(x))
        return sums.point / sums.total[:, None]

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        sums = self._sums(x, sigma, self._nearest(x))
        norm = self.dim * (sigma.double().log() + 0.5 * math.log(2 * math.pi))
        return sums.peak + sums.total.log() - norm - math.log(len(self.points))

    def covariance(self, x: Tensor, sigma: Tensor) -> Tensor:
        found = self._nearest(x)
        sums = self._sums(x, sigma, found)
        mean = sums.point / sums.total[:, None]
        total = torch.zeros(len(x), self.dim, self.dim, dtype=torch.float64, device=x.device)
        for y in self._blocks(x, found):
            squares = (x.double()[:, None] - y).square().sum(2)
            logits = -squares / (2 * sigma.double()[:, None] ** 2)
            weights = (logits - sums.peak[:, None]).exp() / sums.total[:, None]
            # Around the posterior mean: raw second moments would cancel at small noise.
            away = y - mean[:, None]
            total = total + (away * weights[:, :, None]).mT @ away
        return (total + total.mT) / 2

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.covariance(x, sigma) / sigma.double()[:, None, None] ** 2  # second-order Tweedie

    def truncation_error(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """No less than ``|D_k(x) - D(x)|``, this denoiser against the one of all points: ``(batch,)``.

        In data units; 0 without ``neighbours``. Every point left out is at least as far as the ``k``-th
        neighbour, at distance ``r``, so all of them together weigh at most ``m = (n - k) exp(-r^2 / 2
        sigma^2)`` beside the ``S = sum exp(-|x - y_i|^2 / 2 sigma^2)`` of the kept ones: a share of at most
        ``e = m / (S + m)``. ``D - D_k`` is that share of the way from ``D_k`` to a mean of points left out,
        all of which lie within the largest distance ``R`` of any point from the data's mean ``c``:

            ``|D_k - D| <= e (R + |D_k - c|)``.

        It vanishes as ``sigma`` does, unless neighbours ``k`` and ``k + 1`` are as near, and tends to
        ``(1 - k / n) (R + |D_k - c|)`` as ``sigma`` grows: truncation is for noise well below the spread.
        Raises ``ValueError`` as calling the denoiser does.
        """
        return self.of_rows(self._truncated_by, x, sigma).to(x.dtype)

    def _truncated_by(self, x: Tensor, sigma: Tensor) -> Tensor:
        found = self._nearest(x)
        if found is None:
            return torch.zeros_like(sigma)
        sums = self._sums(x, sigma, found)
        left_out = math.log(len(self.points) - found.columns.shape[1])
        share = torch.sigmoid(
            left_out - found.others / (2 * sigma.double() ** 2) - sums.peak - sums.total.log()
        )
        shift = (sums.point / sums.total[:, None] - self.center).norm(dim=1)
        # The last factor is for rounding to the dtype of x.
        return share * (self.radius + shift) * (1 + 4 * torch.finfo(x.dtype).eps)

    @property
    def _points(self) -> Points:
        return Points(self.points, self.half_squares)

    def _nearest(self, x: Tensor) -> Nearest | None:
        if self.neighbours is None or self.neighbours == len(self.points):
            return None
        return nearest(x, self.points, self.neighbours, self.center, self.radius)

    def _sums(self, x: Tensor, sigma: Tensor, found: Nearest | None) -> Sums:
        if found is None:
            return softmax_sums(x, sigma, self._points)
        return nearest_sums(x, sigma, self.points, found)

    def _blocks(self, x: Tensor, found: Nearest | None) -> Iterator[Tensor]:
        """The points that count, float64, ``(c, d)`` for all events or ``(batch, c, d)`` for each."""
        if found is None:
            return (block.values.double() for block in self._points.blocks(len(x) * self.dim))
        return found.blocks(self.points)


@final
@dataclass(frozen=True)
class Empirical(Estimator):
    """The optimum of denoising score matching on the data: the score of the noised sample, full memorisation.

    The data are kept in their own precision. ``neighbours``: how many training points nearest to an event
    count; all unless given. `EmpiricalDenoiser.truncation_error` bounds the error of fewer.

    Raises ``ValueError`` for data without events, or with fewer events than ``neighbours``.

    >>> Empirical().fit(np.array([[-1.0], [1.0]])).log_prob(torch.zeros(1, 1), 1.0)
    tensor([-1.4189])
    >>> nearest = Empirical(neighbours=1).fit(np.array([[-1.0], [1.0]]))
    >>> nearest(torch.tensor([[0.5]]), 0.2), bool(nearest.truncation_error(torch.tensor([[0.5]]), 0.2) < 1e-9)
    (tensor([[1.]]), True)
    """

    neighbours: int | None = None
    name: ClassVar[str] = "empirical"
    reference: ClassVar[str] = "karras2022, Eq. 57"
    equation: ClassVar[str] = "D = sum_i w_i y_i, w = softmax(-|x - y_i|^2 / 2 sigma^2)"
    fitted: ClassVar[type[EmpiricalDenoiser]] = EmpiricalDenoiser

    def __post_init__(self) -> None:
        check_neighbours(self.neighbours)

    def fit(self, x: np.ndarray | Tensor) -> EmpiricalDenoiser:
        data, shape = samples(x)
        points = data.clone(memory_format=torch.contiguous_format)
        return EmpiricalDenoiser(shape, points, self.neighbours)


def _ball(points: Tensor) -> tuple[Tensor, float]:
    """The mean of the points, float64, and their largest distance from it."""
    blocks = points.split(4096)
    center = torch.stack([block.double().sum(0) for block in blocks]).sum(0) / len(points)
    return center, max(float((block.double() - center).norm(dim=1).max()) for block in blocks)


def check_neighbours(neighbours: int | None, n_points: int | None = None) -> None:
    """Refuse a number of neighbours that is not whole, below 1, or more than there are points."""
    if neighbours is None:
        return
    checks.whole("neighbours", neighbours, 1, "leave it out for all points")
    if n_points is not None and neighbours > n_points:
        raise ValueError(
            f"neighbours must be at most the {n_points} points, got {neighbours}; leave it out for all points"
        )
