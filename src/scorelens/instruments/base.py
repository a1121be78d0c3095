"""What every instrument shares: a Denoiser in, labelled numbers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, final

import xarray as xr

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import undisturbed
from scorelens.instruments.sitting import sitting

if TYPE_CHECKING:
    from typing import Self

    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data
    from scorelens.results.config import RunConfig


class Instrument(ABC):
    """A measurement of any Denoiser.

    Every call meets the same points and the same noise, drawn from the instrument's own generator: two
    measurements differ only by what the denoiser learned in between (common random numbers), the global
    random state is neither read nor changed, and the network's weights and train/eval state stay as they are.

    Facts: ``name`` (the group under which results are stored), ``title`` (for a reader), ``reference``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]

    @classmethod
    @abstractmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> Self:
        """The instrument as a run with ``config`` on these data uses it; ``spectrum`` is of ``train``."""

    @final
    def measure(self, denoiser: Denoiser) -> xr.Dataset:
        """What ``denoiser`` has learned, labelled. Raises ``ValueError`` if its output is not finite."""
        with undisturbed(denoiser):
            measured = self._measure(denoiser)
        facts = {"instrument": self.name, "title": self.title, "reference": self.reference}
        return measured.assign_attrs(facts)

    @abstractmethod
    def _measure(self, denoiser: Denoiser) -> xr.Dataset: ...


def measure_all(instruments: Iterable[Instrument], denoiser: Denoiser) -> dict[str, xr.Dataset]:
    """What each of ``instruments`` measures, by its name; to rounding, as if each had measured alone.

    Where two need the same answers of the denoiser it is asked once, so this takes less time.
    """
    with sitting():
        return {instrument.name: instrument.measure(denoiser) for instrument in instruments}
