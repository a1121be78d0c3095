"""The forecast of a local convolution, whose frequencies do not learn apart: they share a filter."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from scorelens.analysis.frequency_modes import FrequencyModes
from scorelens.analysis.mode_forecast import LawFacts, ModeForecast
from scorelens.dynamics import (
    Emergence,
    PatchConvolution,
    VarianceTrajectory,
    gain_law,
    trajectory_emergence,
)

if TYPE_CHECKING:
    from scorelens.results.config import RunConfig


@final
class PatchForecast(ModeForecast):
    """The forecast by one filter of the given odd ``shape`` per channel of the images, in closed form.

    The filters start as ``initial_gain`` at their centre. Variances are those of the exact probability-flow
    ODE throughout.
    """

    def __init__(
        self, modes: FrequencyModes, shape: tuple[int, int], initial_gain: float, config: RunConfig
    ) -> None:
        facts = LawFacts(PatchConvolution.name, PatchConvolution.equation, PatchConvolution.reference)
        super().__init__(modes.power, facts, config, exact=True)
        reach = [np.arange(size) - size // 2 for size in shape]
        offsets = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 2)
        start = initial_gain * (offsets == 0).all(axis=1)
        channel, row, column = modes.place
        self._grid = modes.spectrum.power.shape[1:]
        self._frequency = np.ravel_multi_index((row, column), self._grid)
        self._parts = [
            (PatchConvolution.of_power(power, offsets, start), channel == which)
            for which, power in enumerate(modes.spectrum.power)
            if (channel == which).any()
        ]

    def log_start(self) -> np.ndarray:
        return self._joined(lambda law: law.log_start_variance(*self.sampler.ends))

    def log_limit(self) -> np.ndarray:
        return self._joined(lambda law: law.log_limit_variance(*self.sampler.ends))

    def log_variance(self, flow_time: np.ndarray) -> np.ndarray:
        return self.log_start() + self._trajectory.growth(flow_time[:, None])

    def log_variance_exact(self, flow_time: np.ndarray) -> np.ndarray:
        return self.log_variance(flow_time)

    def emergence(self, criterion: str) -> Emergence:
        distance = gain_law.log_abs(self.eigenvalues) - self.log_start()
        return trajectory_emergence(self._trajectory, distance, criterion=criterion)

    def stuck(self) -> np.ndarray:
        return np.zeros(len(self.eigenvalues), dtype=bool)

    def gain(self, sigma: np.ndarray, flow_time: np.ndarray) -> np.ndarray:
        gains = np.empty((len(flow_time), len(sigma), len(self.eigenvalues)))
        for law, chosen in self._parts:
            for at, time in enumerate(flow_time):
                taps = np.stack([law.parameters(float(level), float(time)) for level in sigma])
                gains[at][:, chosen] = np.real(law.transfer(taps)).reshape(len(sigma), -1)[
                    :, self._frequency[chosen]
                ]
        return gains

    def _joined(self, of: Callable[[PatchConvolution], np.ndarray]) -> np.ndarray:
        """What a law says of its frequencies, from all channels."""
        found = np.empty(len(self.eigenvalues))
        for law, chosen in self._parts:
            found[chosen] = of(law).ravel()[self._frequency[chosen]]
        return found

    @cached_property
    def _trajectory(self) -> VarianceTrajectory:
        return _Channels(
            [
                (law.trajectory(*self.sampler.ends, self._frequency[chosen]), chosen)
                for law, chosen in self._parts
            ]
        )


@final
class _Channels(VarianceTrajectory):
    """Trajectories of the channels of images, each with the mask of its modes among all."""

    def __init__(self, parts: list[tuple[VarianceTrajectory, np.ndarray]]) -> None:
        self._parts = parts

    def growth(self, flow_time: np.ndarray | float) -> np.ndarray:
        return self._over_channels(flow_time, lambda part, times: (part.growth(times),))[0]

    def growth_and_slope(self, flow_time: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        growth, slope = self._over_channels(flow_time, lambda part, times: part.growth_and_slope(times))
        return growth, slope

    def _over_channels(
        self,
        flow_time: np.ndarray | float,
        of: Callable[[VarianceTrajectory, np.ndarray], tuple[np.ndarray, ...]],
    ) -> list[np.ndarray]:
        n_modes = len(self._parts[0][1])
        times = np.asarray(flow_time, dtype=float)
        whole = np.broadcast_to(times, np.broadcast_shapes(times.shape, (n_modes,)))
        found: list[np.ndarray] = []
        for part, chosen in self._parts:
            values = of(part, whole[..., chosen])
            found = found or [np.empty(whole.shape) for _ in values]
            for into, value in zip(found, values, strict=True):
                into[..., chosen] = value
        return found
