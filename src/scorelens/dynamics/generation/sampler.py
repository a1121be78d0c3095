"""From the gains at all noise levels to the variance that is generated: by the exact ODE, or on a sampler's
grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.values import Values

_BLOCK = 1 << 18


class Sampler(ABC):
    """A deterministic sampler as the theory sees it: per-mode gains in, logarithm of the generated variance
    out.

    Arguments broadcast as in `GainLaw`. A forecast and a measurement are comparable only on the same sampler.
    """

    name: ClassVar[str]
    equation: ClassVar[str]

    @property
    @abstractmethod
    def ends(self) -> tuple[float, float]:
        """Smallest and largest noise level."""

    @abstractmethod
    def keeps_monotone(self, law: GainLaw) -> bool:
        """Whether the generated variance of ``law`` is known to move one way only in flow time."""

    @abstractmethod
    def stuck(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        """Mask of the modes that ``law`` never learns at an end of the sampler's noise levels."""

    @abstractmethod
    def log_start(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        """Logarithm of the variance generated before training."""

    @abstractmethod
    def log_limit(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        """Logarithm of the variance generated with the law's limit gain at every noise level."""

    @abstractmethod
    def log_way(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        """``log(limit variance / start variance)``: all that training can change."""

    @abstractmethod
    def trajectory(self, law: GainLaw, eigenvalue: Values) -> VarianceTrajectory:
        """Generated variance of these modes as a function of flow time, prepared for many evaluations."""

    def log_variance(self, law: GainLaw, eigenvalue: Values, flow_time: Values) -> np.ndarray:
        """Logarithm of the generated variance."""
        return self.log_start(law, eigenvalue) + self.trajectory(law, eigenvalue).growth(flow_time)


@final
@dataclass(frozen=True)
class ExactSampler(Sampler):
    """The probability-flow ODE, solved exactly from ``sigma_max`` down to ``sigma_min``."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    name: ClassVar[str] = "exact"
    equation: ClassVar[str] = "learning dynamics (4.3)"

    def __post_init__(self) -> None:
        gain_law.check_sigma_range(self.sigma_min, self.sigma_max)

    @property
    def ends(self) -> tuple[float, float]:
        return self.sigma_min, self.sigma_max

    def keeps_monotone(self, law: GainLaw) -> bool:
        return law.monotone

    def stuck(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return _stuck_between(law, eigenvalue, self.ends)

    def log_start(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return law.log_start_variance(eigenvalue, self.sigma_min, self.sigma_max)

    def log_limit(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return law.log_limit_variance(eigenvalue, self.sigma_min, self.sigma_max)

    def log_way(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        sign, size = law.log_deviation(eigenvalue, 0.0, self.sigma_min, self.sigma_max)
        return -sign * np.exp(size)

    def trajectory(self, law: GainLaw, eigenvalue: Values) -> VarianceTrajectory:
        return law.trajectory(eigenvalue, self.sigma_min, self.sigma_max)


@final
class HeunSampler(Sampler):
    """Heun's method on the noise levels ``sigmas``, descending, from ``sigmas[0]`` times a normal draw
    ([E11]).

    ``denoise_last`` adds an Euler step from the last level to zero. On 20 Karras levels the perfect
    denoiser's small modes come out up to a third too strong; this sampler says so.

    >>> from scorelens.core.sigma_grid import karras
    >>> from scorelens.dynamics.laws.one_layer import OneLayer
    >>> np.exp(HeunSampler(karras(20, 0.002, 80.0)).log_limit(OneLayer(), np.array([5.0, 0.01]))).round(4)
    array([5.2782, 0.0115])
    """

    name: ClassVar[str] = "heun"
    equation: ClassVar[str] = "[E11]"

    def __init__(self, sigmas: np.ndarray, denoise_last: bool = False) -> None:
        self.sigmas = _descending(sigmas)
        self.denoise_last = denoise_last

    @property
    def ends(self) -> tuple[float, float]:
        return float(self.sigmas[-1]), float(self.sigmas[0])

    def keeps_monotone(self, law: GainLaw) -> bool:
        # A Heun factor may fall where a gain rises, once a step is longer than the noise level it ends at.
        return False

    def stuck(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return _stuck_between(law, eigenvalue, self.ends)

    def log_start(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return self._log_variance(law.start_gain(eigenvalue, sigma**2) for sigma in self.sigmas)

    def log_limit(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return self._log_variance(law.limit_gain(eigenvalue, sigma**2) for sigma in self.sigmas)

    def log_way(self, law: GainLaw, eigenvalue: Values) -> np.ndarray:
        return self.log_limit(law, eigenvalue) - self.log_start(law, eigenvalue)

    def trajectory(self, law: GainLaw, eigenvalue: Values) -> VarianceTrajectory:
        return _HeunTrajectory(law, eigenvalue, self)

    def _log_variance(self, gains: Iterable[np.ndarray]) -> np.ndarray:
        return _log_variance_on_grid(gains, self.sigmas, self.denoise_last)


@final
class _HeunTrajectory(VarianceTrajectory):
    def __init__(self, law: GainLaw, eigenvalue: Values, sampler: HeunSampler) -> None:
        self._law, self._sampler = law, sampler
        self._modes = gain_law.non_negative("eigenvalue", eigenvalue)
        self._log_start = sampler.log_start(law, self._modes)

    def growth(self, flow_time: Values) -> np.ndarray:
        gains = (gain for _, block in self._blocks(flow_time) for gain in block)
        return (
            _log_variance_on_grid(gains, self._sampler.sigmas, self._sampler.denoise_last) - self._log_start
        )

    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        growth, slope, before = 2.0 * np.log(self._sampler.sigmas[0]) - self._log_start, np.zeros(()), None
        gain, rate = np.ones(()), np.zeros(())
        for sigma, (gain, rate) in zip(self._sampler.sigmas, self._gains_and_rates(flow_time), strict=True):
            now = sigma, (1.0 - gain) / sigma, -rate / sigma
            if before is not None:
                factor, factor_slope = _heun_factor_and_slope(*before, *now)
                growth, slope = growth + 2.0 * gain_law.log_abs(factor), slope + 2.0 * factor_slope / factor
            before = now
        if self._sampler.denoise_last:
            growth, slope = growth + 2.0 * gain_law.log_abs(gain), slope + 2.0 * rate / gain
        return growth, slope

    def _gains_and_rates(self, flow_time: Values) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for sigmas, gain in self._blocks(flow_time):
            yield from zip(gain, self._law.rate(gain, self._modes, sigmas**2), strict=True)

    def _blocks(self, flow_time: Values) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Noise levels and gains, many levels at once where the modes are few."""
        times = gain_law.non_negative("flow_time", flow_time)
        shape = np.broadcast_shapes(self._log_start.shape, times.shape)
        n_block = max(1, _BLOCK // max(1, int(np.prod(shape))))
        for first in range(0, len(self._sampler.sigmas), n_block):
            sigmas = self._sampler.sigmas[first : first + n_block].reshape(-1, *(1,) * len(shape))
            yield sigmas, self._law.gain(self._modes, sigmas**2, times)


def generated_variance_on_grid(
    gain: np.ndarray, sigmas: np.ndarray, denoise_last: bool = False
) -> np.ndarray:
    """Variance that Heun's method generates on a grid of noise levels, from the gains at those levels
    ([E11]).

    ``gain`` has shape ``(s, ...)``, ``sigmas`` shape ``(s,)``, descending and > 0; the result has shape
    ``(...)``. ``denoise_last`` adds an Euler step from the last level to zero.

    >>> from scorelens.core.sigma_grid import karras
    >>> sigmas = karras(20, 0.002, 80.0)
    >>> float(generated_variance_on_grid(1.0 / (1.0 + sigmas**2), sigmas).round(4))
    1.072
    """
    sigmas, gain = _descending(sigmas), np.asarray(gain, dtype=float)
    checks.finite("gain", gain)
    if gain.shape[:1] != sigmas.shape:
        raise ValueError(f"gain must have one row per sigma, got shape {gain.shape} for {len(sigmas)} sigmas")
    return np.exp(_log_variance_on_grid(gain, sigmas, denoise_last))


def _log_variance_on_grid(gains: Iterable[np.ndarray], sigmas: np.ndarray, denoise_last: bool) -> np.ndarray:
    total, before, gain = np.asarray(2.0 * np.log(sigmas[0])), None, np.ones(())
    for sigma, gain in zip(sigmas, gains, strict=True):
        now = sigma, (1.0 - gain) / sigma
        if before is not None:
            total = total + 2.0 * gain_law.log_abs(_heun_factor(*before, *now))
        before = now
    return total + 2.0 * gain_law.log_abs(np.asarray(gain)) if denoise_last else total


def _heun_factor(sigma: float, drift: np.ndarray, next_sigma: float, next_drift: np.ndarray) -> np.ndarray:
    step = next_sigma - sigma
    return 1.0 + 0.5 * step * (drift + next_drift * (1.0 + step * drift))  # [E11]


def _heun_factor_and_slope(
    sigma: float,
    drift: np.ndarray,
    drift_rate: np.ndarray,
    next_sigma: float,
    next_drift: np.ndarray,
    next_drift_rate: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    step = next_sigma - sigma
    slope = drift_rate * (1.0 + step * next_drift) + next_drift_rate * (1.0 + step * drift)
    return _heun_factor(sigma, drift, next_sigma, next_drift), 0.5 * step * slope


def _stuck_between(law: GainLaw, eigenvalue: Values, sigmas: tuple[float, float]) -> np.ndarray:
    return np.any([law.stuck(eigenvalue, sigma**2) for sigma in sigmas], axis=0)


def _descending(sigmas: np.ndarray) -> np.ndarray:
    levels = gain_law.positive("sigmas", sigmas)
    if levels.ndim != 1 or len(levels) < 2 or not np.all(np.diff(levels) < 0.0):
        raise ValueError(
            f"sigmas must be two or more descending noise levels, got {levels.tolist()}; karras() makes them"
        )
    return levels


SAMPLERS: tuple[type[Sampler], ...] = (ExactSampler, HeunSampler)
