"""EM over subspaces recovers what was planted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from scorelens.estimators import LowRankMixture, MixtureDenoiser
from scorelens.estimators.mixtures import molrg

DIM = 12


def planted(ranks, counts, seed: int, affine: bool) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Events ``(n, DIM)``, orthonormal bases and means of random subspaces."""
    generator = np.random.default_rng(seed)
    bases = [np.linalg.qr(generator.standard_normal((DIM, rank)))[0] for rank in ranks]
    means = generator.standard_normal((len(ranks), DIM)) * (2.0 if affine else 0.0)
    parts = [
        mean + generator.standard_normal((count, rank)) @ basis.T
        for count, rank, basis, mean in zip(counts, ranks, bases, means, strict=True)
    ]
    return np.concatenate(parts), bases, means


def distance(fit: MixtureDenoiser, bases: list[np.ndarray]) -> float:
    """Largest error of a projector onto a subspace, after the best matching of components."""
    projectors = [basis @ basis.T for basis in bases]
    found = [(basis @ basis.T).numpy() for basis in fit.bases]
    return min(
        max(float(np.abs(a - b).max()) for a, b in zip(projectors, order, strict=True))
        for order in itertools.permutations(found)
    )


@pytest.mark.parametrize("affine", [False, True], ids=["linear", "affine"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_subspaces_of_unequal_ranks_are_recovered(affine: bool, seed: int) -> None:
    ranks = (1, 2, 3)
    data, bases, _ = planted(ranks, (15, 25, 30), seed, affine)
    fit = LowRankMixture(ranks=ranks, affine=affine).fit(data)
    assert distance(fit, bases) < 1e-6
    np.testing.assert_allclose(np.sort(fit.weights), np.array([15, 25, 30]) / 70, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_as_many_events_as_dimensions_determine_one_subspace(rank: int) -> None:
    data, bases, _ = planted((rank,), (max(rank, 2),), 4, affine=False)
    fit = LowRankMixture(ranks=(rank,), affine=False, restarts=1).fit(data)
    assert distance(fit, bases) < 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_events_more_than_dimensions_tell_subspaces_apart(seed: int) -> None:
    data, bases, _ = planted((2, 2), (5, 5), seed, affine=False)
    fit = LowRankMixture(ranks=(2, 2), affine=False).fit(data)
    assert distance(fit, bases) < 1e-6


def test_variances_are_those_of_the_events_of_each_subspace() -> None:
    data, _, _ = planted((2, 1), (40, 30), 3, affine=True)
    fit = LowRankMixture(ranks=(2, 1)).fit(data)
    first = np.linalg.eigvalsh(np.cov(data[:40].T, bias=True))[::-1][:2]
    np.testing.assert_allclose(fit.variances[0], first, rtol=1e-6)


def test_impossible_ranks_are_refused() -> None:
    data = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(ValueError, match="smallest rank must be at least 1, got 0"):
        LowRankMixture(ranks=(2, 0))
    with pytest.raises(ValueError, match="at most the dimension 3"):
        LowRankMixture(ranks=(1, 4)).fit(data)
    with pytest.raises(ValueError, match="number of samples must be at least 6, got 4"):
        LowRankMixture(ranks=(3, 3)).fit(data[:4])
    with pytest.raises(ValueError, match="scale must be finite and > 0"):
        LowRankMixture().fit(np.ones((5, 3)))


def test_the_seed_decides_everything() -> None:
    data, _, _ = planted((1, 2), (20, 20), 5, affine=True)
    fits = [LowRankMixture(ranks=(1, 2), seed=3, restarts=2).fit(data) for _ in range(2)]
    assert torch.equal(fits[0].bases, fits[1].bases)


def test_a_start_from_some_of_the_events_serves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    data, bases, _ = planted((1, 3), (60, 60), 6, affine=False)
    monkeypatch.setattr(molrg, "MOST", 40)
    assert distance(LowRankMixture(ranks=(1, 3), affine=False, restarts=1).fit(data), bases) < 1e-6


def test_events_fewer_than_a_neighbourhood_are_no_error() -> None:
    data, bases, _ = planted((3,), (3,), 1, affine=False)
    assert distance(LowRankMixture(ranks=(3,), affine=False, restarts=3).fit(data), bases) < 1e-9
