"""The time of flow matching and the noise level of a denoiser: one axis, two names.

Learning dynamics, section 11.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.values import Values


def time_of_noise(sigma: Values) -> np.ndarray:
    """Time of the path ``x_t = (1 - t) x0 + t x1`` (``x1`` data) at which ``x_t / t = x1 + sigma x0``.

    >>> float(time_of_noise(3.0))
    0.25
    """
    return 1.0 / (1.0 + gain_law.positive("sigma", sigma))


def noise_of_time(time: Values) -> np.ndarray:
    """Noise level ``sigma = (1 - t) / t`` at ``0 < time < 1``; ``ValueError`` elsewhere.

    >>> float(noise_of_time(0.25))
    3.0
    """
    values = unit_time("time", time)
    if np.any((values == 0.0) | (values == 1.0)):
        raise ValueError("time must lie inside (0, 1), got an end; no noise level > 0 belongs to it")
    return (1.0 - values) / values


def gain_of_velocity(velocity_gain: Values, sigma: Values) -> np.ndarray:
    """Gain of the denoiser whose velocity field multiplies the mode by ``velocity_gain`` at this noise level.

    ``t (1 + (1 - t) psi)``, because ``E[x1 | x_t] = x_t + (1 - t) v``.

    >>> float(gain_of_velocity(1.0, 1.0))
    0.75
    """
    sigma = gain_law.positive("sigma", sigma)
    return (1.0 + sigma * (1.0 + np.asarray(velocity_gain))) / (1.0 + sigma) ** 2


def velocity_of_gain(gain: Values, sigma: Values) -> np.ndarray:
    """Velocity gain of a denoiser's ``gain``: the inverse of `gain_of_velocity`.

    >>> float(velocity_of_gain(0.75, 1.0))
    1.0
    """
    sigma = gain_law.positive("sigma", sigma)
    return (np.asarray(gain) * (1.0 + sigma) - 1.0) * (1.0 + sigma) / sigma


def leverage(sigma: Values) -> np.ndarray:
    """How much a denoiser's gain moves with the velocity gain: ``t (1 - t)``.

    >>> float(leverage(1.0))
    0.25
    """
    sigma = gain_law.positive("sigma", sigma)
    return sigma / (1.0 + sigma) ** 2


def excess(velocity_gain: Values, eigenvalue: Values, sigma: Values) -> np.ndarray:
    """``velocity_gain`` less the optimum, with its digits where both are near 1 or -1 at an end of the path.

    >>> float(excess(0.5, 1.0, 1.0))
    0.5
    """
    gain, sigma = np.asarray(velocity_gain), gain_law.positive("sigma", sigma)
    modes = gain_law.non_negative("eigenvalue", eigenvalue)
    above = (gain + 1.0) * sigma**2 + (1.0 - modes) * sigma + (gain - 1.0) * modes
    return above / (modes + sigma**2)


def velocity_gradient(velocity_gain: Values, eigenvalue: Values, time: Values) -> np.ndarray:
    """Half the derivative by ``velocity_gain`` of the mode's loss ``E (psi x_t - (x1 - x0))^2``.

    >>> float(velocity_gradient(0.0, 1.0, 0.5))
    0.0
    """
    time, gain = np.asarray(time, dtype=float), np.asarray(velocity_gain)
    of_data, of_noise = time * gain - 1.0, (1.0 - time) * gain + 1.0
    return np.asarray(eigenvalue) * time * of_data + (1.0 - time) * of_noise


def unit_time(name: str, value: Values) -> np.ndarray:
    """``value`` in float64; ``ValueError`` unless every entry lies in [0, 1]."""
    checks.non_negative(name, value, "flow matching runs from 0 (noise) to 1 (data)")
    if np.any(np.asarray(value) > 1.0):
        raise ValueError(f"{name} must be <= 1, got {np.max(value):g}; flow matching ends in the data at 1")
    return np.asarray(value, dtype=float)


@final
@dataclass(frozen=True, eq=False)
class PathSegment:
    """The part of the path that a sampler crosses, as each mode sees it: counted from its turning time.

    ``start`` and ``end`` are times less ``t_* = 1 / (1 + eigenvalue)``, ``first`` and ``last`` the variances
    ``r`` of ``x_t`` there, ``length`` the time between. Everywhere in between ``r = turn + stretch
    offset^2`` and the numerator of the optimal velocity gain is ``stretch offset``: nothing cancels.
    """

    modes: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    length: np.ndarray

    @classmethod
    def between_times(cls, eigenvalue: Values, t0: Values, t1: Values) -> Self:
        """From time ``t0`` to ``t1``; ``ValueError`` unless ``0 <= t0 < t1 <= 1``."""
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        t0, t1 = unit_time("t0", t0), unit_time("t1", t1)
        if np.any(t0 >= t1):
            raise ValueError(f"t1 must exceed t0, got {t1} and {t0}; sampling runs from noise to data")
        start, end = ((t * modes - (1.0 - t)) / (1.0 + modes) for t in (t0, t1))
        first, last = (path_variance(modes, t) for t in (t0, t1))
        return cls(modes, start, end, first, last, t1 - t0)

    @classmethod
    def between_noise_levels(cls, eigenvalue: Values, sigma_min: float, sigma_max: float) -> Self:
        """From ``sigma_max`` down to ``sigma_min``; ``ValueError`` unless ``0 < sigma_min < sigma_max``."""
        gain_law.check_sigma_range(sigma_min, sigma_max)
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        start, end = ((modes - s) / ((1.0 + s) * (1.0 + modes)) for s in (sigma_max, sigma_min))
        first, last = ((modes + s**2) / (1.0 + s) ** 2 for s in (sigma_max, sigma_min))
        length = (sigma_max - sigma_min) / ((1.0 + sigma_max) * (1.0 + sigma_min))
        return cls(modes, start, end, first, last, np.asarray(length))

    def picked(self, shape: tuple[int, ...], index: np.ndarray) -> PathSegment:
        """The segments at flat ``index`` of those broadcast to ``shape``."""
        values = (getattr(self, field.name) for field in fields(self))
        return PathSegment(*(np.broadcast_to(value, shape).ravel()[index] for value in values))

    @property
    def stretch(self) -> np.ndarray:
        """``1 + eigenvalue``."""
        return 1.0 + self.modes

    @property
    def turn(self) -> np.ndarray:
        """Smallest variance of the path, at the turning time: ``eigenvalue / (1 + eigenvalue)``."""
        return self.modes / (1.0 + self.modes)

    @property
    def rise(self) -> np.ndarray:
        """``last - first``, exact where they are close."""
        return self.stretch * self.length * (self.start + self.end)

    @property
    def straddles(self) -> np.ndarray:
        """Mask of the modes whose turning time lies on the segment."""
        return (self.start <= 0.0) & (self.end >= 0.0)

    @property
    def nearest(self) -> np.ndarray:
        """Distance of the segment from the turning time; 0 where it straddles it."""
        return np.where(self.straddles, 0.0, np.minimum(np.abs(self.start), np.abs(self.end)))

    @property
    def log_unit_change(self) -> np.ndarray:
        """``log(last / first)``, ``-inf`` where the last is 0: what the optimal field does to the
        variance."""
        near = np.abs(self.rise) < 0.5 * self.first
        close = np.log1p(np.where(near, self.rise / self.first, 0.0))
        return np.where(near, close, gain_law.log_abs(self.last) - np.log(self.first))  # (11.1)


def path_variance(eigenvalue: Values, time: Values) -> np.ndarray:
    """Variance ``r`` of ``x_t`` along the mode.

    >>> float(round(path_variance(0.25, 0.7), 6))
    0.2125
    """
    time = unit_time("time", time)
    return gain_law.non_negative("eigenvalue", eigenvalue) * time**2 + (1.0 - time) ** 2


def path_pull(eigenvalue: Values, time: Values) -> np.ndarray:
    """``A_0 = t eigenvalue - (1 - t)``, the numerator of the optimal velocity gain.

    >>> float(path_pull(1.0, 0.75))
    0.5
    """
    time = unit_time("time", time)
    return time * gain_law.non_negative("eigenvalue", eigenvalue) - (1.0 - time)


def log_rescaling(sigma_min: float, sigma_max: float) -> float:
    """``log(generated variance)`` less the log growth of the variance of ``x_t`` between two noise levels.

    Sampling starts from ``sigma_max ** 2`` and divides the variance of ``x_t`` by ``t ** 2``.

    >>> round(log_rescaling(1.0, 3.0), 6)
    0.81093
    """
    gain_law.check_sigma_range(sigma_min, sigma_max)
    return float(2.0 * (np.log1p(sigma_min) - np.log1p(1.0 / sigma_max)))
