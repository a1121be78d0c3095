"""What every Gaussian denoiser shares, however its covariance is stored."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scorelens.core.blocks import row_blocks
from scorelens.core.feature_moments import FeatureMoments
from scorelens.estimators.base import WithJacobian, WithLogProb, WithPosteriorCovariance, WithScore


class GaussianLaw(WithScore, WithLogProb, WithPosteriorCovariance, WithJacobian):
    """The Wiener filter ``D(x) = mean + C (C + sigma^2)^-1 (x - mean)`` of events ``N(mean, C)``.

    Computed in the wider dtype of ``x`` and of the buffers (float64 as fitted).
    """

    mean: Tensor

    @abstractmethod
    def smoothed(self, centred: Tensor, sigma: Tensor) -> Tensor:
        """``C (C + sigma^2)^-1 centred``, shapes ``(batch, d)``, ``(batch,)`` to ``(batch, d)``."""

    @abstractmethod
    def divided(self, centred: Tensor, sigma: Tensor) -> Tensor:
        """``(C + sigma^2)^-1 centred``, minus the score, without a difference of large numbers."""

    @abstractmethod
    def deviance(self, centred: Tensor, sigma: Tensor) -> Tensor:
        """``centred^T (C + sigma^2)^-1 centred + log det(C + sigma^2)``, shape ``(batch,)``."""

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.mean + self.smoothed(*self._centred(x, sigma))

    def pull(self, x: Tensor, sigma: Tensor) -> Tensor:
        return -self.divided(*self._centred(x, sigma))

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        return -0.5 * (self.deviance(*self._centred(x, sigma)) + self.dim * math.log(2 * math.pi))

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        # The filter is linear: its matrix is what it makes of the unit vectors, once per noise level.
        levels, index = torch.unique(self._centred(x, sigma)[1], return_inverse=True)
        units = torch.eye(self.dim, dtype=self.mean.dtype, device=x.device).repeat(len(levels), 1)
        columns = self.smoothed(units, levels.repeat_interleave(self.dim))
        return columns.reshape(len(levels), self.dim, self.dim).mT[index]

    def covariance(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.derivative(x, sigma) * (sigma[:, None, None].to(self.mean.dtype) ** 2)  # Tweedie

    def _centred(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        centred = x - self.mean
        return centred, sigma.to(centred.dtype)


def events(data: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Flat ``data``, ``(n, d)``, as a NumPy array ``(n, *shape)``."""
    return data.cpu().numpy().reshape(len(data), *shape)


def mean_and_variance(data: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (normalised by ``n``) of every column of ``data``, ``(d,)`` each, in one pass."""
    moments = FeatureMoments()
    for block in row_blocks(data.cpu().numpy()):
        moments.update(block)
    return moments.mean, moments.variance


def tensor(values: Any) -> Tensor:
    """A float64 tensor of its own of any NumPy ``values``."""
    return torch.tensor(np.asarray(values), dtype=torch.float64)
