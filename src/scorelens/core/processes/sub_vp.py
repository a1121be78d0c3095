"""Sub-VP: the drift of variance preserving with less noise at every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from scorelens.core.arrays import namespace
from scorelens.core.processes.linear_rate import LinearRateProcess


@final
@dataclass(frozen=True)
class SubVariancePreserving(LinearRateProcess):
    """``dx = -beta/2 x dt + sqrt(beta (1 - exp(-2B))) dw`` with linear ``beta``, ``B = int beta``.

    ``alpha = exp(-B/2)`` and ``std = 1 - exp(-B)``: the noise tends to 1. The formula
    ``std^2 = int g^2 alpha^2``, often quoted, tends to 2/3 here; see docs/errata/processes.md.

    >>> process = SubVariancePreserving()
    >>> round(float(process.std(1.0)), 3)
    1.0
    """

    name: ClassVar[str] = "sub-vp"
    reference: ClassVar[str] = "song2021, Eqs. 12 and 29; generalisation, [G1]"

    def _sigma(self, t: Any) -> Any:
        # [G1]: std = 1 - alpha^2, hence sigma = 1/alpha - alpha
        return 2 * namespace(t).sinh(0.5 * self._rate.integral(t))

    def _diffusion(self, t: Any) -> Any:
        xp = namespace(t)
        return xp.sqrt(-self._rate.at(t) * xp.expm1(-2 * self._rate.integral(t)))

    def _time(self, sigma: Any) -> Any:
        return self._rate.time(2 * namespace(sigma).arcsinh(0.5 * sigma))
