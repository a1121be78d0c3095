"""Alignment of a covariance with a frame, and what sampling alone leaves of it."""

from __future__ import annotations

import numpy as np
from scipy.stats import ortho_group

from scorelens.instruments.alignment import alignment, alignment_ceiling


def test_eigenvectors_are_aligned_whatever_basis_a_degenerate_space_has():
    frame = ortho_group.rvs(4, random_state=0)
    covariance = frame @ np.diag([3.0, 2.0, 2.0, 0.0]) @ frame.T
    turned = frame.copy()
    turned[:, 1:3] = frame[:, 1:3] @ ortho_group.rvs(2, random_state=1)
    np.testing.assert_allclose(alignment(covariance @ turned, turned)[:3], 1.0)


def test_a_direction_mapped_to_nothing_is_an_eigenvector():
    assert alignment(np.zeros((2, 1)), np.eye(2)[:, :1]).tolist() == [1.0]


def test_ceiling_is_that_of_simulated_gaussian_samples():
    variance, n, n_rest, rest = np.array([4.0, 1.0, 0.1]), 30, 5, 0.2
    scale = np.sqrt(np.append(variance, np.full(n_rest, rest)))
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(600):
        samples = rng.standard_normal((n, 8)) * scale
        draws.append(alignment(np.cov(samples.T)[:, :3], np.eye(8)[:, :3]))
    exact, error = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(600)
    ceiling = alignment_ceiling(variance, rest, n_rest, n, seed=1)
    spread = np.hypot(error, np.std(draws, axis=0) / np.sqrt(512))
    assert (np.abs(ceiling - exact) < 4.5 * spread).all()
    assert (spread < 0.05 * exact).all()


def test_ceiling_is_one_in_one_dimension_and_rises_with_samples():
    assert alignment_ceiling(np.ones(1), 0.0, 0, 10, seed=0)[0] == 1.0
    few, many = (alignment_ceiling(np.ones(20), 0.0, 0, n, seed=0)[0] for n in (20, 2000))
    assert few < 0.8 < 0.99 < many
