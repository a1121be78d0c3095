"""Instruments: a Denoiser in, labelled numbers out.

Each asks one question of any denoiser: ours, a checkpoint, a closed form. `standard` builds the set that a
run uses; the same instruments work inside a training loop and on a model from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scorelens.instruments.base import Instrument, measure_all
from scorelens.instruments.denoising_loss import DenoisingLoss
from scorelens.instruments.floors import MemorizationFloor, memorization_floor
from scorelens.instruments.generated_variance import GeneratedVariance
from scorelens.instruments.geometry import Geometry
from scorelens.instruments.measured_geometry import measure_geometry
from scorelens.instruments.memorization import Memorization
from scorelens.instruments.probes import Probes
from scorelens.instruments.sample_grid import SampleGrid, examples
from scorelens.instruments.squared_errors import squared_distances, squared_errors
from scorelens.instruments.transfer_function import TransferFunction

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data
    from scorelens.results.config import RunConfig

ALL: tuple[type[Instrument], ...] = (
    GeneratedVariance,
    TransferFunction,
    DenoisingLoss,
    SampleGrid,
    Memorization,
    Geometry,
)

__all__ = [
    "ALL",
    "DenoisingLoss",
    "GeneratedVariance",
    "Geometry",
    "Instrument",
    "Memorization",
    "MemorizationFloor",
    "Probes",
    "SampleGrid",
    "TransferFunction",
    "examples",
    "measure_all",
    "measure_geometry",
    "memorization_floor",
    "squared_distances",
    "squared_errors",
    "standard",
]


def standard(train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> tuple[Instrument, ...]:
    """Every instrument of `ALL`, as a run with ``config`` on these data uses it.

    ``spectrum`` is that of ``train``. Raises ``ValueError`` if it belongs to events of another shape.
    """
    if spectrum.event_shape != train.event_shape:
        raise ValueError(
            f"the spectrum is of events {spectrum.event_shape}, the data have {train.event_shape}; "
            "make the spectrum from these data"
        )
    return tuple(instrument.for_run(train, held_out, spectrum, config) for instrument in ALL)
