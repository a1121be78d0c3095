"""The published toy over numbers of samples and cut-offs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.generalization.ensembles.toy import ToyProtocol
from scorelens.generalization.ensembles.toy_theory import ToyTheory


class ToyStudy(NamedTuple):
    """The protocol over numbers of samples ``(P,)`` and cut-offs ``(E,)``.

    ``samples (P, E, models, p)`` from the starts ``(p,)``, the same for all; ``of_mean (P, E, p)`` with the
    mean of the models' scores, ``naive`` like ``samples`` with the same training sets and a target without
    noise, ``exact (E, p)`` with the score of the points; ``model_variance`` and
    ``predicted_variance (P, E, m, q)`` over ``times (m,)`` and ``x (q,)``, the latter where ``leverage``, of
    the same shape, is far below 1; ``target_variance (m, q)``; ``effective_features (P, E)``, what the ridge
    leaves of the features.
    """

    n_samples: np.ndarray
    cutoffs: np.ndarray
    samples: np.ndarray
    of_mean: np.ndarray
    naive: np.ndarray
    exact: np.ndarray
    x: np.ndarray
    times: np.ndarray
    target_variance: np.ndarray
    model_variance: np.ndarray
    predicted_variance: np.ndarray
    leverage: np.ndarray
    effective_features: np.ndarray


def toy_study(
    n_samples: ArrayLike = (64, 128, 256, 512, 1024),
    cutoffs: ArrayLike = (1e-4, 1e-3, 1e-2),
    *,
    models: int = 100,
    particles: int = 200,
    seed: int = 0,
    workers: int = 1,
) -> ToyStudy:
    """The published toy protocol: each number of samples with each cut-off; minutes on one core.

    Every combination has its own training sets, and all of them the same starting points.
    """
    counts, ends = (
        np.atleast_1d(np.asarray(n_samples, dtype=int)),
        np.atleast_1d(np.asarray(cutoffs, dtype=float)),
    )
    start = np.random.default_rng(np.random.SeedSequence((seed, 1))).standard_normal(particles)
    x, times = np.linspace(-2.0, 2.0, 161), np.array([0.01, 0.03, 0.1, 0.2, 0.3, 0.5])
    base = ToyProtocol(int(counts[0]), float(ends[0]), models)
    samples, of_mean, naive, pictures, effective = [], [], [], [], []
    for p in counts:
        for cutoff in ends:
            toy = replace(base, n_samples=int(p), cutoff=float(cutoff))
            chosen = seed + 1 + len(samples)
            weights = toy.fit(chosen, workers)
            naive.append(toy.sample(replace(toy, target="naive").fit(chosen, workers), start))
            samples.append(toy.sample(weights, start))
            of_mean.append(toy.sample(weights.mean(axis=0, keepdims=True), start)[0])
            theory = ToyTheory(toy)
            pictures.append(theory.boundary_picture(weights, x, times))
            effective.append(theory.prediction.effective_features)
    grid = (len(counts), len(ends))

    def gridded(parts: list) -> np.ndarray:
        return np.array(parts).reshape(*grid, *np.shape(parts[0]))

    return ToyStudy(
        counts,
        ends,
        gridded(samples),
        gridded(of_mean),
        gridded(naive),
        np.array([replace(base, cutoff=float(cutoff)).exact_sample(start) for cutoff in ends]),
        x,
        times,
        pictures[0].target_variance,
        gridded([picture.model_variance for picture in pictures]),
        gridded([picture.predicted_variance for picture in pictures]),
        gridded([picture.leverage for picture in pictures]),
        gridded(effective),
    )
