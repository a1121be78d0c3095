"""Cosine: variance preserving, with ``alpha`` a cosine of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

from scorelens.core import checks
from scorelens.core.arrays import namespace
from scorelens.core.processes.base import NoiseProcess


@final
@dataclass(frozen=True)
class Cosine(NoiseProcess):
    """``alpha = cos(theta(t)) / cos(theta(0))`` with ``theta = (t + offset) / (1 + offset) pi/2``.

    ``alpha^2 + std^2 = 1``. The original ends with ``beta`` clipped; here the singular end
    ``t = 1`` is refused instead.

    >>> round(float(Cosine(offset=0.0).sigma(0.5)), 12)
    1.0
    """

    offset: float = 0.008
    name: ClassVar[str] = "cosine"
    reference: ClassVar[str] = "nichol2021, Eq. 17"
    time_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    end_is_singular: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.non_negative("offset", self.offset)

    @property
    def _speed(self) -> float:
        return 0.5 * math.pi / (1 + self.offset)

    @property
    def _start(self) -> float:
        return self._speed * self.offset

    def _angle(self, t: Any) -> Any:
        return self._start + self._speed * t

    def _alpha(self, t: Any) -> Any:
        return namespace(t).cos(self._angle(t)) / math.cos(self._start)

    def _sigma(self, t: Any) -> Any:
        xp = namespace(t)
        # 1/alpha^2 - 1 by cos^2 a - cos^2 b = sin(b - a) sin(b + a), without cancellation at small t
        product = xp.sin(self._speed * t) * xp.sin(2 * self._start + self._speed * t)
        return xp.sqrt(product) / xp.cos(self._angle(t))

    def _drift(self, t: Any) -> Any:
        return -self._speed * namespace(t).tan(self._angle(t))

    def _diffusion(self, t: Any) -> Any:
        # variance preserving: g^2 = -2 f
        xp = namespace(t)
        return xp.sqrt(2 * self._speed * xp.tan(self._angle(t)))

    def _time(self, sigma: Any) -> Any:
        xp = namespace(sigma)
        start = math.tan(self._start)
        leg = sigma / math.cos(self._start)
        end = xp.sqrt(start**2 + leg**2)  # tan(theta)
        # tan(theta) - tan(theta_0) without cancellation; the smallest number keeps 0 / 0 at 0
        gap = leg * (leg / (end + start + xp.finfo(sigma.dtype).tiny))
        return xp.arctan(gap / (1 + end * start)) / self._speed
