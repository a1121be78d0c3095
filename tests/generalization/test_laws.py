"""Laws of the data: score, target covariance and quadrature of mixtures of any rank."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from scorelens.generalization.laws import DataLaw
from scorelens.generalization.quadrature import Trapezoid

GAUSSIAN = DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]])
MIXTURE = DataLaw.mixture(
    [0.3, 0.7], [[0.0, 1.0], [2.0, -1.0]], [[[1.0, 0.3], [0.3, 0.5]], [[0.2, 0], [0, 0]]]
)
POINTS = DataLaw.points([[0.7, 2.3], [-1.5, 1.1], [0.1, -0.6]])
LAWS = {"gaussian": GAUSSIAN, "mixture": MIXTURE, "points": POINTS}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
X = np.array([[0.3, 0.2], [1.0, -0.5], [-4.0, 3.0]])
STEP = 1e-3


def slope(function) -> np.ndarray:
    """Derivative along every axis, in a last axis; error of order ``STEP^4``."""
    parts = []
    for e in np.eye(2) * STEP:
        near, far = function(X + e) - function(X - e), function(X + 2 * e) - function(X - 2 * e)
        parts.append((8 * near - far) / (12 * STEP))
    return np.stack(parts, axis=-1)


@every_law
@pytest.mark.parametrize("std", [0.3, 1.0])
def test_the_score_is_the_slope_of_the_log_density(law: DataLaw, std: float) -> None:
    expected = slope(lambda x: law.log_density(x, 0.9, std))
    np.testing.assert_allclose(law.score(X, 0.9, std), expected, rtol=1e-6, atol=1e-6)


@every_law
@pytest.mark.parametrize("std", [0.3, 1.0])
def test_the_target_covariance_is_noise_precision_plus_curvature(law: DataLaw, std: float) -> None:
    """The second form of [G4], by finite differences of the score."""
    curvature = slope(lambda x: law.score(x, 0.9, std))
    expected = np.eye(2) / std**2 + curvature
    np.testing.assert_allclose(law.target_covariance(X, 0.9, std), expected, rtol=1e-6, atol=1e-6)


def test_the_target_covariance_keeps_its_digits_at_little_noise() -> None:
    """Where ``I / std^2`` and the curvature cancel: near a point, at a mid-point, for smooth data ([G4])."""
    two, std = DataLaw.points([[-1.0], [1.0]]), 1e-3
    assert two.target_covariance([[0.0]], 1.0, std)[0, 0, 0] == pytest.approx(1 / std**4, rel=1e-12)
    assert (two.target_covariance([[0.9]], 1.0, std) == 0).all()
    at = two.target_covariance([[0.5]], 1.0, 0.2)[0, 0, 0]
    assert at == pytest.approx(np.cosh(0.5 / 0.04) ** -2 / 0.2**4, rel=1e-12)
    smooth = DataLaw.gaussian([0.0], [[1.0]]).target_covariance([[0.3]], 1.0, 1e-7)[0, 0, 0]
    assert smooth * 1e-14 == pytest.approx(1 / (1 + 1e-14), rel=1e-12)


@every_law
def test_the_score_is_that_of_the_denoiser(law: DataLaw) -> None:
    score = law.denoiser().score(torch.tensor(X / 0.9), 0.3 / 0.9).numpy() / 0.9
    np.testing.assert_allclose(law.score(X, 0.9, 0.3), score, rtol=1e-9, atol=1e-9)


@every_law
def test_quadrature_has_the_moments_of_the_noised_law(law: DataLaw) -> None:
    x, weight = law.nodes(0.9, 0.3, order=6)
    noised = law.noised(0.9, 0.3)
    assert weight.sum() == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(weight @ x, noised.mean, rtol=1e-12)
    apart = x - noised.mean
    np.testing.assert_allclose((weight * apart.T) @ apart, noised.covariance, rtol=1e-12, atol=1e-13)


@every_law
def test_fine_quadrature_holds_the_softmax_of_the_score(law: DataLaw) -> None:
    """Stein's identity: the product of point and score averages to minus one."""
    parts = law.component_nodes(0.9, 0.3, Trapezoid(0.11))
    found = sum((part.weight * part.x.T) @ law.score(part.x, 0.9, 0.3) for part in parts)
    np.testing.assert_allclose(found, -np.eye(2), atol=1e-9)


@every_law
def test_component_nodes_hold_the_law_of_the_target(law: DataLaw) -> None:
    """Averaging the target over the components at a point gives the score and ``C``."""
    share = law.responsibilities(X, 0.9, 0.3)
    pull = law.component_pull(X, 0.9, 0.3)
    mean = np.einsum("nk,nki->ni", share, pull)
    np.testing.assert_allclose(mean, law.score(X, 0.9, 0.3), rtol=1e-12)
    within = np.einsum("nk,kij->nij", share, law.component_target_covariance(0.9, 0.3))
    apart = pull - mean[:, None]
    total = within + np.einsum("nk,nki,nkj->nij", share, apart, apart)
    np.testing.assert_allclose(law.target_covariance(X, 0.9, 0.3), total, rtol=1e-10, atol=1e-10)


def test_quadrature_splits_at_breaks() -> None:
    law = DataLaw.mixture([0.4, 0.6], [[0.0], [1.0]], [[[1.0]], [[0.0]]])
    x, weight = law.nodes(1.0, 0.2, order=8, breaks=[0.9])
    expected = 0.4 * ndtr(0.9 / np.sqrt(1.04)) + 0.6 * ndtr(-0.1 / 0.2)
    assert weight @ (x[:, 0] < 0.9) == pytest.approx(expected, rel=1e-13)
    with pytest.raises(ValueError, match="breaks need a line"):
        GAUSSIAN.nodes(1.0, 0.2, order=8, breaks=[0.9])


def test_without_noise_point_masses_are_their_own_nodes() -> None:
    x, weight = POINTS.nodes(1.0, 0.0, order=9)
    np.testing.assert_array_equal(x, POINTS.means)
    np.testing.assert_allclose(weight, 1 / 3)


@every_law
def test_samples_have_the_moments_of_the_law(law: DataLaw) -> None:
    n = 40_000
    x = law.sample(n, np.random.default_rng(3))
    apart = x - law.mean
    error = np.sqrt(np.diag(law.covariance) / n)
    assert (np.abs(apart.mean(axis=0)) < 4.5 * error).all()
    products = apart[:, :, None] * apart[:, None]
    deviation = products.std(axis=0) / np.sqrt(n)
    assert (np.abs(products.mean(axis=0) - law.covariance) < 4.5 * deviation).all()
    assert (deviation < 0.05 * np.diag(law.covariance).max()).all()


def test_bad_laws_and_points_are_refused() -> None:
    with pytest.raises(ValueError, match="must have shapes"):
        DataLaw.gaussian([0.0, 1.0], [[1.0]])
    with pytest.raises(ValueError, match="symmetric"):
        DataLaw.gaussian([0.0, 1.0], [[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match="eigenvalues >= 0"):
        DataLaw.gaussian([0.0, 1.0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="weights must be"):
        DataLaw.mixture([1.0, 0.0], [[0.0], [1.0]], np.zeros((2, 1, 1)))
    with pytest.raises(ValueError, match="no density"):
        POINTS.score(X, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        POINTS.score([[0.0]], 1.0, 0.1)
    with pytest.raises(ValueError, match="std must be finite and > 0"):
        GAUSSIAN.target_covariance(X, 1.0, 0.0)
