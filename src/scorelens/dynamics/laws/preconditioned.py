"""One linear layer behind a preconditioner: the law of the loss that people really train with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np

from scorelens.core import checks
from scorelens.core.noise_level import LogNormal, NoiseLevelLaw
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws.loss_weight import LossWeight, TargetWeight
from scorelens.dynamics.laws.mode_scaling import MatchedScaling, ModeScaling, Population, SpectralSkipScaling
from scorelens.dynamics.laws.relaxation import RelaxationLaw, RelaxationTrajectory
from scorelens.dynamics.laws.sampling_integral import quadrature_deviation
from scorelens.dynamics.values import Values

_EDM_SCALING, _EDM_NOISE, _EDM_LOSS = MatchedScaling(0.25), LogNormal(), TargetWeight()
_STEP = 1e-4


@final
@dataclass(frozen=True, eq=False)
class PreconditionedOneLayer(RelaxationLaw):
    """``D(x) = skip x + output W' (input x)`` trained at noise levels drawn from ``noise`` ([E1]-[E12]).

    ``initial_weight`` is ``W'(0)`` along the mode (scalar or one per mode; 0 for a zero-initialised output
    layer), ``loss`` the weight of the loss. Use the constructors `edm`, `spectral` and `spectral_skip`.

    Flow time is the dose ``T`` of [E2]: 2 x learning rate x training time, where the learning rate of a cell
    of ``log(sigma)`` counts the share of draws that hit a unit of ``log(sigma)``.

    >>> law = PreconditionedOneLayer.edm(sigma_data=0.5)
    >>> law.generated_variance(5.0, 0.8, sigma_min=0.002, sigma_max=80.0).round(6)
    np.float64(1.142729)
    """

    scaling: ModeScaling = _EDM_SCALING
    noise: NoiseLevelLaw = _EDM_NOISE
    loss: LossWeight = _EDM_LOSS
    initial_weight: Values = 0.0
    name: ClassVar[str] = "preconditioned-one-layer"
    equation: ClassVar[str] = "[E3], [E5]"
    scale_free: ClassVar[bool] = False
    reference: ClassVar[str] = "karras2022, Table 1 (scalings); preconditioned law, section 1"

    def __post_init__(self) -> None:
        checks.finite("initial_weight", self.initial_weight)
        object.__setattr__(self, "initial_weight", np.asarray(self.initial_weight, dtype=float))

    @classmethod
    def edm(
        cls,
        sigma_data: float = 0.5,
        noise: NoiseLevelLaw | None = None,
        *,
        loss: LossWeight | None = None,
        initial_weight: Values = 0.0,
    ) -> Self:
        """EDM's scalar preconditioning, which assumes the variance ``sigma_data ** 2`` along every mode
        ([E1])."""
        checks.positive("sigma_data", sigma_data)
        return cls(MatchedScaling(sigma_data**2), noise or _EDM_NOISE, loss or _EDM_LOSS, initial_weight)

    @classmethod
    def spectral(
        cls,
        assumed_variance: Values,
        noise: NoiseLevelLaw | None = None,
        *,
        loss: LossWeight | None = None,
        initial_weight: Values = 0.0,
    ) -> Self:
        """Spectral preconditioning: one assumed variance per mode in all three scalings ([E21], [E25])."""
        return cls(MatchedScaling(assumed_variance), noise or _EDM_NOISE, loss or _EDM_LOSS, initial_weight)

    @classmethod
    def spectral_skip(
        cls,
        assumed_variance: Values,
        noise: NoiseLevelLaw | None = None,
        *,
        population: Population | None = None,
        loss: LossWeight | None = None,
        initial_weight: Values = 0.0,
    ) -> Self:
        """Spectral skip with scalar output and input scalings, means over the ``population`` ([E32])."""
        scaling = SpectralSkipScaling(assumed_variance, population)
        return cls(scaling, noise or _EDM_NOISE, loss or _EDM_LOSS, initial_weight)

    @property
    def monotone(self) -> bool:
        return not np.any(self.initial_weight)

    @property
    def shared_by_modes(self) -> bool:
        return np.size(self.scaling.assumed_variance) == 1 and np.size(self.initial_weight) == 1

    @property
    def breaks(self) -> tuple[float, ...]:
        return self.noise.jumps

    def start_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        modes, noise = gain_law.non_negative("eigenvalue", eigenvalue), _noise(noise_variance)
        skip, output, input_ = self.scaling.at(noise)
        return _per_mode(skip + self.initial_weight * output * input_, modes)  # [E4]

    def offset(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        modes, noise = gain_law.non_negative("eigenvalue", eigenvalue), _noise(noise_variance)
        _, output, input_ = self.scaling.at(noise)
        assumed = self.scaling.assumed_variance
        mismatch = noise * (assumed - modes) / ((assumed + noise) * (modes + noise))
        return np.asarray(mismatch + self.initial_weight * output * input_)  # [E4]

    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        noise = _noise(noise_variance)
        return self.noise.density(0.5 * np.log(noise)) * self.response(eigenvalue, noise)  # [E3]

    def response(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Relaxation rate per unit of flow time and of the density of the noise level: ``r`` of [E3]."""
        modes, noise = gain_law.non_negative("eigenvalue", eigenvalue), _noise(noise_variance)
        _, output, input_ = self.scaling.at(noise)
        return self.loss.effective(noise, output**2) * input_**2 * (modes + noise)

    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        before, after = self.noise.density(log_sigma - _STEP), self.noise.density(log_sigma + _STEP)
        known = (before > 0.0) & (after > 0.0)
        ratio = np.where(known, after, 1.0) / np.where(known, before, 1.0)
        inside = np.all([np.abs(log_sigma - b) > _STEP for b in self.breaks], axis=0) if self.breaks else True
        return np.where(inside, np.abs(np.log(ratio)) / (2.0 * _STEP), 0.0) + self.loss.steepest

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # Chain rule through gain = skip + output * weight * input, for the loss of this noise level,
        # eigenvalue (gain - 1)^2 + noise_variance gain^2, weighted, and hit with the density of the level.
        noise = _noise(noise_variance)
        _, output, input_ = self.scaling.at(noise)
        loss_weight = self.loss.effective(noise, output**2) / output**2
        by_gain = np.asarray(eigenvalue) * (np.asarray(gain) - 1.0) + noise * gain
        weight_velocity = -self.noise.density(0.5 * np.log(noise)) * loss_weight * output * input_ * by_gain
        return output * input_ * weight_velocity

    def log_start_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        skip_only = gain_law.log_converged_variance(self.scaling.assumed_variance, sigma_min, sigma_max)
        disturbance = 2.0 * self.initial_weight * self.scaling.integrated_leverage(sigma_min, sigma_max)
        return _per_mode(skip_only + disturbance, modes)  # [E6]

    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        return RelaxationTrajectory(self, eigenvalue, sigma_min, sigma_max)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        return quadrature_deviation(self, eigenvalue, flow_time, sigma_min, sigma_max)


def _noise(noise_variance: Values) -> np.ndarray:
    return gain_law.positive("noise_variance", noise_variance)


def _per_mode(value: np.ndarray, modes: np.ndarray) -> np.ndarray:
    return np.broadcast_to(value, np.broadcast_shapes(np.shape(value), modes.shape))
