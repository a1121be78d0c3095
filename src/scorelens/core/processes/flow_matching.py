"""Flow matching: straight lines between data and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from scorelens.core.arrays import namespace
from scorelens.core.processes.base import NoiseProcess


@final
@dataclass(frozen=True)
class FlowMatching(NoiseProcess):
    """``x_t = (1 - t) x_0 + t n`` in process time, which runs from data to noise like everywhere here.

    Learning dynamics, section 11 (and Lipman et al. 2023) let time run from noise to data:
    their time is ``1 - t``, and their velocity the negative of ours.

    >>> float(FlowMatching().sigma(0.5))
    1.0
    """

    name: ClassVar[str] = "flow"
    reference: ClassVar[str] = "lipman2023, Eqs. 20-23 at sigma_min = 0; liu2023"
    time_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    end_is_singular: ClassVar[bool] = True

    def _alpha(self, t: Any) -> Any:
        return 1 - t

    def _sigma(self, t: Any) -> Any:
        return t / (1 - t)

    def _drift(self, t: Any) -> Any:
        return -1 / (1 - t)

    def _diffusion(self, t: Any) -> Any:
        return namespace(t).sqrt(2 * t / (1 - t))  # alpha^2 d(sigma^2)/dt

    def _time(self, sigma: Any) -> Any:
        return sigma / (1 + sigma)
