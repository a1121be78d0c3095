"""Losses of denoisers in closed form: the linear floor on Gaussian data, and the memorising denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import ortho_group

from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.core.spectrum import Spectrum
from scorelens.data import Data
from scorelens.instruments import DenoisingLoss, Probes, floors, memorization_floor

DIM = 5
EIGENVALUES = np.array([4.0, 1.0, 0.3, 0.02, 0.001])
SIGMAS = np.geomspace(0.002, 80.0, 16)


def _spectrum(n_modes: int = DIM) -> Spectrum:
    vectors = ortho_group.rvs(DIM, random_state=3)[:, :n_modes]
    return Spectrum(np.ones(DIM), EIGENVALUES[:n_modes], vectors, 1000, float(EIGENVALUES.sum()), (DIM,))


def _gaussian(n: int, seed: int) -> Data:
    spectrum = _spectrum()
    coordinates = np.random.default_rng(seed).standard_normal((n, DIM)) * np.sqrt(EIGENVALUES)
    return Data("gaussian", spectrum.mean + coordinates @ spectrum.eigenvectors.T, kind="vector")


def _loss(n: int) -> DenoisingLoss:
    train, held_out = (Probes.choose(_gaussian(n, s), n, s, "loss") for s in (0, 1))
    return DenoisingLoss(_spectrum(), train, held_out, SIGMAS, LogNormal(), 0.5)


@pytest.fixture(scope="module")
def optimal_measured():
    return _loss(3000).measure(optimal_linear_denoiser(_spectrum()))


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_loss_of_the_optimal_denoiser_is_the_linear_floor(optimal_measured, part):
    loss, error = optimal_measured[f"{part}_loss"].values, optimal_measured[f"{part}_standard_error"].values
    exact = np.array([np.sum(EIGENVALUES * s**2 / (EIGENVALUES + s**2)) for s in SIGMAS])
    np.testing.assert_allclose(optimal_measured.linear_floor, exact, rtol=1e-12)
    assert (np.abs(loss - exact) < 4.5 * error).all()
    assert (error < 0.05 * exact).all()


def test_linear_floor_counts_the_directions_without_a_mode():
    spectrum = _spectrum(2)
    loss = DenoisingLoss(spectrum, *[Probes.choose(_gaussian(9, 0), 9, 0, "x")] * 2, SIGMAS, LogNormal(), 0.5)
    rest = spectrum.residual_variance
    kept = np.array([4.0, 1.0, rest, rest, rest])
    exact = np.array([np.sum(kept * s**2 / (kept + s**2)) for s in SIGMAS])
    np.testing.assert_allclose(loss.linear_floor, exact, rtol=1e-12)


def test_linear_loss_on_the_held_out_points_is_paired(optimal_measured):
    np.testing.assert_allclose(
        optimal_measured.linear_held_out_loss, optimal_measured.held_out_loss, rtol=1e-12
    )
    np.testing.assert_allclose(
        optimal_measured.linear_edm_loss, optimal_measured.held_out_edm_loss, rtol=1e-12
    )


@pytest.mark.parametrize("noise", [LogNormal(-1.2, 1.2), LogUniform(0.002, 80.0)])
def test_edm_loss_averages_over_the_noise_law(noise):
    """A denoiser that is off by ``sigma^2 / (1 + sigma^2)`` everywhere, against fine quadrature."""
    zeros = Probes.choose(Data("zeros", np.zeros((2, DIM)), kind="vector"), 2, 0, "x")
    loss = DenoisingLoss(_spectrum(), zeros, zeros, np.geomspace(0.002, 80.0, 24), noise, 0.5)
    measured = loss.measure(lambda x, sigma: torch.full_like(x, sigma**2 / (1 + sigma**2)))
    fine = np.linspace(np.log(0.002), np.log(80.0), 4001)
    square, density = np.exp(2 * fine), noise.density(fine)
    each = (square + 0.25) / (square * 0.25) * DIM * (square / (1 + square)) ** 2
    exact = np.sum(density * each) / density.sum()
    assert float(measured.held_out_edm_loss) == pytest.approx(exact, rel=0.01)
    assert float(measured.train_edm_loss) == pytest.approx(exact, rel=0.01)


def _brute_force(points: np.ndarray, probes: Probes, sigmas: np.ndarray) -> np.ndarray:
    own = points[probes.indices]
    losses = []
    for level, sigma in enumerate(sigmas):
        noisy = own + sigma * probes.noise(level, slice(0, len(own)))
        distance = ((noisy[:, None] - points) ** 2).sum(axis=-1)
        answer = softmax(-distance / (2 * sigma**2), axis=1) @ points
        losses.append(((answer - own) ** 2).sum(axis=1))
    return np.array(losses)


@pytest.mark.parametrize("limits", [{}, {"BLOCK_NUMBERS": 7 * DIM, "STATE_NUMBERS": 16 * DIM * 4}])
def test_memorization_floor_is_the_brute_force_softmax(monkeypatch, limits):
    for name, value in limits.items():
        monkeypatch.setattr(floors, name, value)
    data, sigmas = _gaussian(40, 4), np.geomspace(0.01, 80.0, 16)
    probes = Probes.choose(data, 30, 0, "floor")
    exact = _brute_force(data[np.arange(40)].astype(float), probes, sigmas)
    floor = memorization_floor(probes, sigmas)
    np.testing.assert_allclose(floor.loss, exact.mean(axis=1), rtol=1e-9, atol=1e-25)
    np.testing.assert_allclose(
        floor.standard_error, exact.std(axis=1, ddof=1) / np.sqrt(30), rtol=1e-9, atol=1e-25
    )
    assert (floor.n_points, floor.n_probes) == (40, 30)
    assert floor.loss[0] < 1e-20 < 1.0 < floor.loss[-1]


def test_the_memorising_denoiser_measured_on_the_same_points_reaches_its_floor():
    data = _gaussian(50, 5)
    probes = Probes.choose(data, 50, 0, "floor")
    points = torch.as_tensor(data[np.arange(50)].astype(float))

    def memorising(x, sigma):
        distance = torch.cdist(x.double(), points) ** 2
        return (torch.softmax(-distance / (2 * sigma**2), dim=1) @ points).float()

    sigmas = np.geomspace(0.05, 80.0, 8)
    measured = DenoisingLoss(_spectrum(), probes, probes, sigmas, LogNormal(), 0.5).measure(memorising)
    np.testing.assert_allclose(measured.train_loss, measured.memorization_floor, rtol=1e-4, atol=1e-9)


def test_duplicates_in_the_data_share_the_weight():
    data = Data("twins", np.array([[0.0], [0.0], [1.0]]), kind="vector")
    probes = Probes.choose(data, 3, 0, "floor")
    exact = _brute_force(data[np.arange(3)].astype(float), probes, np.array([0.3, 2.0]))
    np.testing.assert_allclose(memorization_floor(probes, np.array([0.3, 2.0])).loss, exact.mean(axis=1))


def test_larger_data_are_mixed_up_to_the_stated_cap(monkeypatch):
    monkeypatch.setattr(floors, "MAX_POINTS", 20)
    probes = Probes.choose(_gaussian(60, 6), 10, 0, "floor")
    floor = memorization_floor(probes, np.array([1.0]))
    assert (floor.n_points, floor.n_probes) == (20, 10)
    mixture = floors._mixture(probes)
    assert set(probes.indices) <= set(mixture)
    assert len(set(mixture)) == 20
