"""One linear layer, the plain denoising loss, the same initial gain at every noise level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.laws.relaxation import RelaxationLaw, RelaxationTrajectory
from scorelens.dynamics.laws.sampling_integral import quadrature_deviation
from scorelens.dynamics.numerics.exponential_integral import e1_difference, ein_rise, scaled_e1
from scorelens.dynamics.numerics.quadrature import panel_rule
from scorelens.dynamics.values import Values

_WELL_CONDITIONED = 1e-4
_MEAN_PANEL_WIDTH = 0.25


@final
@dataclass(frozen=True, eq=False)
class OneLayer(RelaxationLaw):
    """``D(x) = W_sigma x`` with ``W_sigma(0) = initial_gain`` along the mode, the same for every sigma.

    ``initial_gain`` is any real number, or one per mode: 0 and negative ones included. Closed forms in
    exponential integrals (Wang & Pehlevan 2025, Prop. 4.2; learning dynamics, section 5). Where the initial
    gain lies between 0 and 1 the variance may dip before it rises; at finite flow time it depends on
    ``sigma_min``.

    >>> OneLayer(0.1).generated_variance(1.0, 1.0, sigma_min=0.002, sigma_max=80.0).round(6)
    np.float64(0.024603)
    """

    initial_gain: Values = 0.0
    name: ClassVar[str] = "one-layer"
    equation: ClassVar[str] = "learning dynamics (2.2), (5.3)"
    reference: ClassVar[str] = "wang2025, Prop. 4.2"

    def __post_init__(self) -> None:
        checks.finite("initial_gain", self.initial_gain)
        object.__setattr__(self, "initial_gain", np.asarray(self.initial_gain, dtype=float))

    @property
    def monotone(self) -> bool:
        gain = np.asarray(self.initial_gain)
        return bool(np.all((gain <= 0.0) | (gain >= 1.0)))  # sign of (5.4)

    @property
    def shared_by_modes(self) -> bool:
        return np.size(self.initial_gain) == 1

    @property
    def breaks(self) -> tuple[float, ...]:
        return ()

    def start_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        shape = np.broadcast_shapes(
            np.shape(eigenvalue), np.shape(noise_variance), np.shape(self.initial_gain)
        )
        return np.broadcast_to(self.initial_gain, shape)

    def offset(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return gain_law.above_optimum(self.initial_gain, eigenvalue, noise_variance)

    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        eigenvalue = gain_law.non_negative("eigenvalue", eigenvalue)
        return eigenvalue + gain_law.positive("noise_variance", noise_variance)

    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        return np.full_like(log_sigma, 2.0)

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        # Half the negative gradient of the loss eigenvalue (gain - 1)^2 + noise_variance gain^2.
        return -(np.asarray(eigenvalue) * (np.asarray(gain) - 1.0) + np.asarray(noise_variance) * gain)

    def log_start_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        gain = self.start_gain(gain_law.non_negative("eigenvalue", eigenvalue), 1.0)
        return gain_law.log_variance_of_one_gain(gain, sigma_min, sigma_max)

    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        return _OneLayerTrajectory(np.asarray(self.initial_gain), modes, sigma_min**2, sigma_max**2)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        gain_law.check_sigma_range(sigma_min, sigma_max)
        modes, times = _modes_and_times(eigenvalue, flow_time)
        gains, modes, times = np.broadcast_arrays(self.initial_gain, modes, times)
        scaled, conditioned = _scaled_deviation(gains, modes, times, sigma_min, sigma_max)
        sign = np.array(np.sign(scaled))
        logarithm = np.array(
            np.log(np.where(conditioned, np.abs(scaled), 1.0)) - times * (modes + sigma_min**2)
        )
        if not conditioned.all():
            hard = ~conditioned
            exact = quadrature_deviation(
                OneLayer(gains[hard]), modes[hard], times[hard], sigma_min, sigma_max
            )
            sign[hard], logarithm[hard] = exact
        return sign, logarithm

    def generated_mean(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
        initial_bias: Values,
    ) -> np.ndarray:
        """Mean generated along the mode by centred data and ``b_sigma(0) = initial_bias`` at every sigma
        ((5.5))."""
        gain_law.check_sigma_range(sigma_min, sigma_max)
        checks.finite("initial_bias", initial_bias)
        modes, times = _modes_and_times(eigenvalue, flow_time)
        low, high = np.log(sigma_min), np.log(sigma_max)
        rule = panel_rule(np.linspace(low, high, 2 + int((high - low) / _MEAN_PANEL_WIDTH)))
        total = np.zeros(np.broadcast_shapes(modes.shape, times.shape, np.shape(self.initial_gain)))
        for level, weight in zip(rule.log_sigma, rule.weight, strict=True):
            start = self.log_start_variance(modes, sigma_min, float(np.exp(level)))
            growth = self.trajectory(modes, sigma_min, float(np.exp(level))).growth(times)
            total += weight * np.exp(0.5 * (start + growth) - level)
        return np.asarray(initial_bias) * np.exp(-times) * total


@final
@dataclass(frozen=True, eq=False)
class _OneLayerTrajectory(VarianceTrajectory):
    gain: np.ndarray
    modes: np.ndarray
    low: float
    high: float

    def growth(self, flow_time: Values) -> np.ndarray:
        times = gain_law.non_negative("flow_time", flow_time)
        gains, modes, times = np.broadcast_arrays(self.gain, self.modes, times)
        terms = self._terms(gains, modes, times)
        growth = np.asarray(sum(terms))
        hard = np.abs(growth) < _WELL_CONDITIONED * np.max(np.abs(terms), axis=0)
        if hard.any():
            exact = RelaxationTrajectory(OneLayer(gains[hard]), modes[hard], self.low**0.5, self.high**0.5)
            growth[hard] = exact.growth(times[hard])
        return growth

    def _terms(self, gains: np.ndarray, modes: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
        """Terms of (5.3) less its start; they cancel early in training."""
        log_ratio = np.log(self.high / self.low)
        low, high, rise = times * self.low, times * self.high, times * (self.high - self.low)
        remembered = np.exp(-times * modes) * ein_rise(low, high, rise)
        learned = ein_rise(times * modes + low, times * modes + high, rise)
        return [(gains - 1.0) * log_ratio * np.expm1(-times * modes), (1.0 - gains) * remembered, -learned]

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        times = gain_law.non_negative("flow_time", flow_time)
        spread = times * (self.high - self.low)
        mean_decay = np.where(spread > 0.0, -np.expm1(-spread) / np.where(spread > 0.0, spread, 1.0), 1.0)
        integral = e1_difference(times * self.low, times * self.high, np.log(self.high / self.low))
        learning = self.modes * (1.0 - self.gain) * integral
        forgetting = self.gain * (self.high - self.low) * np.exp(-times * self.low) * mean_decay
        return self.growth(times), np.exp(-times * self.modes) * (learning - forgetting)  # (5.4)


def _modes_and_times(eigenvalue: Values, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
    return gain_law.non_negative("eigenvalue", eigenvalue), gain_law.non_negative("flow_time", flow_time)


def _scaled_deviation(
    gains: np.ndarray, modes: np.ndarray, times: np.ndarray, sigma_min: float, sigma_max: float
) -> tuple[np.ndarray, np.ndarray]:
    """Deviation times ``exp(flow_time (eigenvalue + sigma_min^2))``, and where it keeps its digits (section
    13)."""
    started = times > 0.0
    times = np.where(started, times, 1.0)
    low, high = sigma_min**2, sigma_max**2
    far = np.exp(-times * (high - low))
    terms = np.stack(
        [
            scaled_e1(times * (modes + low)),
            (gains - 1.0) * scaled_e1(times * low),
            -far * scaled_e1(times * (modes + high)),
            -far * (gains - 1.0) * scaled_e1(times * high),
        ]
    )
    total = terms.sum(axis=0)
    return total, started & (np.abs(total) > _WELL_CONDITIONED * np.abs(terms).max(axis=0))
