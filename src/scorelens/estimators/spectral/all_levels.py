"""One linear system for all noise levels: features of the point times functions of the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators import features as feature_maps
from scorelens.estimators.base import Estimator, WithEnergy, WithJacobian, samples
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly
from scorelens.estimators.equations.time_separable import Exponentials, time_separable
from scorelens.estimators.features import FeatureMap
from scorelens.estimators.spectral.estimator import unit_of
from scorelens.estimators.spectral.kept_features import kept, taken_back
from scorelens.estimators.spectral.potential import gradient, in_frame, jacobian, potential
from scorelens.estimators.spectral.rules import HermiteRule
from scorelens.estimators.spectral.solvers import Exact, Solver


@final
class TimeSeparableDenoiser(WithEnergy, WithJacobian):
    """``s(z, t) = grad sum_lj theta_lj exp(-rate_l t) phi_j(z)``, at every noise level without a table.

    ``z = (x - mean) / sqrt(scale^2 + sigma^2)``, ``t = log(1 + sigma^2 / scale^2) / 2``. Computes in float64.

    Buffers: ``mean (d,)``, ``scale ()``, ``rates (r,)``, the first 0, ``coefficients (r, m)``, and of the one
    system that was solved ``normal_spectra (1, (r - 1) m)``, ``ranks``, ``residuals`` and ``bounded``, each
    ``(1,)``; the features' own arrays ``features_...``. Fact: ``features``, their name.

    >>> denoiser = TimeSeparableScore().fit(np.array([[1.0], [-1.0]]))
    >>> len(denoiser.coefficients) == len(denoiser.rates), float(denoiser.rates[0]), bool(denoiser.bounded)
    (True, 0.0, True)
    """

    name: ClassVar[str] = "time-separable"
    mean: Tensor
    scale: Tensor
    rates: Tensor
    coefficients: Tensor
    normal_spectra: Tensor
    ranks: Tensor
    residuals: Tensor
    bounded: Tensor

    def __init__(self, event_shape: tuple[int, ...], features: FeatureMap | str, **buffers: Tensor) -> None:
        if isinstance(features, str):
            features = feature_maps.rebuild(features, taken_back(buffers))
        super().__init__(event_shape, {**buffers, **kept(features)}, {"features": features.name})
        self.features = features

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        points, z, std, theta = self._placed(x, sigma)
        return points + (sigma.to(std.dtype) * std)[:, None] * gradient(self.features, z, theta)

    def energy(self, x: Tensor, sigma: Tensor) -> Tensor:
        _, z, _, theta = self._placed(x, sigma)
        return potential(self.features, z, theta)

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        return jacobian(lambda at: self.posterior_mean(at, sigma), x)

    def _placed(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        points, level = x.to(self.mean.dtype), sigma.to(self.mean.dtype)
        z, std = in_frame(points, level, self.mean, self.scale)
        time = torch.log1p((level / self.scale) ** 2) / 2
        return points, z, std, torch.exp(-time[:, None] * self.rates) @ self.coefficients


@final
@dataclass(frozen=True, kw_only=True)
class TimeSeparableScore(Estimator):
    """An energy-based score for all noise levels at once, tied to its exact limit at large noise ([S23]).

    In the Ornstein-Uhlenbeck time ``t`` of the centred and scaled data, ``log p(z, t)`` is ``-|z|^2 / 2`` up
    to ``exp(-2 t)``. That limit is held fixed as the coefficients of rate 0 ([S25]); denoising score
    matching, exact over the noise, finds those of the other ``rates`` (>= 2: slower ones would keep the
    denoiser from the mean).

    - ``sigmas``: the smallest and the largest noise level of the loss, in data units; unless given, 1/50 and
      20 times the data's root mean variance. The denoiser is defined beyond them.
    - ``weight``: the loss weight of each time, uniform unless given.

    Raises ``ValueError`` for data that do not vary, fewer than two events, features that do not fit in
    memory or overflow, and what the solver refuses.

    >>> denoiser = TimeSeparableScore().fit(np.array([[1.0], [-1.0]]))
    >>> denoiser(torch.ones(1, 1, dtype=torch.float64), 1.0).round(decimals=6)
    tensor([[0.5000]], dtype=torch.float64)
    """

    features: Callable[[int], FeatureMap] = field(default_factory=HermiteRule)
    rates: tuple[float, ...] = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
    solver: Solver = field(default_factory=Exact)
    sigmas: tuple[float, float] | None = None
    weight: Callable[[np.ndarray], np.ndarray] | None = None
    name: ClassVar[str] = "time-separable"
    reference: ClassVar[str] = "score estimation [S23], [S25]"
    equation: ClassVar[str] = "s = grad sum_lj theta_lj c_l(t) phi_j, A_tt theta_t = -(b_t + A_t0 theta_0)"
    fitted: ClassVar[type[TimeSeparableDenoiser]] = TimeSeparableDenoiser

    def __post_init__(self) -> None:
        checks.at_least("the number of rates", len(self.rates), 1)
        if min(self.rates) < 2 or len(set(self.rates)) < len(self.rates):
            raise ValueError(f"rates must be >= 2 and given once each, got {self.rates}; rate 0 is implied")
        if self.sigmas is not None:
            checks.positive("sigmas", self.sigmas)
            if len(self.sigmas) != 2 or not self.sigmas[0] < self.sigmas[1]:
                raise ValueError(f"sigmas must be (smallest, largest), got {self.sigmas}")

    def fit(self, x: np.ndarray | Tensor) -> TimeSeparableDenoiser:
        flat, event_shape = samples(x, least=2)
        data = flat.double()
        mean, scale = data.mean(0), unit_of(data)
        features = self.features(data.shape[1])
        points = ((data - mean) / scale).cpu().numpy()
        rates = (0.0, *self.rates)
        last = terminal(features)
        system = time_separable(features, Exponentials(rates), points, self._times(scale), self.weight)  # pyright: ignore[reportArgumentType]
        free, _ = system.clamped(np.arange(len(last)), last)  # [S25]
        solution = self.solver.solve(free, AtEachRate(features, len(self.rates)))
        return TimeSeparableDenoiser(
            event_shape,
            features,
            mean=mean,
            scale=data.new_tensor(scale),
            rates=data.new_tensor(rates),
            coefficients=data.new_tensor(np.r_[last, solution.theta].reshape(len(rates), -1)),
            normal_spectra=data.new_tensor(free.eigen.values[None]),
            ranks=torch.tensor([solution.rank], device=data.device),
            residuals=data.new_tensor([solution.residual]),
            bounded=torch.tensor([solution.bounded], dtype=torch.uint8, device=data.device),
        )

    def _times(self, scale: float) -> tuple[float, float]:
        low, high = (0.02, 20.0) if self.sigmas is None else np.divide(self.sigmas, scale)
        return float(np.log1p(low**2) / 2), float(np.log1p(high**2) / 2)


def terminal(features: FeatureMap) -> np.ndarray:
    """Coefficients ``(m,)`` whose score is the closest to ``-z`` under ``N(0, I)``, the law at late times.

    Raises ``ValueError`` where some features are constant or dependent, ``TypeError`` for steps.

    >>> from scorelens.estimators.features import Hermite
    >>> terminal(Hermite([[1], [2]])) + 0.0
    array([ 0. , -0.5])
    """
    origin = np.zeros((1, features.dim))
    return solve_exactly(NormalEquations.denoising(features, origin, 0.0, 1.0)).theta  # pyright: ignore[reportArgumentType]


@final
@dataclass(frozen=True)
class AtEachRate:
    """Features counted once per rate, as a penalty sees the coefficients of a time-separable basis."""

    features: Any
    n_rates: int

    @property
    def name(self) -> str:
        return self.features.name

    @property
    def n_features(self) -> int:
        return self.n_rates * self.features.n_features

    def roughness(self, order: float = 1) -> np.ndarray:
        """Roughness of every coefficient, rate by rate."""
        return np.tile(self.features.roughness(order), self.n_rates)
