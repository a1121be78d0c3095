"""Variance preserving: the data shrink as fast as the noise grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from scorelens.core.arrays import namespace
from scorelens.core.processes.linear_rate import LinearRateProcess


@final
@dataclass(frozen=True)
class VariancePreserving(LinearRateProcess):
    """``dx = -beta/2 x dt + sqrt(beta) dw`` with linear ``beta``: DDPM in continuous time.

    ``alpha^2 + std^2 = 1``; with ``B = int beta``: ``alpha = exp(-B/2)``, ``sigma^2 = exp(B) - 1``.

    >>> process = VariancePreserving()
    >>> round(float(process.alpha(0.5) ** 2 + process.std(0.5) ** 2), 12)
    1.0
    """

    name: ClassVar[str] = "vp"
    reference: ClassVar[str] = "song2021, Eqs. 11 and 29, Appendix C"

    def _sigma(self, t: Any) -> Any:
        xp = namespace(t)
        return xp.sqrt(xp.expm1(self._rate.integral(t)))

    def _diffusion(self, t: Any) -> Any:
        return namespace(t).sqrt(self._rate.at(t))

    def _time(self, sigma: Any) -> Any:
        return self._rate.time(namespace(sigma).log1p(sigma**2))
