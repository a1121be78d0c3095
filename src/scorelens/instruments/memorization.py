"""Whether a denoiser gives its training data back: nearness of samples, near-copies, attraction per sigma."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import xarray as xr

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import stream_seed
from scorelens.core.nearest_neighbours import Neighbours, NeighbourSearch
from scorelens.generalization.memorization.attraction import Attraction
from scorelens.generalization.memorization.intervals import Estimate, ratio_of_medians
from scorelens.generalization.memorization.near_copies import NearCopies, near_copies, nearness
from scorelens.instruments.base import Instrument
from scorelens.instruments.between_floors import BetweenFloors
from scorelens.instruments.generation import generated
from scorelens.instruments.labels import LENGTH, PURE, sigma_coordinate, variable
from scorelens.instruments.probes import HELD_OUT_PROBES, Probes
from scorelens.instruments.settings import measured_sigmas

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data
    from scorelens.results.config import RunConfig

#: Distances go to the nearest training point, and to the second nearest for scale.
NEIGHBOURS = 2
#: Multiplications that one search may cost: per measurement, and once for the held-out data.
BUDGET, HELD_OUT_BUDGET = 2e10, 5e10
LEAST_SAMPLES, LEAST_HELD_OUT, MOST_HELD_OUT = 32, 64, 2048
#: Pairs of a sample and its nearest training point that are kept to be shown.
IMAGES, VECTORS = 12, 200


@final
@dataclass(frozen=True, eq=False)
class Memorization(Instrument):
    """How near ``n_generated`` samples come to the training data, and what the denoiser knows by heart.

    The samples are those that `GeneratedVariance` measures, by Heun's method on ``grid`` (descending).

    - ``distance_ratio``: median distance of samples to the nearest training point over that of held-out
      points, with an interval at 95%. 1: as far as fresh data. Blurred samples lie near everything, so a
      ratio below 1 alone does not prove copies. NaN if ``comparable`` is false: the median held-out point is
      itself a training point.
    - ``near_copy_share``: share of samples nearer to a training point, for the density of points there, than
      fresh data are, with its exact interval. ``near_copy_threshold``: of ``nearness``, calibrated so that
      any of as many fresh points lies below with probability 5% at most; the attribute ``calibration`` says
      how (see `Calibration`). ``near_copy_p_value``: probability of as many among fresh data.
      ``false_alarm_rate``: the share expected of fresh data.
    - ``attraction`` at ``sigmas`` (ascending): 0 for the best linear denoiser, 1 for the one that knows
      every training point by heart, on noisy held-out data. A good denoiser of many points is attracted too.
      ``off_axis``: how much lies beside the way between the two. NaN where ``resolved`` is false: there the
      two cannot be told apart.
    - ``shown``: the samples with the smallest ``nearness``, each beside its nearest training point.

    Costs per measurement: one exact search of the samples among all training points (at most `BUDGET`
    multiplications where that leaves `LEAST_SAMPLES`); the denoiser is asked nothing that `GeneratedVariance`
    and `DenoisingLoss` do not ask. Once: the search of held-out points and the answers of the two floors.

    Raises ``ValueError`` for fewer than two samples.
    """

    train: Data
    held_out: Data
    between: BetweenFloors
    grid: np.ndarray
    n_generated: int = 256
    seed: int = 0
    name: ClassVar[str] = "memorization"
    title: ClassVar[str] = "Nearness to the training data"
    reference: ClassVar[str] = "yoon2023; clopper1934"

    def __post_init__(self) -> None:
        checks.at_least("n_generated", self.n_generated, 2, "an interval needs them")

    @classmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> Memorization:
        sizes = config.measurement
        probes = Probes.choose(held_out, sizes.n_probes, config.seed, HELD_OUT_PROBES)
        between = BetweenFloors(train, probes, spectrum, measured_sigmas(config))
        return cls(train, held_out, between, config.sigmas(), sizes.n_generated, config.seed)

    @property
    def n_searched(self) -> int:
        """Number of samples that are compared with the training data: the first of those generated."""
        return min(self.n_generated, max(int(BUDGET / self._cost), LEAST_SAMPLES))

    @property
    def _cost(self) -> float:
        """Multiplications of one search."""
        return 2.0 * len(self.train) * self.train.dim

    @cached_property
    def _search(self) -> NeighbourSearch:
        return NeighbourSearch(self.train)

    @cached_property
    def _fresh(self) -> np.ndarray:
        """Distances of held-out points to their nearest training points, ``(h, 2)``."""
        most = int(np.clip(HELD_OUT_BUDGET / self._cost, LEAST_HELD_OUT, MOST_HELD_OUT))
        draws = np.random.default_rng(stream_seed(self.seed, "held-out neighbours"))
        chosen = draws.permutation(len(self.held_out))[:most]
        return self._search(self.held_out[np.sort(chosen)], NEIGHBOURS).distances

    def _measure(self, denoiser: Denoiser) -> xr.Dataset:
        samples = self._samples(denoiser)
        found = self._search(samples, NEIGHBOURS)
        near = nearness(found.distances)
        copies = near_copies(near, nearness(self._fresh))
        variables = (
            self._ratio(found)
            | copies_variables(copies)
            | each_sample(found.distances, found.indices, near, copies)
        )
        variables |= shown_pairs(samples, self.train, found.indices, near)
        variables |= attraction_variables(self.between.measure(denoiser))
        attrs = {
            "n_generated": len(samples),
            "n_train": len(self.train),
            "n_held_out": len(self._fresh),
            "n_probes": self.between.n_probes,
            "n_mixture": self.between.n_mixture,
            "calibration": copies.calibration.status,
        }
        return xr.Dataset(variables, sigma_coordinate(self.between.sigmas), attrs)

    def _samples(self, denoiser: Denoiser) -> np.ndarray:
        made, count = [], 0
        for _, batch in generated(denoiser, self.n_generated, self.train.event_shape, self.grid, self.seed):
            made.append(batch)
            count += len(batch)
            if count >= self.n_searched:
                break
        return np.concatenate(made)[: self.n_searched]

    def _ratio(self, found: Neighbours) -> dict[str, xr.Variable]:
        nearest, fresh = found.distances[:, 0], self._fresh[:, 0]
        ratio = ratio_of_medians(nearest, fresh, seed=self.seed) if np.median(fresh) > 0 else None
        return ratio_variables(ratio, float(np.median(nearest)))


def ratio_variables(ratio: Estimate | None, median_distance: float) -> dict[str, xr.Variable]:
    """The distance ratio, NaN if there is ``None``, and the median distance of samples."""
    known = ratio or Estimate(np.nan, np.nan, np.nan, 0.95)
    title, apart = (
        "Median distance to the training data, over that of held-out data",
        "Whether held-out data lie apart from training data",
    )
    return with_interval("distance_ratio", title, known) | {
        "comparable": variable((), ratio is not None, apart, PURE),
        "median_distance": variable((), median_distance, "Median distance to training data", LENGTH),
    }


def with_interval(name: str, long_name: str, found: Estimate) -> dict[str, xr.Variable]:
    """An estimate and the ends of its interval, ``name_low`` and ``name_high``."""
    return {
        name: variable((), found.value, long_name, PURE),
        f"{name}_low": variable((), found.low, f"{long_name}, lower end at 95%", PURE),
        f"{name}_high": variable((), found.high, f"{long_name}, upper end at 95%", PURE),
    }


def copies_variables(found: NearCopies) -> dict[str, xr.Variable]:
    """The share of near-copies and what is to be expected of fresh data."""
    return with_interval("near_copy_share", "Share of near-copies among samples", found.share) | {
        "near_copy_p_value": variable(
            (), found.p_value, "Probability of as many near-copies among fresh data", PURE
        ),
        "false_alarm_rate": variable((), found.false_alarm, "Share of near-copies among fresh data", PURE),
        "near_copy_threshold": variable((), found.threshold, "Nearness below which it is a near-copy", PURE),
    }


def each_sample(
    distances: np.ndarray, indices: np.ndarray, near: np.ndarray, copies: NearCopies
) -> dict[str, xr.Variable]:
    """What is known of every sample, from its neighbours ``(n, k)`` and `nearness` ``(n,)``."""
    each = ("sample",)
    return {
        "nearest_distance": variable(each, distances[:, 0], "Distance to the nearest training point", LENGTH),
        "nearness": variable(
            each, near, "Distance to the nearest training point over that to the next", PURE
        ),
        "nearest_index": variable(each, indices[:, 0], "Number of the nearest training point", PURE),
        "near_copy": variable(each, copies.flagged, "Whether the sample is a near-copy", PURE),
    }


def shown_pairs(
    samples: np.ndarray, train: Data, indices: np.ndarray, near: np.ndarray
) -> dict[str, xr.Variable]:
    """The samples with the smallest `nearness`, each with its nearest training point."""
    image = samples.ndim == 4
    chosen = np.argsort(near, kind="stable")[: IMAGES if image else VECTORS]
    points = train[indices[chosen, 0]]
    dims = ("shown", "channel", "height", "width") if image else ("shown", "feature")
    pair = [values if image else values.reshape(len(values), -1) for values in (samples[chosen], points)]
    return {
        "shown_sample": variable(("shown",), chosen, "Number of the sample that is shown", PURE),
        "shown_image": variable(dims, pair[0], "Generated sample", LENGTH),
        "shown_neighbour": variable(dims, pair[1], "The training point nearest to it", LENGTH),
    }


def attraction_variables(found: Attraction) -> dict[str, xr.Variable]:
    """The attraction per noise level."""

    def level(values: np.ndarray, long_name: str, units: str = PURE) -> xr.Variable:
        return variable(("sigma",), values, long_name, units)

    # The error of a single probe is not known.
    error = np.where(found.resolved & np.isnan(found.standard_error), np.inf, found.standard_error)
    return {
        "attraction": level(found.coefficient, "Attraction towards the denoiser that memorises (0 to 1)"),
        "attraction_standard_error": level(error, "Standard error of the attraction"),
        "off_axis": level(found.off_axis, "Part of the denoiser beside the way between the floors"),
        "floor_gap": level(found.gap, "Distance between the floors, per number of a sample", LENGTH),
        "resolved": level(found.resolved, "Whether the floors can be told apart"),
    }
