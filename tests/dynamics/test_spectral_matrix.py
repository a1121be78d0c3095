"""Spectral preconditioning by a covariance that does not commute with the data's."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.noise_level import LogNormal
from scorelens.dynamics import PreconditionedOneLayer, SpectralMatrixLaw, generated_covariance

RNG = np.random.default_rng(2)


def _covariance(d):
    root = RNG.standard_normal((d, d))
    return root @ root.T / d + 0.05 * np.eye(d)


SIGMA, ASSUMED = _covariance(3), _covariance(3)
LAW = SpectralMatrixLaw(SIGMA, ASSUMED, LogNormal(-1.0, 1.0), initial_weight=0.2)


def test_raw_weight_is_gradient_descent_on_the_target_space_loss():
    sigma, rate, n_steps = 0.6, 1e-3, 800
    skip, output, input_ = LAW.scalings(sigma)
    total, inverse = SIGMA + sigma**2 * np.eye(3), np.linalg.inv(output)
    raw = 0.2 * np.eye(3)
    for _ in range(n_steps):
        # Loss E|output^-1 (D(x) - x0)|^2, gradient by the moments of x and x0.
        map_ = skip + output @ raw @ input_
        gradient = 2 * output @ inverse @ inverse @ (map_ @ total - SIGMA) @ input_
        raw = raw - rate * gradient
    density = float(LAW._noise.density(np.log(sigma)))
    flow_time = 2 * rate * n_steps / density
    np.testing.assert_allclose(LAW.raw_weight(sigma, flow_time), raw, atol=2e-3)
    np.testing.assert_allclose(LAW.raw_weight(sigma, 0.0), 0.2 * np.eye(3), atol=1e-14)


def test_converges_to_the_optimal_denoiser():
    sigma = 0.6
    optimum = SIGMA @ np.linalg.inv(SIGMA + sigma**2 * np.eye(3))
    np.testing.assert_allclose(LAW.weight_at(sigma, 1e9), optimum, atol=1e-13)


def test_known_covariance_leaves_nothing_to_learn():
    law = SpectralMatrixLaw(SIGMA, SIGMA)
    assert np.abs(law.optimal_raw_weight(0.3)).max() < 1e-14
    found = law.generated_covariance(0.0, 0.002, 80.0)
    expected = 80.0**2 * (SIGMA + 0.002**2 * np.eye(3)) @ np.linalg.inv(SIGMA + 80.0**2 * np.eye(3))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_commuting_matrices_follow_the_law_of_modes():
    lam, g = np.array([2.0, 0.3, 0.01]), np.array([1.0, 0.6, 0.02])
    frame = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    noise = LogNormal(-1.0, 1.0)
    matrix = SpectralMatrixLaw((frame * lam) @ frame.T, (frame * g) @ frame.T, noise, initial_weight=0.2)
    modes = PreconditionedOneLayer.spectral(g, noise, initial_weight=0.2)
    covariance = frame.T @ matrix.generated_covariance(4.0, 0.01, 30.0) @ frame
    np.testing.assert_allclose(np.diag(covariance), modes.generated_variance(lam, 4.0, 0.01, 30.0), rtol=1e-9)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-9


def test_covariance_of_non_symmetric_weights_by_small_steps():
    """The sampling ODE of a shear, by 20,000 implicit-midpoint steps of the covariance itself."""
    shear = np.array([[0.5, 0.3], [0.0, 0.2]])
    u = np.linspace(np.log(5.0), np.log(0.1), 20_001)
    covariance = 25.0 * np.eye(2)
    step = u[1] - u[0]
    for middle in 0.5 * (u[1:] + u[:-1]):
        drift = np.eye(2) - shear / (1 + np.exp(2 * middle))
        change = drift @ covariance + covariance @ drift.T
        half = covariance + 0.5 * step * change
        covariance = covariance + step * (drift @ half + half @ drift.T)
    found = generated_covariance(lambda sigma: shear / (1 + sigma**2), 0.1, 5.0)
    np.testing.assert_allclose(found, covariance, rtol=1e-6)
    assert abs(found[0, 1]) > 1e-3


@pytest.mark.parametrize(
    ("covariance", "assumed", "message"),
    [
        (np.eye(2), np.diag([1.0, 0.0]), "set a floor"),
        (np.eye(2), np.eye(3), "one shape"),
        (np.array([[1.0, 0.2], [0.0, 1.0]]), np.eye(2), "symmetric"),
        (np.diag([1.0, -0.1]), np.eye(2), "positive semi-definite"),
        (np.ones(2), np.eye(2), "square"),
        (np.full((2, 2), np.nan), np.eye(2), "non-finite"),
    ],
)
def test_bad_matrices_are_refused(covariance, assumed, message):
    with pytest.raises(ValueError, match=message):
        SpectralMatrixLaw(covariance, assumed)
