"""Gain laws that are another law with a faster or slower clock."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.values import Values


class RescaledLaw(GainLaw):
    """Learns as ``inner`` does in ``speedup`` times the flow time."""

    @property
    @abstractmethod
    def inner(self) -> GainLaw:
        """The law of the gain."""

    @property
    @abstractmethod
    def speedup(self) -> float:
        """Flow time of the inner law per unit of flow time, > 0."""

    @property
    def monotone(self) -> bool:
        return self.inner.monotone

    @property
    def shared_by_modes(self) -> bool:
        return self.inner.shared_by_modes

    def start_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return self.inner.start_gain(eigenvalue, noise_variance)

    def limit_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return self.inner.limit_gain(eigenvalue, noise_variance)

    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        return self.inner.evolve(gain, eigenvalue, noise_variance, self._inner_time(flow_time))

    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return self.speedup * self.inner.rate(gain, eigenvalue, noise_variance)

    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        return self.inner.change(eigenvalue, noise_variance, self._inner_time(flow_time))

    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.inner.log_gap(eigenvalue, noise_variance, self._inner_time(flow_time))

    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        return self.inner.travel_time(gain, way, left, eigenvalue, noise_variance) / self.speedup

    def stuck(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return self.inner.stuck(eigenvalue, noise_variance)

    def log_start_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        return self.inner.log_start_variance(eigenvalue, sigma_min, sigma_max)

    def log_limit_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        return self.inner.log_limit_variance(eigenvalue, sigma_min, sigma_max)

    def log_limit_ratio(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        return self.inner.log_limit_ratio(eigenvalue, sigma_min, sigma_max)

    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        return _RescaledTrajectory(self.inner.trajectory(eigenvalue, sigma_min, sigma_max), self.speedup)

    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.inner.log_deviation(eigenvalue, self._inner_time(flow_time), sigma_min, sigma_max)

    def _inner_time(self, flow_time: Values) -> np.ndarray:
        return self.speedup * gain_law.non_negative("flow_time", flow_time)


@final
@dataclass(frozen=True, eq=False)
class _RescaledTrajectory(VarianceTrajectory):
    inner: VarianceTrajectory
    speedup: float

    def growth(self, flow_time: Values) -> np.ndarray:
        return self.inner.growth(self._inner_time(flow_time))

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        growth, slope = self.inner.growth_and_slope(self._inner_time(flow_time))
        return growth, self.speedup * slope

    def _inner_time(self, flow_time: Values) -> np.ndarray:
        return self.speedup * gain_law.non_negative("flow_time", flow_time)
