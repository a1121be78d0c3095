"""A table of fitted noise levels as one denoiser: between the levels, below them, and above them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import FittedDenoiser
from scorelens.estimators.features.base import refuse_too_large


class LevelDenoiser(FittedDenoiser):
    """Scores fitted at ``L`` noise levels; between them the predicted noise is linear in log sigma.

    Below the smallest level its score is kept. Above the largest, it fades as ``(sigma_L / sigma)^2`` into
    the Gaussian of the data's mean and covariance, which is exact as sigma grows. Computes in float64.

    Buffers: ``sigmas (L,)`` ascending, ``mean (d,)``, ``variances (k,)`` and ``frame (d, k)`` of the data
    (`data_moments`), and those of the member.
    """

    sigmas: Tensor
    mean: Tensor
    variances: Tensor
    frame: Tensor

    @abstractmethod
    def predicted_noise(self, points: Tensor, sigma: Tensor, weights: Tensor) -> Tensor:
        """``-sigma score`` at ``points (b, d)``, for ``sigma (b,)`` within the table; shape ``(b, d)``.

        ``weights (b, L)`` say how much of every level's prediction to take for every point.
        """

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        points, level = x.to(self.mean.dtype), sigma.to(self.mean.dtype)
        top, inside = self.faded(level), self.inside(points, level)
        noise = self.predicted_noise(*inside, self.shares(inside[1]))
        # Below the table the score stays that of the smallest level: the noise is proportional to sigma.
        kept = (level / self.sigmas[0]).clamp_max(1)[:, None]
        near = points - level[:, None] * kept * noise
        return top**2 * near + (1 - top**2) * self._gaussian(points, level[:, None])

    def faded(self, sigma: Tensor) -> Tensor:
        """``sigma_L / sigma``, at most 1, ``(b, 1)``: its square is the share of the table."""
        return (self.sigmas[-1] / sigma).clamp_max(1)[:, None]

    def inside(self, points: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Points shrunk towards the mean and ``sigma`` clamped, so that both lie within the table."""
        shrunk = self.mean + self.faded(sigma) * (points - self.mean)
        return shrunk, sigma.clamp(self.sigmas[0], self.sigmas[-1])

    def shares(self, sigma: Tensor) -> Tensor:
        """Every level's weight ``(b, L)`` in linear interpolation over log sigma; rows sum to 1."""
        knots, place = self.sigmas.log(), sigma.log().contiguous()
        found = torch.zeros(len(place), len(knots), dtype=place.dtype, device=place.device)
        if len(knots) == 1:
            return found + 1
        left = (torch.searchsorted(knots, place, right=True) - 1).clamp(0, len(knots) - 2)
        share = ((place - knots[left]) / (knots[left + 1] - knots[left])).clamp(0, 1)[:, None]
        return found.scatter(1, left[:, None], 1 - share).scatter(1, left[:, None] + 1, share)

    def gaussian_log_density(self, points: Tensor, sigma: Tensor) -> Tensor:
        """Log density ``(b,)``, up to a constant, of the Gaussian to which the table fades."""
        centred = points - self.mean
        modes, noise = centred @ self.frame, sigma[:, None] ** 2
        explained = (modes**2 * self.variances / (self.variances + noise)).sum(1)
        return (explained - centred.square().sum(1)) / (2 * noise[:, 0])

    def _gaussian(self, points: Tensor, level: Tensor) -> Tensor:
        gains = self.variances / (self.variances + level**2)
        return self.mean + (gains * ((points - self.mean) @ self.frame)) @ self.frame.T


def ascending(sigmas: Sequence[float], remedy: str = "") -> tuple[float, ...]:
    """Noise levels in ascending order; ``ValueError`` for none, one <= 0 and one given twice.

    >>> ascending((1.0, 0.5))
    (0.5, 1.0)
    """
    checks.at_least("the number of sigmas", len(sigmas), 1)
    checks.positive("sigmas", sigmas, remedy)
    if len(set(sigmas)) < len(sigmas):
        raise ValueError(f"sigmas must be given once each, got {tuple(sigmas)}")
    return tuple(sorted(float(sigma) for sigma in sigmas))


def data_moments(data: Tensor) -> dict[str, Tensor]:
    """Buffers of ``data (n, d)``: ``mean``, ``frame`` of ``min(n, d)`` axes, ``variances`` along them."""
    mean = data.mean(0)
    _, singular, axes = torch.linalg.svd((data - mean) / len(data) ** 0.5, full_matrices=False)
    return {"mean": mean, "variances": singular**2, "frame": axes.T.contiguous()}


def principal_moments(data: Tensor) -> dict[str, Tensor]:
    """As `data_moments`, with all ``d`` axes: those along which the data do not vary come last.

    The largest entry of every axis is positive. ``ValueError`` where ``d x d`` numbers do not fit in memory.

    >>> principal_moments(torch.tensor([[1.0, 0.0, 1.0], [-1.0, 0.0, -1.0]]).double())["frame"].shape
    torch.Size([3, 3])
    """
    d = data.shape[1]
    refuse_too_large("the frame of the principal axes", (d, d), remedy='take frame="coordinates"')
    found = data_moments(data)
    axes, variances = found["frame"], found["variances"]
    rest = torch.linalg.qr(axes, mode="complete").Q[:, axes.shape[1] :]
    axes = torch.cat([axes, rest], 1)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    variances = torch.nn.functional.pad(variances, (0, rest.shape[1]))
    return {"mean": found["mean"], "variances": variances, "frame": axes * largest.sign()}
