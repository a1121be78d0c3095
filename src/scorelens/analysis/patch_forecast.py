"""The forecast of a local convolution, whose frequencies do not learn apart: they share a filter."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from scorelens.analysis.frequency_modes import FrequencyModes
from scorelens.analysis.mode_forecast import LawFacts, ModeForecast
from scorelens.dynamics import Emergence, OneLayer, VarianceTrajectory
from scorelens.dynamics.convolution.patch import PatchConvolution
from scorelens.dynamics.criterion import criterion_named
from scorelens.dynamics.emergence import AT_START, EMERGED, UNREACHABLE
from scorelens.dynamics.first_crossing import UNREACHED, first_crossing

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
        known = np.where(self.eigenvalues > 0.0, self.eigenvalues, 1.0)
        distance = np.where(self.eigenvalues > 0.0, np.log(known), -np.inf) - self.log_start()
        threshold = criterion_named(criterion).threshold(distance)
        log_time = first_crossing(self._trajectory, threshold, monotone=False)
        reached, at_start = log_time != UNREACHED, threshold == 0.0
        time = np.where(reached, np.exp(np.where(reached, log_time, 0.0)), np.inf)
        status = np.where(at_start, AT_START, np.where(reached, EMERGED, UNREACHABLE))
        return Emergence(np.where(at_start, 0.0, time), status, criterion, "data")

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
                (_SomeFrequencies(law, self._frequency[chosen], *self.sampler.ends), chosen)
                for law, chosen in self._parts
            ]
        )


@final
class _SomeFrequencies(VarianceTrajectory):
    """Generated variance at some frequencies, ``(mode,)``: `PatchTrajectory` without all the others.

    In the patch's eigenbasis each mode is a one-layer law, affine in its initial gain, and the cosines add
    them up (learning dynamics (10.4)).
    """

    def __init__(
        self, law: PatchConvolution, frequency: np.ndarray, sigma_min: float, sigma_max: float
    ) -> None:
        whole = law.trajectory(sigma_min, sigma_max)
        modes, seen = whole.modes, whole.modes.seen
        self._pace = whole.speedup
        self._cosines = modes.cosines(frequency)[:, seen]
        self._start = modes.vectors[:, seen].T @ whole.start
        self._rise = modes.vectors[modes.centre, seen] - self._start
        variances = modes.variances[seen]
        self._from_zero, self._from_one = (
            OneLayer(gain).trajectory(variances, sigma_min, sigma_max) for gain in (0.0, 1.0)
        )

    def growth(self, flow_time: np.ndarray | float) -> np.ndarray:
        inner = self._pace * self._shared(flow_time)[..., None]
        along = self._rise * self._from_zero.growth(inner) + self._start * self._from_one.growth(inner)
        return self._added(along)  # (10.4)

    def growth_and_slope(self, flow_time: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        inner = self._pace * self._shared(flow_time)[..., None]
        zero, one = self._from_zero.growth_and_slope(inner), self._from_one.growth_and_slope(inner)
        growth, slope = (self._rise * a + self._start * b for a, b in zip(zero, one, strict=True))
        return self._added(growth), self._pace * self._added(slope)

    def _added(self, along: np.ndarray) -> np.ndarray:
        return np.einsum("...j,...j->...", along, self._cosines)

    @staticmethod
    def _shared(flow_time: np.ndarray | float) -> np.ndarray:
        """Times ``(..., 1)`` where they are the same for all frequencies, so that they are evaluated once."""
        times = np.asarray(flow_time, dtype=float)
        alike = times.ndim and bool(np.all(times == times[..., :1]))
        return times[..., :1] if alike else times


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
