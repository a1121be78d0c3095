"""Has a model memorised? Its samples against the training set and held-out data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
import torch

from scorelens.core import checks
from scorelens.core.nearest_neighbours import Neighbours, NeighbourSearch, Rows
from scorelens.generalization.memorization.authenticity import Authenticity, authenticity
from scorelens.generalization.memorization.data_copying import (
    CopyingTest,
    copying_test,
    default_cells,
    k_means_cells,
)
from scorelens.generalization.memorization.inputs import checked
from scorelens.generalization.memorization.intervals import Estimate, median, ratio_of_medians, share
from scorelens.generalization.memorization.near_copies import NearCopies, near_copies, nearness
from scorelens.generalization.memorization.spaces import Features, as_array, embed, name_of


@final
@dataclass(frozen=True, eq=False)
class SampleMemorization:
    """What `examine_samples` found about ``n`` samples, with ``h`` held-out points for comparison.

    - ``distances``, ``indices`` ``(n, k)``: the training points nearest to every sample, the nearest first;
      ``held_out_distances`` ``(h, k)``. In the units of the space.
    - ``nearness`` ``(n,)``, ``held_out_nearness`` ``(h,)``: distance to the nearest training point over that
      to the ``k``-th, per point; ``median_nearness`` and ``held_out_median_nearness`` their medians with
      exact intervals.
    - ``distance_ratio``: median distance to the nearest training point, samples over held-out points, with a
      bootstrap interval. 1: as far as fresh data; 0: copies.
    - ``train_over_held_out``: median, with exact interval, of the distance of a sample to the nearest of
      ``m`` training points over that to the nearest of ``m`` held-out points (``m`` = ``n_compared``, the
      smaller number of the two). 1 for a model that knows the training points no better than others.
    - ``closer_to_train``: share of samples nearer to these training points than to these held-out points;
      1/2 for such a model.
    - ``below_third``: share of samples with nearness below 1/3, the usual criterion (yoon2023), which no
      held-out data calibrate.
    - ``copies``: samples nearer to a training point than fresh data ever are; see `NearCopies`.
    - ``copying``: the test C_T; see `CopyingTest`.
    - ``authenticity``: see `Authenticity`.
    - ``n_exact``, ``n_exact_held_out``: samples, and held-out points, at distance 0 from a training point.
    - ``space``: where distances were measured. ``remarks``: what the reader must know.
    """

    distances: np.ndarray = field(repr=False)
    indices: np.ndarray = field(repr=False)
    held_out_distances: np.ndarray = field(repr=False)
    nearness: np.ndarray = field(repr=False)
    held_out_nearness: np.ndarray = field(repr=False)
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
    n_exact: int
    n_exact_held_out: int
    space: str
    remarks: tuple[str, ...] = ()


def examine_samples(
    samples: np.ndarray | torch.Tensor,
    train: Rows,
    held_out: Rows,
    *,
    features: Features = None,
    neighbour: int = 2,
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
    it above the number of near-duplicates of a point in the training set). ``false_alarm`` is the rate that
    calibrates near-copies; the strictest possible without it. ``n_cells`` cells for C_T, chosen by the
    numbers of points without it. ``level`` of all intervals; ``seed`` of subsets, bootstrap and cells.

    Where `torch.distributed` is initialised, every process calls this with the same arguments and searches
    its share of the training set. Remarks are also raised as ``UserWarning``.

    Raises ``TypeError`` for values that are no floats, ``ValueError`` for other shapes, non-finite values,
    too few points (10 samples, 20 held-out, ``neighbour`` + 1 training points), samples of another range
    convention, held-out data that are training data, or a rate that the held-out data cannot calibrate.

    >>> generator = np.random.default_rng(0)
    >>> train, held_out, fresh = (generator.standard_normal((500, 4)) for _ in range(3))
    >>> found = examine_samples(np.concatenate([train[:20] + 1e-3, fresh]), train, held_out)
    >>> bool(found.copies.flagged[:20].all()), round(found.copies.false_alarm, 3), found.copies.p_value < 1e-5
    (True, 0.002, True)
    """
    checks.whole("neighbour", neighbour, 2, "the ratio is to a farther neighbour than the nearest")
    given = checked(samples, train, held_out, neighbour + 1, check_range)
    points = _Points(*(embed(rows, features) for rows in (given.samples, given.train, given.held_out)))
    search = NeighbourSearch.shared(points.train, device=device)
    found, fresh = (search(rows, neighbour) for rows in (points.samples, points.held_out))
    exact, exact_held_out = (int((part.distances[:, 0] == 0).sum()) for part in (found, fresh))
    remarks = (*given.remarks, *_remarks(exact, len(found.indices), exact_held_out, len(fresh.indices)))
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    nearest, held_out_nearest = found.distances[:, 0], fresh.distances[:, 0]
    near, held_out_near = nearness(found.distances), nearness(fresh.distances)
    pair = _against_held_out(points, nearest, seed, device)
    return SampleMemorization(
        distances=found.distances,
        indices=found.indices,
        held_out_distances=fresh.distances,
        nearness=near,
        held_out_nearness=held_out_near,
        median_nearness=median(near, level),
        held_out_median_nearness=median(held_out_near, level),
        distance_ratio=ratio_of_medians(nearest, held_out_nearest, level, seed=seed),
        train_over_held_out=median(pair.ratio, level),
        closer_to_train=share(pair.closer, len(nearest), level),
        n_compared=pair.n_compared,
        below_third=share(int((near < 1 / 3).sum()), len(near), level),
        copies=near_copies(near, held_out_near, false_alarm, level),
        copying=_copying(points, nearest, held_out_nearest, n_cells, seed),
        authenticity=_authenticity(points.train, search, found, fresh, level),
        n_exact=exact,
        n_exact_held_out=exact_held_out,
        space=name_of(features),
        remarks=remarks,
    )


