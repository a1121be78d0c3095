"""Samples against held-out data: which of two equal sets is nearer, C_T, and authenticity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from scorelens.core.nearest_neighbours import Neighbours, NeighbourSearch, Rows
from scorelens.generalization.memorization.authenticity import Authenticity, authenticity
from scorelens.generalization.memorization.data_copying import (
    CopyingTest,
    copying_test,
    default_cells,
    k_means_cells,
)
from scorelens.generalization.memorization.spaces import as_array


class Points(NamedTuple):
    """The three sets as points of the space: rows of any kind."""

    samples: Any
    train: Any
    held_out: Any


class Comparison(NamedTuple):
    """Per sample ``ratio`` ``(n,)`` of distances, to ``n_compared`` training points over as many held-out.

    ``closer``: how many samples are nearer to the training points.
    """

    ratio: np.ndarray
    closer: int
    n_compared: int


def against_held_out(
    points: Points, nearest: np.ndarray, seed: int, device: torch.device | str | None
) -> Comparison:
    """Per sample, the nearest of ``m`` training points over the nearest of ``m`` held-out points.

    ``nearest`` ``(n,)`` are distances to the nearest of all training points; ``m`` is the size of the smaller
    set. 1 where both are 0.
    """
    m = min(len(points.train), len(points.held_out))
    draws = np.random.default_rng(seed)
    to_train = nearest
    if m < len(points.train):
        chosen = np.sort(draws.choice(len(points.train), m, replace=False))
        to_train = _nearest(as_array(points.train, chosen), points.samples, device)
    chosen = np.sort(draws.choice(len(points.held_out), m, replace=False))
    to_held_out = _nearest(points.held_out[chosen], points.samples, device)
    both_copied = (to_train == 0) & (to_held_out == 0)
    with np.errstate(divide="ignore"):
        ratio = np.divide(to_train, to_held_out, out=np.ones_like(to_train), where=~both_copied)
    return Comparison(ratio, int((to_train < to_held_out).sum()), m)


def copying(
    points: Points, nearest: np.ndarray, held_out_nearest: np.ndarray, n_cells: int | None, seed: int
) -> CopyingTest:
    """C_T in ``n_cells`` cells of the training points; by default as many as there are points for."""
    number = default_cells(len(nearest), len(held_out_nearest)) if n_cells is None else n_cells
    if number == 1:
        return copying_test(nearest, held_out_nearest)
    cells = k_means_cells(points.train, number, seed)
    numbered = (cells(rows).indices[:, 0] for rows in (points.samples, points.held_out))
    return copying_test(nearest, held_out_nearest, *numbered)


def authentic(
    train: Rows, search: NeighbourSearch, found: Neighbours, fresh: Neighbours, level: float
) -> Authenticity:
    """Authenticity with the distance from each nearest training point to the training point next to it."""
    nearest, held_out_nearest = found.indices[:, 0], fresh.indices[:, 0]
    met = np.unique(np.concatenate([nearest, held_out_nearest]))
    gaps = search(as_array(train, met), 1, own=met).distances[:, 0]
    own, other = (gaps[np.searchsorted(met, indices)] for indices in (nearest, held_out_nearest))
    return authenticity(found.distances[:, 0], own, fresh.distances[:, 0], other, level)


def _nearest(points: Rows, samples: np.ndarray, device: torch.device | str | None) -> np.ndarray:
    return NeighbourSearch.shared(points, device=device)(samples).distances[:, 0]
