"""Planted subspaces: what is missed of them is counted right, per subspace and against known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.jacobian import JacobianAt
from scorelens.studies.low_rank_mixtures.networks import generated, jacobians, leading_subspaces
from scorelens.studies.low_rank_mixtures.planted import Planted, exact_denoiser, points_on
from scorelens.studies.low_rank_mixtures.rank_curves import mean_ranks, rank_curve
from scorelens.studies.low_rank_mixtures.recovery import (
    by_mixture,
    by_principal_components,
    expected_missed_share,
    matched,
    missed_share,
)
from scorelens.studies.low_rank_mixtures.transition import counts

ORTHOGONAL, DRAWN = Planted(4, 20, 2), Planted(4, 20, 2, orthogonal=False)


def planted(of: Planted, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    frames = of.frames(rng)
    return frames, points_on(frames, n, rng)


@pytest.mark.parametrize("of", [ORTHOGONAL, DRAWN])
def test_points_lie_on_their_frames(of: Planted):
    frames, points = planted(of, 6)
    np.testing.assert_allclose(frames.mT @ frames, np.stack([np.eye(4)] * 2), atol=1e-12)
    across = points - np.einsum("kid,kjd,knj->kni", frames, frames, points)
    assert np.abs(across).max() < 1e-12
    between = np.abs(frames[0].T @ frames[1]).max()
    assert (between < 1e-12) == of.orthogonal


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("of", [ORTHOGONAL, DRAWN])
def test_principal_components_miss_one_minus_n_over_d(of: Planted, n: int):
    """Samples are counted on each subspace, not on all of them."""
    frames, points = planted(of, n)
    found = by_principal_components(points, of.dim)
    expected = max(1 - n / 4, 0.0)
    assert missed_share(frames, found) == pytest.approx(expected, abs=1e-12)
    assert expected_missed_share(np.array([n / 4]))[0] == expected
    assert counts(of, (n / 4,)) == [n]


def test_the_missed_share_is_the_distance_of_projectors():
    frames, _ = planted(DRAWN, 1)
    other, _ = planted(DRAWN, 1, seed=1)
    apart = frames @ frames.mT - other @ other.mT
    distance = (apart**2).sum((1, 2)).mean() / (2 * 4)
    assert missed_share(frames, other) == pytest.approx(distance, rel=1e-12)
    assert 0.4 < distance < 0.95


def test_found_subspaces_are_matched_to_the_planted_ones():
    frames, _ = planted(Planted(3, 20, 3), 1)
    assert missed_share(frames, frames[[2, 0, 1]]) == pytest.approx(1.0)
    np.testing.assert_array_equal(matched(frames, frames[[2, 0, 1]]), frames)


def test_em_tells_drawn_subspaces_apart_from_one_sample_more_than_dimensions_on():
    missed = {}
    for n in (4, 5):
        missed[n] = []
        for seed in range(4):
            frames, points = planted(DRAWN, n, seed)
            found = by_mixture(points, DRAWN.dim, seed)
            missed[n].append(missed_share(frames, matched(frames, found)))
    assert max(missed[5]) < 1e-9
    assert max(missed[4]) > 0.05


def test_em_finds_orthogonal_subspaces_from_as_many_samples_as_dimensions():
    missed = []
    for seed in range(4):
        frames, points = planted(ORTHOGONAL, 4, seed)
        missed.append(missed_share(frames, matched(frames, by_mixture(points, 4, seed))))
    assert np.median(missed) < 1e-9


def test_the_optimum_shows_its_subspaces_by_its_jacobian():
    frames, unseen = planted(DRAWN, 8)
    noise = np.random.default_rng(1).standard_normal(unseen.shape)
    found = leading_subspaces(exact_denoiser(frames), unseen + 0.05 * noise, 0.05, 4)
    assert missed_share(frames, found) < 1e-4


def test_the_rank_of_the_optimum_is_the_dimension_where_noise_is_small():
    frames, unseen = planted(ORTHOGONAL, 8)
    noise = np.random.default_rng(1).standard_normal(unseen.shape)
    exact = exact_denoiser(frames)
    found = rank_curve(exact, exact, unseen, noise, (0.05, 5.0, 0.8))
    assert found.distance.max() < 1e-5
    np.testing.assert_allclose(found.learned, found.exact, rtol=1e-4)
    trace, *free_of_scale = found.exact[0]
    assert trace == pytest.approx(4 / (1 + 0.05**2), rel=1e-4)
    np.testing.assert_allclose(free_of_scale, 4.0, rtol=1e-4)
    assert found.exact[1, 2] > 6  # between subspaces the directions of both are kept
    noisy = torch.tensor((unseen + 0.8 * noise).reshape(-1, 20))
    np.testing.assert_allclose(found.exact[2], mean_ranks(exact.jacobian(noisy, 0.8)), rtol=1e-9)


def test_a_distance_of_jacobians_is_relative_to_the_optimum():
    frames, unseen = planted(ORTHOGONAL, 4)
    exact = exact_denoiser(frames)
    halved = rank_curve(lambda x, sigma: exact(x, sigma) / 2, exact, unseen, 0 * unseen, (0.3,))
    assert halved.distance[0] == pytest.approx(0.5, rel=1e-4)


def test_jacobians_have_one_matrix_per_point():
    frames, unseen = planted(DRAWN, 3)
    exact, at = exact_denoiser(frames), 0.3
    found = jacobians(exact, unseen, at)
    assert found.shape == (2, 3, 20, 20)
    one = JacobianAt(exact, torch.tensor(unseen[1, 2][None]), at).full()
    torch.testing.assert_close(found[1, 2], one[0], rtol=1e-4, atol=1e-5)


def test_samples_of_the_optimum_lie_on_the_subspaces_and_copies_are_seen():
    frames, points = planted(DRAWN, 20)
    train = points.reshape(40, 20)
    found = generated(exact_denoiser(frames), frames, train, n=32, seed=0)
    assert found.off < 1e-3
    assert found.copies < 0.2
    target = torch.tensor(train[:1], dtype=torch.float32)
    copying = generated(lambda x, sigma: 0 * x + target, frames, train, n=8, seed=0)
    assert copying.copies == 1.0
    away = np.linalg.svd(np.concatenate(list(frames), axis=1))[0][:, -1]
    wrong = torch.tensor(away, dtype=torch.float32)
    assert generated(lambda x, sigma: 0 * x + wrong, frames, train, n=8, seed=0).off > 0.99