class _Points(NamedTuple):
    """The three sets as points of the space."""

    samples: Any
    train: Any
    held_out: Any


class _Comparison(NamedTuple):
    ratio: np.ndarray
    closer: int
    n_compared: int


def _against_held_out(
    points: _Points, nearest: np.ndarray, seed: int, device: torch.device | str | None
) -> _Comparison:
    """Per sample, the nearest of ``m`` training points over the nearest of ``m`` held-out points."""
    m = min(len(points.train), len(points.held_out))
    draws = np.random.default_rng(seed)
    to_train = nearest
    if m < len(points.train):
        chosen = np.sort(draws.choice(len(points.train), m, replace=False))
        subset = as_array(points.train, chosen)
        to_train = NeighbourSearch.shared(subset, device=device)(points.samples).distances[:, 0]
    chosen = np.sort(draws.choice(len(points.held_out), m, replace=False))
    search = NeighbourSearch.shared(points.held_out[chosen], device=device)
    to_held_out = search(points.samples).distances[:, 0]
    both_copied = (to_train == 0) & (to_held_out == 0)
    with np.errstate(divide="ignore"):
        ratio = np.divide(to_train, to_held_out, out=np.ones_like(to_train), where=~both_copied)
    return _Comparison(ratio, int((to_train < to_held_out).sum()), m)


def _copying(
    points: _Points, nearest: np.ndarray, held_out_nearest: np.ndarray, n_cells: int | None, seed: int
) -> CopyingTest:
    number = default_cells(len(nearest), len(held_out_nearest)) if n_cells is None else n_cells
    if number == 1:
        return copying_test(nearest, held_out_nearest)
    cells = k_means_cells(points.train, number, seed)
    numbered = (cells(rows).indices[:, 0] for rows in (points.samples, points.held_out))
    return copying_test(nearest, held_out_nearest, *numbered)


def _authenticity(
    train: Rows, search: NeighbourSearch, found: Neighbours, fresh: Neighbours, level: float
) -> Authenticity:
    """Authenticity with the distance from each nearest training point to the training point next to it."""
    nearest, held_out_nearest = found.indices[:, 0], fresh.indices[:, 0]
    met = np.unique(np.concatenate([nearest, held_out_nearest]))
    gaps = search(as_array(train, met), 1, own=met).distances[:, 0]
    own, other = (gaps[np.searchsorted(met, indices)] for indices in (nearest, held_out_nearest))
    return authenticity(found.distances[:, 0], own, fresh.distances[:, 0], other, level)


def _remarks(exact: int, n: int, exact_held_out: int, h: int) -> tuple[str, ...]:
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
    if exact_held_out:
        said.append(
            f"{exact_held_out} of {h} held-out points are training points (distance 0): duplicates between "
            "the two sets raise the threshold of near-copies; remove them"
        )
    return tuple(said)
