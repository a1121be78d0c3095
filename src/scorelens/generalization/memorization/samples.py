"""Has a model memorised? Its samples against the training set and held-out data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
import torch

from scorelens.core import checks
from scorelens.core.nearest_neighbours import Neighbours, NeighbourSearch, Rows
from scorelens.generalization.memorization.authenticity import Authenticity
from scorelens.generalization.memorization.comparisons import Points, against_held_out, authentic, copying
from scorelens.generalization.memorization.data_copying import CopyingTest
from scorelens.generalization.memorization.inputs import checked
from scorelens.generalization.memorization.intervals import Estimate, median, ratio_of_medians, share
from scorelens.generalization.memorization.near_copies import NearCopies, near_copies, nearness
from scorelens.generalization.memorization.spaces import Features, embed, name_of


@final
@dataclass(frozen=True, eq=False)
class SampleMemorization:
    """What `examine_samples` found about ``n`` samples, with ``h`` held-out points for comparison.

    - ``neighbours``, ``held_out_neighbours``: the ``k`` training points nearest to every sample, and to every
      held-out point, the nearest first; distances in the units of the space.
    - ``median_nearness`` and ``held_out_median_nearness``: medians of `nearness` with exact intervals.
    - ``distance_ratio``: median distance to the nearest training point, samples over held-out points, with a
      bootstrap interval. 1: as far as fresh data; 0: copies.
    - ``train_over_held_out``: median, with exact interval, of the distance of a sample to the nearest of
      ``m`` training points over that to the nearest of ``m`` held-out points (``m`` = ``n_compared``, the
      smaller number of the two). 1 for a model that knows the training points no better than others.
    - ``closer_to_train``: share of samples nearer to these training points than to these held-out points;
      1/2 for such a model.
    - ``below_third``: share of samples with nearness below 1/3, the usual criterion (yoon2023), which no
      held-out data calibrate.
    - ``copies``: samples nearer to a training point than fresh data are; see `NearCopies`.
    - ``copying``: the test C_T; see `CopyingTest`.
    - ``authenticity``: see `Authenticity`.
    - ``space``: where distances were measured. ``remarks``: what the reader must know.
    """

    neighbours: Neighbours = field(repr=False)
    held_out_neighbours: Neighbours = field(repr=False)
    median_nearness: Estimate
    held_out_median_nearness: Estimate
    distance_ratio: Estimate
    train_over_held_out: Estimate
    closer_to_train: Estimate
    n_compared: int
    below_third: Estimate
    copies: NearCopies
    copying: CopyingTest
    authenticity: Authenticity
    space: str
    remarks: tuple[str, ...] = ()

    @property
    def distances(self) -> np.ndarray:
        """Of every sample from its nearest training points, ``(n, k)``."""
        return self.neighbours.distances

    @property
    def indices(self) -> np.ndarray:
        """Which training points these are, ``(n, k)``."""
        return self.neighbours.indices

    @property
    def held_out_distances(self) -> np.ndarray:
        """Of every held-out point from its nearest training points, ``(h, k)``."""
        return self.held_out_neighbours.distances

    @property
    def nearness(self) -> np.ndarray:
        """Of every sample: distance to the nearest training point over that to the ``k``-th, ``(n,)``."""
        return nearness(self.distances)

    @property
    def held_out_nearness(self) -> np.ndarray:
        """The same of every held-out point, ``(h,)``."""
        return nearness(self.held_out_distances)

    @property
    def n_exact(self) -> int:
        """Samples at distance 0 from a training point."""
        return _n_exact(self.neighbours)


def examine_samples(
    samples: np.ndarray | torch.Tensor,
    train: Rows,
    held_out: Rows,
    *,
    features: Features = None,
    neighbour: int = 2,
    family_wise: float = 0.05,
    false_alarm: float | None = None,
    n_cells: int | None = None,
    level: float = 0.95,
    seed: int = 0,
    check_range: bool = True,
    device: torch.device | str | None = None,
) -> SampleMemorization:
    """Compare ``samples`` ``(n, *event)`` with ``train`` and ``held_out`` data of the same events.

    Held-out data must come from the law of the training data and never have been trained on. ``train`` may
    be an array, a memory map, a tensor or `scorelens.data.Data` of any size; everything is float32 or
    float64. ``features`` chooses where distances are measured: the values themselves, the modes of a
    `Spectrum`, or a function of batches. Nearness refers to the ``neighbour``-th nearest training point (take
    it above the number of near-duplicates of a point in the training set). ``family_wise`` is the
    probability, at most, that any of ``n`` fresh points is called a near-copy; ``false_alarm`` asks for a
    rate per fresh point instead. ``n_cells`` cells for C_T, chosen by the numbers of points without it.
    ``level`` of all intervals; ``seed`` of subsets, bootstrap and cells.

    Where `torch.distributed` is initialised, every process calls this with the same arguments and searches
    its share of the training set. Remarks are also raised as ``UserWarning``.

    Raises ``TypeError`` for values that are no floats, ``ValueError`` for other shapes, non-finite values,
    too few points (10 samples, 20 held-out, ``neighbour`` + 1 training points), samples of another range
    convention, held-out data that are training data, or probabilities that cannot be calibrated.

    >>> generator = np.random.default_rng(0)
    >>> train, held_out, fresh = (generator.standard_normal((500, 4)) for _ in range(3))
    >>> found = examine_samples(np.concatenate([train[:20] + 1e-3, fresh]), train, held_out)
    >>> found.copies.count, bool(found.copies.flagged[:20].all()), found.copies.p_value < 1e-5
    (20, True, True)
    """
    checks.whole("neighbour", neighbour, 2, "the ratio is to a farther neighbour than the nearest")
    given = checked(samples, train, held_out, neighbour + 1, check_range)
    points = Points(*(embed(rows, features) for rows in (given.samples, given.train, given.held_out)))
    search = NeighbourSearch.shared(points.train, device=device)
    both = _Both(*(search(rows, neighbour) for rows in (points.samples, points.held_out)))
    near = (nearness(one.distances) for one in both)
    copies = near_copies(*near, family_wise=family_wise, false_alarm=false_alarm, level=level)
    remarks = (*given.remarks, *_remarks(both), *filter(None, [copies.calibration.remark]))
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    settings = _Settings(n_cells, level, seed, device)
    return _described(points, search, both, settings, copies=copies, space=name_of(features), remarks=remarks)


class _Both(NamedTuple):
    """Nearest training points of samples, and of held-out points."""

    found: Neighbours
    fresh: Neighbours


class _Settings(NamedTuple):
    n_cells: int | None
    level: float
    seed: int
    device: torch.device | str | None


def _described(
    points: Points, search: NeighbourSearch, both: _Both, settings: _Settings, **facts: Any
) -> SampleMemorization:
    """What is said of the samples beside their near-copies, and the ``facts``."""
    level, seed = settings.level, settings.seed
    nearest, held_out_nearest = (one.distances[:, 0] for one in both)
    near, held_out_near = (nearness(one.distances) for one in both)
    pair = against_held_out(points, nearest, seed, settings.device)
    return SampleMemorization(
        neighbours=both.found,
        held_out_neighbours=both.fresh,
        median_nearness=median(near, level),
        held_out_median_nearness=median(held_out_near, level),
        distance_ratio=ratio_of_medians(nearest, held_out_nearest, level, seed=seed),
        train_over_held_out=median(pair.ratio, level),
        closer_to_train=share(pair.closer, len(nearest), level),
        n_compared=pair.n_compared,
        below_third=share(int((near < 1 / 3).sum()), len(near), level),
        copying=copying(points, nearest, held_out_nearest, settings.n_cells, seed),
        authenticity=authentic(points.train, search, *both, level),
        **facts,
    )


def _n_exact(found: Neighbours) -> int:
    return int((found.distances[:, 0] == 0).sum())


def _remarks(both: _Both) -> tuple[str, ...]:
    (exact, n), (exact_held_out, h) = ((_n_exact(one), len(one.distances)) for one in both)
    if 2 * exact_held_out >= h:
        raise ValueError(
            f"{exact_held_out} of {h} held-out points are training points (distance 0); hold out data that "
            "were not trained on"
        )
    said = []
    if exact == n:
        said.append(
            f"all {n} samples are training points (distance 0): if the training set was given as samples by "
            "mistake, give what the model generated"
        )
    elif exact:
        said.append(f"{exact} of {n} samples are training points (distance 0)")
    return tuple(said)
