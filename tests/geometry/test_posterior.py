"""Posteriors of mixtures: covariance, components, walks and moments along a direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.denoiser import per_sample
from scorelens.core.jacobian import at_points
from scorelens.core.jacobian.derivative_choice import chosen_ways
from scorelens.estimators import MixtureDenoiser
from scorelens.geometry.moments import moments_along
from scorelens.geometry.posterior import posterior, posterior_covariance

RNG = np.random.default_rng(8)
D = 6
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = RNG.standard_normal((3, D))
ROOTS = RNG.standard_normal((3, D, D)) / 3
COVARIANCES = ROOTS @ ROOTS.transpose(0, 2, 1)
MIXTURE = MixtureDenoiser.of_covariances(WEIGHTS, MEANS, COVARIANCES)
X = torch.tensor(RNG.standard_normal((4, D)))
SIGMA = 0.8
STEPS = torch.tensor([-2.0, 0.0, 1.0])


def exact_moments(x: np.ndarray, v: np.ndarray, sigma: float) -> np.ndarray:
    """The first four cumulants of ``<v, x_0>`` given ``x``: the posterior is a mixture, by Bayes."""
    noised = COVARIANCES + sigma**2 * np.eye(D)
    log_share = np.log(WEIGHTS) - np.linalg.slogdet(noised)[1] / 2
    gain = COVARIANCES @ np.linalg.inv(noised)
    centred = x - MEANS
    log_share -= np.einsum("ki,kij,kj->k", centred, np.linalg.inv(noised), centred) / 2
    share = np.exp(log_share - log_share.max())
    share /= share.sum()
    means = (MEANS + np.einsum("kij,kj->ki", gain, centred)) @ v
    variances = np.einsum("i,kij,j->k", v, COVARIANCES - gain @ COVARIANCES, v)
    mean = share @ means
    apart = means - mean
    second = share @ (apart**2 + variances)
    third = share @ (apart**3 + 3 * apart * variances)
    fourth = share @ (apart**4 + 6 * apart**2 * variances + 3 * variances**2)
    return np.array([mean, second, third, fourth - 3 * second**2])


class TestMoments:
    @pytest.mark.parametrize("way", ["derivatives", "differences"])
    @pytest.mark.parametrize("sigma", [0.3, 0.8, 2.0])
    def test_they_are_those_of_the_posterior_by_bayes(self, way: str, sigma: float):
        v = MEANS[0] - MEANS[1]
        found = moments_along(MIXTURE, X, sigma, torch.tensor(v), way=way)
        got = torch.stack([found.mean, found.variance, found.third, found.fourth], 1).numpy()
        exact = np.array([exact_moments(x, v / np.linalg.norm(v), sigma) for x in X.numpy()])
        scale = exact[:, 1:2] ** (np.arange(1, 5) / 2)
        tolerance = 1e-9 if way == "derivatives" else 2e-4
        np.testing.assert_array_less(np.abs(got - exact), tolerance * scale + found.errors.numpy().max())
        assert (found.errors.numpy() < (1e-12 if way == "derivatives" else 0.02) * scale[:, 1:]).all()
        assert np.abs(exact[:, 2:] / scale[:, 2:]).max() > 0.01

    def test_half_way_between_two_points(self):
        found = moments_along(
            lambda x, s: torch.tanh(x / per_sample(s, x)[:, None] ** 2),
            torch.tensor([[0.0], [0.3]], dtype=torch.float64),
            0.5,
            torch.ones(1),
        )
        m = np.tanh(np.array([0.0, 0.3]) / 0.25)
        np.testing.assert_allclose(found.variance, 1 - m**2, rtol=1e-12)
        np.testing.assert_allclose(found.third, -2 * m * (1 - m**2), rtol=1e-12)
        np.testing.assert_allclose(found.fourth, (1 - m**2) * (6 * m**2 - 2), rtol=1e-12)

    def test_a_network_linear_in_pieces_is_seen_by_differences(self):
        def pieces(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
            knots = torch.linspace(-3, 3, 61, dtype=x.dtype)  # interpolates 3 tanh(x)
            return 3 * torch.tanh(knots[0]) + torch.relu(x - knots[:-1]) @ jumps

        knots = torch.linspace(-3, 3, 61).double()
        jumps = torch.diff(torch.diff(3 * torch.tanh(knots)) / 0.1, prepend=torch.zeros(1))[:, None]
        found = moments_along(pieces, torch.tensor([[0.53]]).double(), 1.0, torch.ones(1), step=0.5)
        assert "linear in pieces" in found.way
        t = np.tanh(0.53)
        assert found.third.item() == pytest.approx(-6 * t * (1 - t**2), rel=0.2)
        assert found.errors[0, 1] > 0

    def test_where_derivatives_fail_differences_do_not(self):
        class Opaque(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x**3

        v = torch.ones(1)
        found = moments_along(lambda x, s: Opaque.apply(x), torch.ones(1, 1), 0.1, v)  # pyright: ignore
        assert "derivatives fail" in found.way
        assert found.third.item() == pytest.approx(0.1**4 * 6, rel=1e-4)
        with pytest.raises(ValueError, match="take way='differences'"):
            moments_along(lambda x, s: Opaque.apply(x), torch.ones(1, 1), 0.1, v, way="derivatives")  # pyright: ignore

    def test_impossible_directions_are_refused(self):
        with pytest.raises(ValueError, match="length of a direction must be finite and > 0"):
            moments_along(MIXTURE, X, SIGMA, torch.zeros(D))
        with pytest.raises(ValueError, match=r"shape of one event, \(6,\)"):
            moments_along(MIXTURE, X, SIGMA, torch.ones(D + 1))
        with pytest.raises(ValueError, match="sigma must be finite and > 0"):
            moments_along(MIXTURE, X, 0.0, torch.ones(D))


class TestCovariance:
    def test_it_is_that_of_the_mixture(self):
        found = posterior_covariance(MIXTURE, X, SIGMA)
        torch.testing.assert_close(
            found.covariance, MIXTURE.posterior_covariance(X, SIGMA), rtol=1e-10, atol=1e-12
        )
        torch.testing.assert_close(found.mean, MIXTURE(X, SIGMA))
        assert float(found.asymmetry.max()) < 1e-12

    def test_asymmetry_is_left_out_and_said(self):
        turn = torch.tensor([[0.5, 0.2], [0.0, 0.5]]).double()
        found = posterior_covariance(lambda x, s: x @ turn.T, torch.ones(1, 2).double(), 2.0)
        expected = 4 * torch.tensor([[[0.5, 0.1], [0.1, 0.5]]]).double()
        torch.testing.assert_close(found.covariance, expected)
        assert found.asymmetry.item() == pytest.approx(np.sqrt(0.08) / np.sqrt(0.54))


class TestComponents:
    @pytest.mark.parametrize("method", ["exact", "krylov"])
    def test_variances_are_those_of_the_mixture_within_their_errors(self, method: str):
        found = posterior(MIXTURE, X, SIGMA, 3, method=method)
        values, vectors = torch.linalg.eigh(MIXTURE.posterior_covariance(X, SIGMA))
        exact = values.flip(1)[:, :3]
        assert bool(((found.variances - exact).abs() <= found.errors + 1e-12).all())
        assert float((found.errors / exact).max()) < 2e-3
        cosines = torch.einsum("bkd,bdk->bk", found.components, vectors.flip(2)[..., :3]).abs()
        torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=0, atol=1e-3)
        torch.testing.assert_close(found.total_variance, values.sum(1), rtol=1e-10, atol=0)
        assert found.status == ("converged",) * 4

    def test_walks_move_by_deviations(self):
        found = posterior(MIXTURE, X, SIGMA, 2)
        straight = found.walk(1, STEPS)
        moved = (straight - found.mean[:, None]).norm(dim=2)
        torch.testing.assert_close(moved, found.deviations[:, 1:2] * STEPS.abs())
        short = 1e-3 * STEPS.double()
        curved = found.denoised_walk(MIXTURE, 1, short)
        torch.testing.assert_close(curved, found.walk(1, short), rtol=0, atol=1e-5)
        assert float((found.denoised_walk(MIXTURE, 1, STEPS) - straight).abs().max()) > 1e-3

    def test_samples_have_the_mean_and_the_variances(self):
        found = posterior(MIXTURE, X[:1], SIGMA, D)
        drawn = found.sample(40_000)[0]
        exact = MIXTURE.posterior_covariance(X[:1], SIGMA)[0]
        deviation = exact.diagonal().sqrt()
        assert bool(((drawn.mean(0) - found.mean[0]).abs() < 4.5 * deviation / 200).all())
        error = (torch.outer(deviation, deviation) ** 2 + exact**2).sqrt() / 200
        assert bool(((torch.cov(drawn.T) - exact).abs() < 4.5 * error).all())

    def test_derivatives_are_tried_once(self, monkeypatch: pytest.MonkeyPatch):
        tried = []

        def counted(*arguments):
            tried.append(1)
            return chosen_ways(*arguments)

        monkeypatch.setattr(at_points, "chosen_ways", counted)
        found = posterior(MIXTURE, X, SIGMA, 2, n_trace=4)
        assert len(tried) == 1
        exact = posterior(MIXTURE, X, SIGMA, D)
        assert (found.total_variance - exact.total_variance).abs().max() < 5 * found.total_error.max()

    def test_ranks_need_all_components(self):
        sheet = MixtureDenoiser.of_subspaces([1.0], [np.eye(D)[:, :2]], [np.ones(2)])
        ranks = posterior(sheet, X, 0.1, D).ranks()
        np.testing.assert_allclose(ranks.entropy, 2.0, rtol=1e-6)
        np.testing.assert_allclose(ranks.trace, 2 / 1.01, rtol=1e-6)
        with pytest.raises(ValueError, match="all 6 components, got 2; take n_components=6"):
            posterior(sheet, X, 0.1, 2).ranks()

    def test_events_of_any_shape_and_levels_of_their_own(self):
        square = MixtureDenoiser.of_covariances(WEIGHTS, MEANS, COVARIANCES, event_shape=(2, 3))
        sigma = torch.tensor([0.3, 0.5, 0.8, 2.0]).double()
        found = posterior(square, X.reshape(4, 2, 3), sigma, 2)
        assert found.mean.shape == (4, 2, 3)
        assert found.components.shape == (4, 2, 2, 3)
        assert found.denoised_walk(square, 0, STEPS).shape == found.walk(0, STEPS).shape == (4, 3, 2, 3)
        assert found.sample(5).shape == (4, 5, 2, 3)
        values = torch.linalg.eigvalsh(MIXTURE.posterior_covariance(X, sigma)).flip(1)[:, :2]
        torch.testing.assert_close(found.variances, values, rtol=1e-8, atol=0)

    def test_a_negative_variance_is_said(self):
        found = posterior(lambda x, s: -x, torch.ones(1, 2).double(), 1.0, 2)
        assert "2 negative variances" in found.status[0]
        assert bool((found.deviations == 0).all())
        with pytest.raises(ValueError, match="component 0 has no variance"):
            found.denoised_walk(lambda x, s: -x, 0, STEPS)

    def test_unknown_components_and_counts_are_refused(self):
        found = posterior(lambda x, s: x / 2, torch.ones(1, 2), 1.0, 1)
        for component in (1, -1):
            with pytest.raises(ValueError, match=f"component must be .*, got {component}"):
                found.walk(component, STEPS)
            with pytest.raises(ValueError, match=f"component must be .*, got {component}"):
                found.denoised_walk(lambda x, s: x / 2, component, STEPS)
        with pytest.raises(ValueError, match="n must be at least 1, got -1"):
            found.sample(-1)

    def test_a_single_precision_module_keeps_its_numbers(self):
        network = torch.nn.Linear(D, D)

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = network

            def forward(self, x, sigma):
                return torch.tanh(self.layer(x))

        model = Model()
        found = posterior(model, X.float(), SIGMA, 1)
        assert found.denoised_walk(model, 0, STEPS).dtype == torch.float64
        assert moments_along(model, X.float(), SIGMA, torch.ones(D)).third.dtype == torch.float64
        assert network.weight.dtype == torch.float32


class CastsItsInput(torch.nn.Module):
    """Half precision inside, whatever comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.gains = torch.nn.Parameter(torch.tensor([0.75, 0.5, 0.25], dtype=torch.float16))

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x.half(), self.gains.diag()).to(x.dtype)


def test_a_half_precision_module_that_casts_its_input_can_be_walked_along():
    network, x = CastsItsInput(), torch.ones(1, 3)
    walk = posterior(network, x, 2.0, 2).denoised_walk(network, 0, torch.tensor([-1.0, 1.0]))
    # The deviation along the first axis is sqrt(4 * 0.75): the mean moves by as much.
    np.testing.assert_allclose(walk[0, :, 0].detach(), 0.75 + 3**0.5 * np.array([-1, 1]), rtol=5e-3)
    moments = moments_along(network, x, 2.0, torch.tensor([[1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(moments.variance.detach(), [3.0], rtol=5e-2)
