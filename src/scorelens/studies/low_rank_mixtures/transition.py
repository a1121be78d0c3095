"""Planted subspaces over samples per subspace: what principal components, EM and small networks miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

import numpy as np
import xarray as xr

from scorelens.generalization.ensembles import each_in_parallel
from scorelens.instruments.labels import LENGTH, PURE, variable
from scorelens.results import RunConfig, schema
from scorelens.studies.low_rank_mixtures.networks import generated, leading_subspaces
from scorelens.studies.low_rank_mixtures.planted import Planted, exact_denoiser, points_on
from scorelens.studies.low_rank_mixtures.rank_curves import LevelRanks, rank_curve
from scorelens.studies.low_rank_mixtures.recovery import (
    by_mixture,
    by_principal_components,
    matched,
    missed_share,
)
from scorelens.training.ensemble import NetworkFit, small_network

COMPONENTS, MIXTURE, NETWORK = "principal components", "EM", "network"
ESTIMATORS = (COMPONENTS, MIXTURE, NETWORK)
SEED = 6
Quantities = dict[str, tuple[tuple[str, ...], np.ndarray]]


def network_config() -> RunConfig:
    """What every network is, and how long it trains."""
    return small_network(1200, width=64, batch_size=64, learning_rate=5e-3)


@final
@dataclass(frozen=True)
class Budget:
    """What is planted, how many points on each subspace (over its dimension), and how often.

    ``closed`` are cases without networks, each with ``ratios`` and ``seeds``; ``trained`` are those with
    networks, ``ratios_of_networks`` and ``networks`` seeds. Jacobians are taken at ``near`` unseen points of
    every subspace: their leading eigenvectors at ``sigma``, their ranks at all ``sigmas``.
    """

    closed: tuple[Planted, ...] = (
        Planted(8, 48, 2),
        Planted(8, 48, 2, orthogonal=False),
        Planted(8, 64, 3, orthogonal=False),
    )
    trained: tuple[Planted, ...] = (Planted(4, 24, 1), Planted(4, 24, 2))
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.125, 1.25, 1.5, 2.0, 4.0)
    ratios_of_networks: tuple[float, ...] = (0.5, 0.75, 1.0, 2.0, 4.0, 16.0)
    seeds: int = 8
    networks: int = 4
    config: RunConfig = field(default_factory=network_config)
    sigma: float = 0.2
    sigmas: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
    near: int = 16
    samples: int = 64
    workers: int = 2


class OfNetwork(NamedTuple):
    """One network: what it misses, how it generates, and its Jacobian's ranks beside the optimum's."""

    missed: float
    off: float
    copies: float
    ranks: LevelRanks


@final
@dataclass(frozen=True, eq=False)
class ClosedForms:
    """A task of `each_in_parallel`: ``missed (ratio, estimator)`` of one planting by formulas and EM."""

    planted: Planted
    ratios: Sequence[float]

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        frames, points = drawn(self.planted, self.ratios, rng)
        seed = int(rng.integers(2**31))
        return np.array([_closed(frames, points[:, :n], seed) for n in counts(self.planted, self.ratios)])


@final
@dataclass(frozen=True, eq=False)
class Networks:
    """A task of `each_in_parallel`: the closed forms of one planting, and a network for each of the ratios.

    Training sets are nested, initial weights and batches are those of the member.
    """

    planted: Planted
    budget: Budget

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, list[OfNetwork]]:
        ratios, ask = self.budget.ratios_of_networks, self.budget
        frames, points = drawn(self.planted, ratios, rng)
        unseen = points_on(frames, ask.near, rng)
        noise = rng.standard_normal(unseen.shape)
        seed = int(rng.integers(2**31))
        closed, networks = [], []
        for n in counts(self.planted, ratios):
            closed.append(_closed(frames, points[:, :n], seed))
            events = points[:, :n].reshape(-1, self.planted.ambient).astype(np.float32)
            denoiser = NetworkFit(events, len(events), ask.config).trained(events, seed)
            found = leading_subspaces(denoiser, unseen + ask.sigma * noise, ask.sigma, self.planted.dim)
            samples = generated(denoiser, frames, events, ask.samples, seed)
            ranks = rank_curve(denoiser, exact_denoiser(frames), unseen, noise, ask.sigmas)
            networks.append(OfNetwork(missed_share(frames, found), *samples, ranks))
        return np.array(closed), networks


def transition(budget: Budget | None = None) -> dict[str, xr.Dataset]:
    """``missed (case, estimator, samples_per_dimension, seed)``, NaN where nothing was asked; and of networks
    what they generate and the ``ranks`` of their Jacobians, per case, samples and noise level.
    """
    ask = budget or Budget()
    closed, trained = [], []
    for i, planted in enumerate(ask.closed):
        task = ClosedForms(planted, ask.ratios)
        closed.append(np.array(each_in_parallel(task, ask.seeds, SEED + i, ask.workers)))
    for i, planted in enumerate(ask.trained):
        made = each_in_parallel(Networks(planted, ask), ask.networks, SEED + 100 + i, ask.workers)
        trained.append(made)
    return {"missed": _missed(ask, closed, trained), "networks": _of_networks(ask, trained)}


def counts(planted: Planted, ratios: Sequence[float]) -> list[int]:
    """Samples on each subspace: ``ratios`` of its dimension, at least one.

    >>> counts(Planted(8, 24, 2), (0.25, 1.0, 1.125))
    [2, 8, 9]
    """
    return [max(1, round(ratio * planted.dim)) for ratio in ratios]


def drawn(
    planted: Planted, ratios: Sequence[float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frames, and as many points on each as the largest of ``ratios`` needs."""
    frames = planted.frames(rng)
    return frames, points_on(frames, max(counts(planted, ratios)), rng)


