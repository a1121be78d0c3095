"""Risks without clean data against risks with them, and against exact ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import roots_hermitenorm

from scorelens.estimators import MixtureDenoiser
from scorelens.geometry import exact_risk
from scorelens.geometry.exact_risk import (
    affine_risk,
    least_risk_on_points,
    mixture_of_gaussians,
    one_layer_risk,
)
from scorelens.geometry.risk import estimate_mode_risk, estimate_risk, excess_risk, mean, sure

RNG = np.random.default_rng(4)
SCALES = (0.5, 0.7, 1.0, 1.4)
SIGMA = 0.6
WEIGHTS = np.array([0.3, 0.7])
MEANS = np.array([[0.4, 1.3], [-0.8, -1.1]])
COVARIANCES = np.array([[[1.5, 0.4], [0.4, 1.1]], [[0.7, 0.6], [0.6, 1.3]]])
DATA = mixture_of_gaussians(WEIGHTS, MEANS, COVARIANCES)
IDEAL = MixtureDenoiser.of_covariances(WEIGHTS, MEANS, COVARIANCES)
B, A = np.array([[0.9, -0.4], [0.3, 0.7]]), np.array([1.1, 0.8])
M, C = np.array([[0.6, 0.1], [-0.2, 0.5]]), np.array([0.1, -0.3])


def normals(n_axes: int, order: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Nodes ``(n, n_axes)`` and weights of a product of Gauss-Hermite rules."""
    z, w = roots_hermitenorm(order)
    grid = np.stack(np.meshgrid(*[z] * n_axes, indexing="ij"), -1).reshape(-1, n_axes)
    weight = np.prod(np.stack(np.meshgrid(*[w / w.sum()] * n_axes, indexing="ij"), -1), -1)
    return grid, weight.ravel()


def noisy_average(function, alpha: float) -> float:
    """``E function(x_t)`` over the noised mixture; ``function`` maps ``(n, 2)`` to ``(n,)``."""
    z, weight = normals(2)
    total = 0.0
    for share, m, c in zip(WEIGHTS, MEANS, COVARIANCES, strict=True):
        root = np.linalg.cholesky(alpha**2 * (c + SIGMA**2 * np.eye(2)))
        total += share * (weight @ function(alpha * m + z @ root.T))
    return total


