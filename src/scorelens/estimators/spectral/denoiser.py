"""What every denoiser of fitted features shares: coefficients per noise level, and how they were found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scorelens.estimators.base import WithJacobian
from scorelens.estimators.levels import LevelDenoiser
from scorelens.estimators.spectral.kept_features import kept, taken_back
from scorelens.estimators.spectral.potential import in_frame, jacobian


class SpectralDenoiser(LevelDenoiser, WithJacobian):
    """Coefficients of features at ``L`` noise levels, interpolated and continued as every `LevelDenoiser`.

    Features are taken of ``z = (x - mean) / sqrt(scale^2 + sigma^2)``, where the noise has standard deviation
    ``std = sigma / sqrt(scale^2 + sigma^2)``. What a fit found at each level is kept in buffers:

    - ``coefficients (L, m, ...)``; ``scale ()``: the data's root mean variance over coordinates.
    - ``normal_spectra (L, m)``: eigenvalues of the matrix of the normal equations, descending.
    - ``ranks (L,)``: how many of them the solution used; ``residuals (L,)``: ``|A theta + b|``.
    - ``bounded (L,)``: 0 where the objective has no minimum, so that a regulariser made the solution.

    The features' own arrays are buffers named ``features_...``; fact ``features`` is their name. Fact
    ``turned``: whether the coordinates of ``z`` are those along the axes ``frame``, then ``(d, d)``.
    """

    coefficients: Tensor
    scale: Tensor
    bounded: Tensor
    residuals: Tensor
    ranks: Tensor
    normal_spectra: Tensor

    def __init__(
        self, event_shape: tuple[int, ...], features: Any, turned: bool = False, **buffers: Tensor
    ) -> None:
        if isinstance(features, str):
            features = self.rebuild(features, taken_back(buffers))
        facts = {"features": features.name, "turned": bool(turned)}
        super().__init__(event_shape, {**buffers, **kept(features)}, facts)
        self.features, self.turned = features, bool(turned)

    @staticmethod
    @abstractmethod
    def rebuild(name: str, arrays: Mapping[str, np.ndarray]) -> Any:
        """The features of the registered ``name`` from their arrays."""

    @abstractmethod
    def framed_noise(self, z: Tensor, shares: Tensor) -> Tensor:
        """Predicted noise ``(b, d)`` in the coordinates of ``z (b, d)``, from `noise_shares` ``(b, L)``."""

    def predicted_noise(self, points: Tensor, sigma: Tensor, weights: Tensor) -> Tensor:
        found = self.framed_noise(self.framed(points, sigma)[0], self.noise_shares(weights))
        return found @ self.frame.T if self.turned else found

    def framed(self, points: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """``z (b, d)`` and its noise ``std (b,)``; see `in_frame`."""
        z, std = in_frame(points, sigma, self.mean, self.scale)
        return (z @ self.frame if self.turned else z), std

    def noise_shares(self, weights: Tensor) -> Tensor:
        """Weights ``(b, L)`` of the levels' scores of ``z`` that make the predicted noise, up to its sign."""
        return weights * (self.sigmas / torch.hypot(self.scale.expand_as(self.sigmas), self.sigmas))

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        return jacobian(lambda at: self.posterior_mean(at, sigma), x)
