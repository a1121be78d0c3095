"""The labelled local geometry of denoisers whose Jacobian is known, and of some that have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.lockstep_spectrum import lockstep_spectrum
from scorelens.geometry.ranks import effective_ranks
from scorelens.geometry.spectrum import exact_spectrum, krylov_spectrum
from scorelens.geometry.totals import totals
from scorelens.instruments import measure_geometry
from scorelens.results import schema

SIGMAS = np.array([2.0, 0.5, 1.0])
VARIANCES = torch.tensor([9.0, 4.0, 1.0, 0.25, 0.04, 0.01], dtype=torch.float64)
MEAN = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0, 1.0], dtype=torch.float64)


def _rotation(dim, seed=0):
    return torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(seed)).double())[0]


def _gaussian(variances, mean, frame):
    """The ideal denoiser of Gaussian data, of events of any shape."""

    def denoiser(x, sigma):
        level = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1)
        centred = (x.flatten(1) - mean.to(x)) @ frame.to(x)
        gains = variances.to(x) / (variances.to(x) + level**2)
        return ((centred * gains) @ frame.to(x).T + mean.to(x)).reshape(x.shape)

    return denoiser


@pytest.fixture
def points():
    return torch.randn(2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def ideal(points):
    denoiser = _gaussian(VARIANCES, MEAN, _rotation(6))
    return measure_geometry(denoiser, points, SIGMAS, 3, seed=4, center=MEAN)


def test_eigenvalues_vectors_and_coefficients_of_gaussian_data(ideal, points):
    levels, frame = np.sort(SIGMAS), _rotation(6).numpy()
    gains = VARIANCES.numpy() / (VARIANCES.numpy() + levels[:, None] ** 2)
    np.testing.assert_allclose(ideal.sigma, levels)
    for point in range(2):
        np.testing.assert_allclose(ideal.eigenvalue[point], gains[:, :3], rtol=1e-10)
        for level, sigma in enumerate(levels):
            vectors = ideal.eigenvector.values[point, level]
            np.testing.assert_allclose(np.abs(vectors @ frame[:, :3]), np.eye(3), atol=1e-5)
            noisy = ideal.noisy.values[point, level].astype(float) - MEAN.numpy()
            np.testing.assert_allclose(
                ideal.coefficient[point, level], vectors @ noisy / sigma, rtol=1e-4, atol=1e-4
            )
    np.testing.assert_allclose(ideal.denoised_coefficient, ideal.eigenvalue * ideal.coefficient, atol=1e-9)
    assert bool(ideal.converged.all())
    schema.check(ideal)


def test_ranks_defects_and_dimension_of_gaussian_data(ideal, points):
    levels = np.sort(SIGMAS)
    gains = VARIANCES.numpy() / (VARIANCES.numpy() + levels[:, None] ** 2)
    ranks = effective_ranks(gains)
    for name, expected in {
        "trace": ranks.trace,
        "participation": ranks.participation,
        "entropy_rank": ranks.entropy,
        "energy_rank": ranks.energy,
    }.items():
        np.testing.assert_allclose(ideal[name], np.broadcast_to(expected, (2, 3)), rtol=1e-10)
    assert float(ideal.asymmetry.max()) < 1e-12
    assert float(ideal.offset_share.max()) < 1e-12
    assert float(ideal.homogeneity_defect.min()) > 0.01  # the mean is not 0
    turned = ((points - MEAN) @ _rotation(6)).numpy()
    apart = turned[:, None] * levels[:, None] / (VARIANCES.numpy() + levels[:, None] ** 2)
    expected = ranks.trace + (apart**2).sum(-1)
    assert np.abs(ideal.flipd - expected).max() < 6 * ideal.flipd_standard_error.max() + 1e-9


def test_one_noise_serves_all_levels_and_points_keep_theirs(points):
    denoiser = _gaussian(VARIANCES, MEAN, _rotation(6))
    both = measure_geometry(denoiser, points, SIGMAS, 2, seed=4)
    noise = (both.noisy - both.clean) / both.sigma
    np.testing.assert_allclose(noise, np.broadcast_to(noise[:, :1], noise.shape), atol=1e-5)
    one = measure_geometry(denoiser, points[:1], SIGMAS, 2, seed=4)
    np.testing.assert_allclose(one.noisy[0], both.noisy[0])
    assert not np.allclose(measure_geometry(denoiser, points, SIGMAS, 2, seed=5).noisy, both.noisy)


def test_an_asymmetric_and_shifted_denoiser_shows_it(points):
    matrix = torch.tensor([[0.5, 0.4], [0.0, 0.2]], dtype=torch.float64)
    found = measure_geometry(lambda x, sigma: x @ matrix.to(x).T + 1, points[:, :2], [1.0], 2)
    expected = np.linalg.norm(matrix - matrix.T) / np.linalg.norm(matrix)
    np.testing.assert_allclose(found.asymmetry, expected, rtol=1e-9)
    np.testing.assert_allclose(found.eigenvalue[0, 0], np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1])
    assert float(found.offset_share.min()) > 0.05


def test_images_stay_images():
    denoiser = _gaussian(VARIANCES, MEAN * 0, _rotation(6))
    found = measure_geometry(denoiser, torch.randn(2, 1, 3, 2), [1.0], 4)
    assert found.eigenvector.dims == ("point", "sigma", "eigen", "channel", "height", "width")
    assert found.noisy.shape == (2, 1, 1, 3, 2)


def test_a_denoiser_without_derivatives_is_measured_by_differences(points):
    def detached(x, sigma):
        level = torch.as_tensor(sigma).reshape(-1, 1).to(x)
        return torch.as_tensor((x / (1 + level**2)).detach().numpy())

    found = measure_geometry(detached, points, [1.0], 2)
    assert "differences" in found.way
    np.testing.assert_allclose(found.eigenvalue, 0.5, rtol=1e-6)


def test_where_no_spectrum_can_be_had_the_rest_is_measured():
    def detached(x, sigma):
        return (x / 2).detach()

    found = measure_geometry(detached, torch.ones(1, 5000), [1.0], 2)
    assert found.method == "none"
    assert np.isnan(found.eigenvalue).all()
    assert not found.converged.any()
    assert "5000" in found.way
    np.testing.assert_allclose(found.flipd, 2500 + 1250, rtol=1e-2)


def _large(n_points=3, dim=400):
    variances = torch.arange(1, dim + 1.0).double() ** -2 * 4
    denoiser = _gaussian(variances, torch.zeros(dim), torch.eye(dim).double())
    x = torch.randn(n_points, dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return JacobianAt(denoiser, x, torch.tensor([0.1, 0.3, 1.0][:n_points]).double()), variances.numpy()


def test_iteration_in_step_finds_the_leading_pairs_within_its_errors():
    jacobian, variances = _large()
    found = lockstep_spectrum(jacobian, 4, n_passes=6)
    gains = variances / (variances + np.array([0.1, 0.3, 1.0])[:, None] ** 2)
    assert bool((found.eigenvalues.numpy() <= gains[:, :4] * (1 + 1e-9)).all())
    assert bool((np.abs(found.eigenvalues.numpy() - gains[:, :4]) <= found.errors.numpy()).all())
    assert bool(found.converged[1:].all())
    assert not bool(lockstep_spectrum(jacobian, 4, n_passes=2, tolerance=1e-6).converged.all())


def test_totals_of_leading_pairs_agree_with_all_of_them():
    jacobian, _ = _large()
    exact = totals(jacobian, exact_spectrum(jacobian, 400))
    found = totals(jacobian, krylov_spectrum(jacobian, 8), 16)
    for name, error in (("trace", found.trace_error), ("participation", found.participation_error)):
        apart = (getattr(found, name) - getattr(exact, name)).abs()
        assert bool((apart < 5 * error + 1e-9).all()), name
        assert bool((error < 0.1 * getattr(exact, name)).all()), name
    assert float(found.energy[2]) == float(exact.energy[2])
    assert np.isnan(found.energy[0].item())
    assert bool(torch.isnan(found.entropy).all())