def draw(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean events and noisy ones, ``(n, 2)``."""
    rng = np.random.default_rng(seed)
    place = rng.choice(2, size=n, p=WEIGHTS)
    clean = MEANS[place] + np.einsum(
        "nij,nj->ni", np.linalg.cholesky(COVARIANCES)[place], rng.standard_normal((n, 2))
    )
    return torch.tensor(clean), torch.tensor(clean + SIGMA * rng.standard_normal((n, 2)))


def one_layer(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
    return torch.tensor(A) * torch.tanh(x @ torch.tensor(B).T)


class TestBothSides:
    """[P7] by quadrature: its right side over noisy events, its left side exactly."""

    @pytest.mark.parametrize("alpha", SCALES)
    def test_of_an_affine_denoiser(self, alpha: float):
        right = noisy_average(lambda x: sure(x, x @ M.T + C, np.full(len(x), M.trace()), SIGMA, alpha), alpha)
        assert right == pytest.approx(affine_risk(DATA, M, C, SIGMA, alpha), rel=1e-12)

    @pytest.mark.parametrize("alpha", SCALES)
    def test_of_a_layer(self, alpha: float):
        def value(x: np.ndarray) -> np.ndarray:
            unit = np.tanh(x @ B.T)
            return sure(x, A * unit, ((1 - unit**2) * A * np.diagonal(B)).sum(1), SIGMA, alpha)

        exact = one_layer_risk(DATA, np.tanh, A, B, SIGMA, alpha)
        assert noisy_average(value, alpha) == pytest.approx(exact, rel=1e-9)

    @pytest.mark.parametrize("alpha", SCALES)
    def test_the_exact_risk_of_a_layer_is_the_definition(self, alpha: float):
        z, weight = normals(2, 150)
        data = mixture_of_gaussians([0.4, 0.6], [[0.4], [-1.6]], [[[0.5]], [[1.2]]])
        expected = 0.0
        for share, m, c in zip(*data, strict=True):
            clean = m[0] + c[0, 0] ** 0.5 * z[:, 0]
            found = 1.1 * np.tanh(0.9 * alpha * (clean + SIGMA * z[:, 1]))
            expected += share * (weight @ (found - clean) ** 2)
        assert one_layer_risk(data, np.tanh, [1.1], [[0.9]], SIGMA, alpha) == pytest.approx(
            expected, rel=1e-10
        )

    @pytest.mark.parametrize("alpha", [0.5, 0.7, 1.4])
    def test_erratum_without_the_scale_it_is_another_number(self, alpha: float):
        exact = affine_risk(DATA, M, C, SIGMA, alpha)

        def printed(x: np.ndarray) -> np.ndarray:
            return sure(x, x @ M.T + C, np.full(len(x), M.trace()), SIGMA)

        assert abs(noisy_average(printed, alpha) - exact) > 0.1 * exact

    @pytest.mark.parametrize("alpha", SCALES)
    def test_the_least_risk_is_the_trace_of_the_jacobian(self, alpha: float):
        def trace(x: np.ndarray) -> np.ndarray:
            jacobian = IDEAL.jacobian(torch.tensor(x / alpha), SIGMA) / alpha  # of x_t
            return alpha * SIGMA**2 * jacobian.diagonal(dim1=1, dim2=2).sum(1).numpy()  # [P8]

        def risk(x: np.ndarray) -> np.ndarray:
            z = torch.tensor(x / alpha)
            divergence = IDEAL.jacobian(z, SIGMA).diagonal(dim1=1, dim2=2).sum(1).numpy() / alpha
            return sure(x, IDEAL(z, SIGMA).numpy(), divergence, SIGMA, alpha)

        assert noisy_average(trace, alpha) == pytest.approx(noisy_average(risk, alpha), rel=1e-6)


class TestEstimates:
    N = 40_000

    @pytest.mark.parametrize("method", ["hutchinson", "exact"])
    def test_the_risk_is_found_without_clean_events(self, method: str):
        _, noisy = draw(self.N, 0)
        found = estimate_risk(one_layer, noisy, SIGMA, method=method).risk
        exact = one_layer_risk(DATA, np.tanh, A, B, SIGMA)
        assert abs(found.value - exact) < 4.5 * found.standard_error
        assert found.standard_error < 0.02 * exact

    def test_it_says_how_uncertain_it_is(self):
        exact = one_layer_risk(DATA, np.tanh, A, B, SIGMA)
        few = [estimate_risk(one_layer, draw(400, seed)[1], SIGMA, seed=seed).risk for seed in range(60)]
        scores = np.array([(one.value - exact) / one.standard_error for one in few])
        assert abs(scores.mean()) < 0.5
        assert 0.75 < scores.std() < 1.3

    def test_the_ideal_denoiser_is_consistent_and_another_is_not(self):
        _, noisy = draw(self.N, 1)
        ideal, other = (estimate_risk(one, noisy, SIGMA).inconsistency for one in (IDEAL, one_layer))
        assert abs(ideal.value) < 4.5 * ideal.standard_error
        assert abs(other.value) > 20 * other.standard_error

    def test_risk_is_the_least_one_and_the_distance_from_the_ideal(self):
        _, noisy = draw(self.N, 2)
        least = estimate_risk(IDEAL, noisy, SIGMA).least_if_ideal
        excess = excess_risk(one_layer, IDEAL, noisy, SIGMA)
        exact = one_layer_risk(DATA, np.tanh, A, B, SIGMA)
        error = np.hypot(least.standard_error, excess.standard_error)
        assert abs(least.value + excess.value - exact) < 4.5 * error
        assert error < 0.02 * exact
        assert estimate_risk(one_layer, noisy, SIGMA).above(least.value).value == pytest.approx(
            excess.value, abs=0.05
        )

    def test_probes_have_their_own_error(self):
        _, noisy = draw(50, 3)
        at_random = estimate_risk(one_layer, noisy, SIGMA, n_probes=400)
        exact = estimate_risk(one_layer, noisy, SIGMA, method="exact")
        scores = (at_random.divergence - exact.divergence) / at_random.probe_error
        assert np.abs(scores).max() < 4.5
        assert (exact.probe_error == 0).all()
        assert "hutchinson, 400 applications" in at_random.way

    def test_one_event_has_no_standard_error(self):
        found = estimate_risk(one_layer, draw(1, 4)[1], SIGMA).risk
        assert np.isfinite(found.value)
        assert np.isnan(found.standard_error)

    def test_impossible_questions_are_refused(self):
        noisy = draw(5, 5)[1]
        with pytest.raises(ValueError, match="sigma must be finite and > 0, got 0"):
            estimate_risk(one_layer, noisy, 0.0)
        with pytest.raises(ValueError, match=r"divergence \(n,\), got"):
            sure(noisy, noisy, noisy, SIGMA)
        with pytest.raises(ValueError, match="orthonormal columns"):
            estimate_mode_risk(one_layer, noisy, SIGMA, torch.ones(2, 1))
        with pytest.raises(ValueError, match=r"shape \(2, k\) with k <= 2, got \(3, 2\)"):
            estimate_mode_risk(one_layer, noisy, SIGMA, torch.ones(3, 2))
        with pytest.raises(ValueError, match=r"shape \(2, k\) with k <= 2, got \(2,\)"):
            estimate_mode_risk(one_layer, noisy, SIGMA, torch.ones(2))
        levels: Any = torch.full((5,), SIGMA)
        with pytest.raises(ValueError, match=r"one number for all events, got shape \(5,\)"):
            estimate_risk(one_layer, noisy, levels)


class TestModes:
    def test_shares_add_up_to_the_risk(self):
        _, noisy = draw(300, 6)
        whole = estimate_risk(one_layer, noisy, SIGMA, method="exact")
        fixed = torch.linalg.qr(torch.tensor(RNG.standard_normal((2, 2))))[0]
        own = torch.linalg.eigh(IDEAL.jacobian(noisy, SIGMA))[1]
        for modes in (fixed, own):
            assert estimate_mode_risk(one_layer, noisy, SIGMA, modes).risk.sum() == pytest.approx(
                whole.risk.value
            )

    def test_shares_of_gaussian_modes(self):
        variances = np.array([4.0, 1.0, 0.05])
        gains = variances / (variances + SIGMA**2)
        noisy = torch.tensor(np.sqrt(variances + SIGMA**2) * RNG.standard_normal((40_000, 3)))
        found = estimate_mode_risk(lambda x, sigma: x * torch.tensor(gains), noisy, SIGMA, torch.eye(3))
        exact = SIGMA**2 * gains
        np.testing.assert_array_less(np.abs(found.risk - exact), 4.5 * found.standard_error)
        np.testing.assert_array_less(found.standard_error, 0.1 * exact)
        np.testing.assert_allclose(found.gain, gains)

    def test_of_a_linear_denoiser_they_are_as_printed(self):
        root = RNG.standard_normal((2, 2))
        matrix = root @ root.T / 4
        values, vectors = np.linalg.eigh(matrix)
        _, noisy = draw(200, 7)
        found = estimate_mode_risk(lambda x, s: x @ torch.tensor(matrix), noisy, SIGMA, torch.tensor(vectors))
        projections = (noisy.numpy() @ vectors) ** 2
        printed = (1 - values) ** 2 * projections.mean(0) + 2 * SIGMA**2 * values - SIGMA**2  # [P10]
        np.testing.assert_allclose(found.risk, printed, rtol=1e-9)


class TestLeastRiskOnPoints:
    @pytest.mark.parametrize("sigma", [0.2, 1.0, 7.0])
    def test_two_points_by_the_integral(self, sigma: float):
        def error(z: float) -> float:
            return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / np.cosh((1 + sigma * z) / sigma**2) ** 2

        exact, points = (
            quad(error, -9, 9, epsabs=0, epsrel=1e-11, limit=500, points=[-1 / sigma, 0])[0],
            [[-1.0], [1.0]],
        )
        # E tr Cov for a sign is E sech^2, by symmetry given x_0 = 1.
        assert least_risk_on_points(points, sigma).value == pytest.approx(exact, rel=1e-9)

    def test_noise_across_the_hull_does_not_matter(self):
        frame = np.linalg.qr(RNG.standard_normal((9, 2)))[0]
        points = RNG.standard_normal((4, 2))
        flat = least_risk_on_points(points, 0.7, [1, 2, 3, 4])
        raised = least_risk_on_points(points @ frame.T + 5, 0.7, [1, 2, 3, 4])
        assert raised.value == pytest.approx(flat.value, rel=1e-9)
        assert raised.method == "quadrature"

    @pytest.mark.parametrize("spread", [1.0, 40.0])
    def test_random_points_agree_with_the_rule(self, spread: float, monkeypatch: pytest.MonkeyPatch):
        """Near one another or in far apart pairs: over the whole hull, or around each point."""
        points = spread * np.array([[0.0, 0.0], [1.0, 2.0], [-2.0, 1.0]])
        points = np.concatenate([points, points + np.array([0.3, 0.4])])
        rule = least_risk_on_points(points, 0.5, [1, 1, 1, 1, 1, 2])
        monkeypatch.setattr(exact_risk, "_LARGEST", 0)
        random = least_risk_on_points(points, 0.5, [1, 1, 1, 1, 1, 2])
        assert random.method == "quasi Monte Carlo"
        assert rule.method == "quadrature"
        assert abs(random.value - rule.value) < 4.5 * random.standard_error
        assert random.standard_error < 1e-3 * rule.value

    def test_one_point_has_none(self):
        assert least_risk_on_points([[3.0, 1.0], [3.0, 1.0]], 0.1).value == 0.0

    def test_impossible_points_are_refused(self):
        with pytest.raises(ValueError, match="must have shapes"):
            least_risk_on_points([1.0, 2.0], 0.1)
        with pytest.raises(ValueError, match="sigma must be finite and > 0"):
            least_risk_on_points([[1.0]], 0.0)
        with pytest.raises(ValueError, match=r"the matrix must have shape \(2, 2\)"):
            affine_risk(DATA, np.eye(3), np.zeros(3), 1.0)


def test_the_risk_of_a_trained_network_is_its_error_on_held_out_events():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.SiLU(), torch.nn.Linear(32, 2)).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    clean, noisy = draw(512, 8)
    for _ in range(300):
        optimizer.zero_grad()
        (network(noisy) - clean).square().sum(1).mean().backward()
        optimizer.step()
    held_out, unseen = draw(20_000, 9)
    with torch.no_grad():
        true = mean((network(unseen) - held_out).square().sum(1).numpy())
    # Other noisy events than those with a known error: the two are independent.
    found = estimate_risk(lambda x, sigma: network(x), draw(20_000, 10)[1], SIGMA).risk
    assert abs(found.value - true.value) < 3 * np.hypot(found.standard_error, true.standard_error)
    assert found.standard_error < 0.03 * true.value
    on_training_noise = estimate_risk(lambda x, sigma: network(x), noisy, SIGMA).risk
    assert true.value > 0.3
    assert on_training_noise.standard_error > 3 * found.standard_error
