"""Noised Gaussian mixtures against scipy's densities and against the posterior by its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from scorelens.estimators import Empirical, Gaussian, GaussianMixture, MixtureDenoiser

RNG = np.random.default_rng(6)
D = 4
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = RNG.standard_normal((3, D)) * 3
BASES = [np.linalg.qr(RNG.standard_normal((D, rank)))[0] for rank in (1, 4, 2)]
VARIANCES = [RNG.uniform(0.3, 4.0, rank) for rank in (1, 4, 2)]
COVARIANCES = np.stack([b * v @ b.T for b, v in zip(BASES, VARIANCES, strict=True)])
X = RNG.standard_normal((5, D)) * 4

FORMS = {
    "covariances": MixtureDenoiser.of_covariances(WEIGHTS, MEANS, COVARIANCES),
    "subspaces": MixtureDenoiser.of_subspaces(WEIGHTS, BASES, VARIANCES, MEANS),
}
every_form = pytest.mark.parametrize("denoiser", FORMS.values(), ids=FORMS)


@every_form
@pytest.mark.parametrize("sigma", [0.05, 0.6, 30.0])
def test_it_is_the_posterior_by_bayes(denoiser: MixtureDenoiser, sigma: float) -> None:
    noised = COVARIANCES + sigma**2 * np.eye(D)
    laws = [multivariate_normal(m, c) for m, c in zip(MEANS, noised, strict=True)]
    log_joint = np.log(WEIGHTS) + np.stack([law.logpdf(X) for law in laws], axis=1)
    log_prob = np.logaddexp.reduce(log_joint, axis=1)
    share = np.exp(log_joint - log_prob[:, None])
    means = [m + (X - m) @ np.linalg.solve(n, c) for m, n, c in zip(MEANS, noised, COVARIANCES, strict=True)]
    mean = np.einsum("bk,kbd->bd", share, means)
    within = [c - c @ np.linalg.solve(n, c) for n, c in zip(noised, COVARIANCES, strict=True)]
    second = np.einsum("bk,kde->bde", share, within) + np.einsum("bk,kbd,kbe->bde", share, means, means)
    covariance = second - mean[:, :, None] * mean[:, None]
    x = torch.tensor(X)
    np.testing.assert_allclose(denoiser.responsibilities(x, sigma), share, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(denoiser(x, sigma), mean, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(denoiser.log_prob(x, sigma), log_prob, rtol=1e-9)
    np.testing.assert_allclose(denoiser.posterior_covariance(x, sigma), covariance, rtol=1e-8, atol=1e-9)


@every_form
@pytest.mark.parametrize("sigma", [0.2, 3.0])
def test_the_jacobian_is_that_of_autograd(denoiser: MixtureDenoiser, sigma: float) -> None:
    x = torch.tensor(X)
    rows = torch.autograd.functional.jacobian(lambda e: denoiser(e, sigma).sum(0), x).permute(1, 0, 2)
    torch.testing.assert_close(denoiser.jacobian(x, sigma), rows, rtol=1e-9, atol=1e-11)


def test_variance_outside_the_modes_counts() -> None:
    basis = torch.tensor(BASES[2])[None]
    denoiser = MixtureDenoiser(
        (D,),
        torch.ones(1),
        torch.zeros(1, D),
        basis,
        torch.tensor([[3.0, 2.0]]),
        torch.tensor([0.5]),
    )
    matrix = (
        basis[0] @ torch.diag(torch.tensor([2.5, 1.5]).double()) @ basis[0].T + 0.5 * torch.eye(D).double()
    )
    dense = MixtureDenoiser.of_covariances([1.0], np.zeros((1, D)), matrix[None].numpy())
    x = torch.tensor(X)
    for found, expected in zip(
        (denoiser(x, 0.7), denoiser.log_prob(x, 0.7), denoiser.posterior_covariance(x, 0.7)),
        (dense(x, 0.7), dense.log_prob(x, 0.7), dense.posterior_covariance(x, 0.7)),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_components_without_width_are_the_empirical_denoiser() -> None:
    points, x = RNG.standard_normal((20, D)), torch.tensor(X)
    mixture = MixtureDenoiser.of_covariances(np.ones(20), points, np.zeros((20, D, D)))
    empirical = Empirical().fit(points)
    for sigma in (0.05, 1.0, 9.0):
        torch.testing.assert_close(mixture(x, sigma), empirical(x, sigma), rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(mixture.log_prob(x, sigma), empirical.log_prob(x, sigma))


def test_one_fitted_component_is_the_gaussian() -> None:
    data, x = RNG.standard_normal((50, D)), torch.tensor(X)
    mixture = GaussianMixture(n_components=1, least_variance=0.0).fit(data)
    torch.testing.assert_close(mixture(x, 0.4), Gaussian().fit(data)(x, 0.4), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("unit", "offset"), [(1e-6, 0.0), (1e5, 0.0), (1.0, 1e4)])
def test_units_and_origin_of_the_data_do_not_matter(unit: float, offset: float) -> None:
    data, x = np.concatenate([RNG.standard_normal((30, D)) + 6 * m for m in (-1, 1)]), torch.tensor(X)
    plain = GaussianMixture(n_components=2).fit(data).score(x, 0.4)
    other = GaussianMixture(n_components=2).fit(unit * data + offset)
    torch.testing.assert_close(unit * other.score(unit * x + offset, 0.4 * unit), plain, rtol=1e-6, atol=1e-7)


def test_separate_clusters_are_found() -> None:
    clusters = np.concatenate([RNG.standard_normal((60, D)) + 20 * m for m in (-1, 0, 2)])
    denoiser = GaussianMixture(n_components=3, restarts=3).fit(clusters)
    centres = denoiser.means.sort(dim=0).values
    expected = np.stack([part.mean(0) for part in np.split(clusters, 3)])
    np.testing.assert_allclose(centres, expected, atol=1e-3)


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="symmetric"):
        MixtureDenoiser.of_covariances([1.0], [[0.0, 0.0]], [[[1.0, 1.0], [0.0, 1.0]]])
    with pytest.raises(ValueError, match="eigenvalues >= 0, got -1"):
        MixtureDenoiser.of_covariances([1.0], [[0.0]], [[[-1.0]]])
    with pytest.raises(ValueError, match="weights must be finite and > 0"):
        MixtureDenoiser.of_covariances([1.0, 0.0], [[0.0], [0.0]], [[[1.0]], [[1.0]]])
    with pytest.raises(ValueError, match="component 0 is not orthonormal"):
        MixtureDenoiser.of_subspaces([1.0], [[[2.0], [0.0]]], [[1.0]])
    with pytest.raises(ValueError, match="means must have shape"):
        MixtureDenoiser.of_covariances([1.0], [[0.0], [1.0]], [[[1.0]]])
    with pytest.raises(ValueError, match="number of samples must be at least 5, got 3"):
        GaussianMixture(n_components=5).fit(np.ones((3, 2)))


@pytest.mark.parametrize("events", [np.full((30, 2), 0.3), np.repeat([[0.0, 1.0], [2.0, 3.0]], 15, axis=0)])
def test_fewer_different_events_than_components_are_refused(events: np.ndarray) -> None:
    distinct = len(np.unique(events, axis=0))
    with pytest.raises(
        ValueError, match=f"at most the number of different events, {distinct}, got 3; take fewer"
    ):
        GaussianMixture(n_components=3).fit(events)
    assert len(GaussianMixture(n_components=distinct).fit(events).means) == distinct
