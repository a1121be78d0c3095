"""How data are corrupted: the linear noise processes ``dx = f(t) x dt + g(t) dw``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, TypeVar

from scorelens.core.arrays import floating, namespace

ArrayT = TypeVar("ArrayT")


class Coefficients(NamedTuple):
    """What a process is at one time: ``x_t = alpha x_0 + std n`` and ``dx = drift x dt + diffusion dw``."""

    alpha: Any
    std: Any
    drift: Any
    diffusion: Any


class NoiseProcess(ABC):
    """``x_t = alpha(t) x_0 + std(t) n = alpha(t) (x_0 + sigma(t) n)``, with ``n`` standard normal.

    Process time starts at the data (``t = 0``, ``sigma = 0``) and ``sigma`` grows with it. With
    ``dx = f x dt + g dw``: ``alpha = exp(int f)`` and ``sigma^2 = int g^2 / alpha^2`` (geometry, [P1]).

    Every method takes a scalar, a NumPy array (computed in float64) or a torch tensor (its own dtype,
    differentiable) and returns its shape. Times outside ``time_range``, and its upper end where it is
    singular, raise ``ValueError``: nothing is clamped.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    time_range: ClassVar[tuple[float, float]]
    """First and last process time; the last one is included unless ``end_is_singular``."""
    end_is_singular: ClassVar[bool]
    """Whether ``sigma`` is infinite at the last time, so that nothing of the data is left there."""

    def alpha(self, time: ArrayT) -> ArrayT:
        """Multiplier of the data at ``time``, dimensionless."""
        return self._alpha(self._valid_time(time))

    def sigma(self, time: ArrayT) -> ArrayT:
        """Noise standard deviation relative to the data, in data units: the level that a denoiser takes."""
        return self._sigma(self._valid_time(time))

    def std(self, time: ArrayT) -> ArrayT:
        """Noise standard deviation in ``x_t`` itself: ``alpha sigma``."""
        t = self._valid_time(time)
        return self._alpha(t) * self._sigma(t)

    def drift(self, time: ArrayT) -> ArrayT:
        """Coefficient ``f(t) = d log alpha / dt`` of ``x`` in the drift."""
        return self._drift(self._valid_time(time))

    def diffusion(self, time: ArrayT) -> ArrayT:
        """Coefficient ``g(t) = alpha sqrt(d sigma^2 / dt)`` of the Brownian motion."""
        return self._diffusion(self._valid_time(time))

    def coefficients(self, time: Any) -> Coefficients:
        """All of ``alpha``, ``std``, ``drift`` and ``diffusion`` at ``time``."""
        t = self._valid_time(time)
        alpha = self._alpha(t)
        return Coefficients(alpha, alpha * self._sigma(t), self._drift(t), self._diffusion(t))

    def time(self, sigma: ArrayT) -> ArrayT:
        """Process time at which the noise level is ``sigma``; the inverse of `sigma`.

        Raises ``ValueError`` for a level that the process does not reach (see ``sigma_range``).
        """
        level = self._valid_sigma(sigma)
        xp = namespace(level)
        low, high = self.time_range
        # rounding of the inverse may overstep a regular end by an ulp
        t = self._time(level) if self.end_is_singular else xp.clip(self._time(level), low, high)
        return self._valid_time(t)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """First and last noise level, in data units; the last one is infinite where the end is singular."""
        return (0.0, math.inf if self.end_is_singular else float(self.sigma(self.time_range[1])))

    @abstractmethod
    def _alpha(self, t: Any) -> Any: ...

    @abstractmethod
    def _sigma(self, t: Any) -> Any: ...

    @abstractmethod
    def _drift(self, t: Any) -> Any: ...

    @abstractmethod
    def _diffusion(self, t: Any) -> Any: ...

    @abstractmethod
    def _time(self, sigma: Any) -> Any: ...

    def _valid_time(self, time: Any) -> Any:
        t = floating(time)
        low, high = self.time_range
        inside = (t >= low) & ((t < high) if self.end_is_singular else (t <= high))
        if not bool(inside.all()):
            sign = "<" if self.end_is_singular else "<="
            remedy = "sigma is infinite at the end: stop before it, e.g. at process.time(sigma_max)"
            raise ValueError(
                f"time of the {self.name} process must lie in {low:g} <= time {sign} {high:g}, "
                f"got {float(t[~inside].reshape(-1)[0]):g}" + (f"; {remedy}" if self.end_is_singular else "")
            )
        return t

    def _valid_sigma(self, sigma: Any) -> Any:
        level = floating(sigma)
        high = self.sigma_range[1]
        slack = 8 * float(namespace(level).finfo(level.dtype).eps)  # sigma_range is rounded to float64
        inside = (level >= 0) & (level < math.inf) & (level <= high * (1 + slack))
        if not bool(inside.all()):
            raise ValueError(
                f"sigma of the {self.name} process must lie in 0 <= sigma <= {high:g} and be finite, "
                f"got {float(level[~inside].reshape(-1)[0]):g}"
            )
        return level