def _closed(frames: np.ndarray, points: np.ndarray, seed: int) -> tuple[float, float]:
    dim = frames.shape[2]
    mixture = matched(frames, by_mixture(points, dim, seed))
    return missed_share(frames, by_principal_components(points, dim)), missed_share(frames, mixture)


def _missed(ask: Budget, closed: list[np.ndarray], trained: list[list]) -> xr.Dataset:
    ratios = np.unique([*ask.ratios, *ask.ratios_of_networks])
    cases = (*ask.trained, *ask.closed)
    values = np.full((len(cases), len(ESTIMATORS), len(ratios), max(ask.seeds, ask.networks)), np.nan)
    at = np.searchsorted(ratios, ask.ratios_of_networks)
    for case, members in enumerate(trained):
        for seed, (formulas, networks) in enumerate(members):
            values[case, :2, at, seed] = formulas
            values[case, 2, at, seed] = [network.missed for network in networks]
    at = np.searchsorted(ratios, ask.ratios)
    for case, members in enumerate(closed, start=len(trained)):
        for seed, formulas in enumerate(members):
            values[case, :2, at, seed] = formulas
    dims = ("case", "estimator", "samples_per_dimension", "seed")
    missed = variable(dims, values, "Share of the planted subspaces that is missed", PURE)
    coordinates = {
        "case": [planted.name for planted in cases],
        "estimator": list(ESTIMATORS),
        "samples_per_dimension": ratios,
        "dim": variable(("case",), [planted.dim for planted in cases], "Dimension of a subspace", PURE),
    }
    return schema.labelled(xr.Dataset({"missed": missed}, coordinates))


def _of_networks(ask: Budget, trained: list[list]) -> xr.Dataset:
    networks = [[one for _, one in members] for members in trained]
    every, levels = ("case", "seed", "samples_per_dimension"), ("sigma", "rank")

    def of(name: str) -> np.ndarray:
        return np.array([[[getattr(n, name) for n in seed] for seed in case] for case in networks])

    def ranks(name: str) -> np.ndarray:
        return np.array([[[getattr(n.ranks, name) for n in seed] for seed in case] for case in networks])

    variables = {
        "off": variable(every, of("off"), "Share of samples' square norm off the subspaces", PURE),
        "copies": variable(every, of("copies"), "Share of samples that are copies", PURE),
        "ranks": variable((*every, *levels), ranks("learned"), "Rank of the network's Jacobian", PURE),
        "exact_ranks": variable((*every, *levels), ranks("exact"), "Rank of the optimum's Jacobian", PURE),
        "distance": variable(
            (*every, "sigma"), ranks("distance"), "Distance of the Jacobians over the optimum's norm", PURE
        ),
        "dim": variable(("case",), [planted.dim for planted in ask.trained], "Dimension of a subspace", PURE),
    }
    coordinates = {
        "case": [planted.name for planted in ask.trained],
        "samples_per_dimension": list(ask.ratios_of_networks),
        "sigma": variable(("sigma",), list(ask.sigmas), "Noise level", LENGTH),
        "rank": list(LevelRanks.kinds()),
    }
    return schema.labelled(xr.Dataset(variables, coordinates))
