"""Samples to look at: the same noise at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import xarray as xr

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import stream_seed
from scorelens.instruments.base import Instrument
from scorelens.instruments.generation import generated
from scorelens.instruments.labels import LENGTH, variable

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data
    from scorelens.results.config import RunConfig

#: A cloud of points in at most this many dimensions is looked at whole, so it takes more samples than images.
CLOUD_DIM = 3


@final
@dataclass(frozen=True, eq=False)
class SampleGrid(Instrument):
    """The first ``n_samples`` of the samples that `GeneratedVariance` measures, in model units, float32.

    ``event_shape`` of length 3 is an image (dims ``channel, height, width``), anything else a vector
    (``feature``). Same noise at every measurement, so one can watch one sample change.
    """

    event_shape: tuple[int, ...]
    sigmas: np.ndarray
    n_samples: int = 36
    seed: int = 0
    name: ClassVar[str] = "samples"
    title: ClassVar[str] = "Generated samples"
    reference: ClassVar[str] = "karras2022, Alg. 1"

    def __post_init__(self) -> None:
        checks.at_least("n_samples", self.n_samples, 1)

    @classmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> SampleGrid:
        return cls(train.event_shape, config.sigmas(), n_shown(train, config), config.seed)

    def _measure(self, denoiser: Denoiser) -> xr.Dataset:
        batches = generated(denoiser, self.n_samples, self.event_shape, self.sigmas, self.seed)
        return labelled_events(np.concatenate([made for _, made in batches]), "Generated sample")


def n_shown(train: Data, config: RunConfig) -> int:
    """How many samples a page shows: a grid of images, or enough points to see a cloud."""
    sizes = config.measurement
    return max(sizes.n_images, sizes.n_generated) if train.dim <= CLOUD_DIM else sizes.n_images


def examples(train: Data, config: RunConfig) -> xr.Dataset:
    """Samples of the data, drawn by the run's seed, labelled as generated ones are."""
    order = np.random.default_rng(stream_seed(config.seed, "examples")).permutation(len(train))
    return labelled_events(train[order[: n_shown(train, config)]], "Sample of the data")


def labelled_events(events: np.ndarray, long_name: str) -> xr.Dataset:
    """``image``: dims ``sample`` and ``channel, height, width``; ``feature`` where events are no images."""
    image = events.ndim == 4
    dims = ("sample", "channel", "height", "width") if image else ("sample", "feature")
    values = events if image else events.reshape(len(events), -1)
    return xr.Dataset({"image": variable(dims, values, long_name, LENGTH)})
