"""The linearised network against the dense equations that it never forms."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens import estimators
from scorelens.core.denoiser import Denoiser
from scorelens.core.filters import GradientFlow, Landweber, MinimumNorm, Ridge
from scorelens.core.noise_level import LogUniform
from scorelens.estimators.fields import TangentScore
from scorelens.estimators.fields.filtered_products import filtered_product

SIGMAS = (0.5, 1.5)


class Square(torch.autograd.Function):
    """An operation without a forward derivative."""

    @staticmethod
    def forward(x):  # pyright: ignore[reportIncompatibleMethodOverride]
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Mlp(torch.nn.Module):
    def __init__(self, dim=3, width=5, square=torch.square, seed=0) -> None:
        super().__init__()
        self.inner, self.outer = torch.nn.Linear(dim + 1, width), torch.nn.Linear(width, dim)
        self.square = square
        self.register_buffer("scale", torch.tensor(0.7))
        generator = torch.Generator().manual_seed(seed)
        for value in self.parameters():
            torch.nn.init.normal_(value, std=0.5, generator=generator)
        self.double()

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = sigma.log().reshape(-1, 1)
        hidden = torch.tanh(self.inner(torch.cat([x.flatten(1), level], 1)))
        return self.outer(hidden + self.scale * self.square(hidden)).reshape(x.shape)


class LinearInParameters(torch.nn.Module):
    """``W (x, sin x, log sigma)``, starting at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2, 5, dtype=torch.float64))

    @staticmethod
    def features(x, sigma):
        return torch.cat([x, x.sin(), sigma.log()[:, None]], 1)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.features(x, sigma) @ self.weight.T


def data(n=12, dim=3, seed=0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal((n, dim))) * 0.8 + 0.3


def dense(network, estimator, x):
    """Jacobian ``(n, d, p)`` on the estimator's own noised events, and what the network misses."""
    draws = estimator._draws(x, next(network.parameters()))
    names, values = zip(*network.named_parameters(), strict=True)

    def output(*parameters):
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(network, given, (draws.noised, draws.sigma))

    parts = torch.autograd.functional.jacobian(output, tuple(value.detach() for value in values))
    jacobian = torch.cat([part.flatten(2) for part in parts], 2)
    return jacobian, (draws.clean - network(draws.noised, draws.sigma)).detach(), draws


def shift(denoiser) -> Tensor:
    named = [denoiser.get_buffer(f"shift_{i}") for i in range(len(denoiser.facts["parameters"]))]
    return torch.cat([value.flatten() for value in named])


def close(got, expected, rtol):
    torch.testing.assert_close(got, expected, rtol=0, atol=rtol * float(expected.abs().max()))


@pytest.mark.parametrize("sigmas", [SIGMAS, LogUniform(0.2, 2.0)])
def test_ridge_is_that_of_the_dense_normal_equations(sigmas) -> None:
    network, x = Mlp(), data()
    estimator = TangentScore(
        network, sigmas, lambda s: 1 / s, Ridge(0.05), repeats=2, batch_size=7, tolerance=1e-11
    )
    jacobian, missing, draws = dense(network, estimator, x)
    n = len(missing)
    matrix = torch.einsum("nap,n,naq->pq", jacobian, 1 / draws.sigma, jacobian) / n
    right = torch.einsum("nap,n,na->p", jacobian, 1 / draws.sigma, missing) / n
    expected = torch.linalg.solve(matrix + 0.05 * torch.eye(len(right)).double(), right)
    denoiser = estimator.fit(x)
    close(shift(denoiser), expected, 1e-9)
    left = missing - jacobian @ expected
    assert denoiser.facts["final_loss"] == pytest.approx(
        float((left**2).sum(1) @ (1 / draws.sigma)) / n, rel=1e-9
    )
    assert denoiser.facts["start_loss"] == pytest.approx(
        float((missing**2).sum(1) @ (1 / draws.sigma)) / n, rel=1e-12
    )


def test_the_denoiser_is_the_network_plus_its_derivative() -> None:
    network, x = Mlp(), data()
    denoiser = TangentScore(network, SIGMAS, tolerance=1e-10).fit(x)
    delta, eps = shift(denoiser), 1e-4
    start = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    values = []
    for sign in (1, -1):
        torch.nn.utils.vector_to_parameters(start + sign * eps * delta, network.parameters())
        values.append(network(x, torch.full((len(x),), 0.8).double()).detach())
    torch.nn.utils.vector_to_parameters(start, network.parameters())
    slope = (values[0] - values[1]) / (2 * eps)
    expected = network(x, torch.full((len(x),), 0.8).double()).detach() + slope
    close(denoiser(x, 0.8), expected, 1e-6)
    assert float((slope**2).mean()) > 1e-3


def test_a_network_linear_in_its_parameters_gets_the_exact_ridge_solution() -> None:
    network, x = LinearInParameters(), data(20, 2)
    estimator = TangentScore(network, SIGMAS, solver=Ridge(0.1), repeats=3, tolerance=1e-12)
    denoiser, draws = estimator.fit(x), estimator._draws(x, network.weight)
    phi = network.features(draws.noised, draws.sigma)
    gram = phi.T @ phi / len(phi) + 0.1 * torch.eye(5).double()
    weight = torch.linalg.solve(gram, phi.T @ draws.clean / len(phi)).T
    new, sigma = data(4, 2, seed=3), torch.full((4,), 0.9).double()
    close(denoiser(new, sigma), network.features(new, sigma) @ weight.T, 1e-10)


@pytest.mark.parametrize("flow_time", [0.01, 1.0, 300.0])
def test_flow_time_is_the_filter_of_the_tangent_kernel(flow_time) -> None:
    network, x = Mlp(), data(6)
    estimator = TangentScore(network, SIGMAS, solver=GradientFlow(flow_time), tolerance=1e-12)
    jacobian, missing, _ = dense(network, estimator, x)
    rows, n = jacobian.flatten(0, 1), len(missing)
    values, vectors = torch.linalg.eigh(rows @ rows.T / n)
    decay = torch.exp(-flow_time * values.clamp_min(0))
    left = vectors @ (decay * (vectors.T @ missing.flatten()))  # what is not learned yet
    learned = rows @ shift(estimator.fit(x))
    close(learned, missing.flatten() - left, 1e-8)


def test_landweber_is_gradient_descent_of_the_network_itself() -> None:
    network, x, rate = LinearInParameters(), data(20, 2), 0.05
    estimator = TangentScore(network, SIGMAS, solver=Landweber(2 * rate, 25))
    denoiser, draws = estimator.fit(x), estimator._draws(x, network.weight)
    for _ in range(25):
        loss = (network(draws.noised, draws.sigma) - draws.clean).square().sum(1).mean()
        (gradient,) = torch.autograd.grad(loss, network.weight)
        with torch.no_grad():
            network.weight.sub_(rate * gradient)
    close(shift(denoiser), network.weight.detach().flatten(), 1e-12)


def test_without_forward_derivatives_two_reverse_passes_give_the_same() -> None:
    x = data()
    forward = TangentScore(Mlp(), SIGMAS, tolerance=1e-11).fit(x)
    reverse = TangentScore(Mlp(square=Square.apply), SIGMAS, tolerance=1e-11).fit(x)
    assert forward.forward_mode
    assert not reverse.forward_mode
    close(reverse(x, 0.8), forward(x, 0.8), 1e-9)
    gradient = [torch.autograd.functional.jvp(lambda e, f=f: f(e, 0.8), x, x)[1] for f in (forward, reverse)]
    close(gradient[1], gradient[0], 1e-9)


def test_frozen_parameters_stay_and_later_training_changes_nothing() -> None:
    network, x = Mlp(), data()
    network.inner.requires_grad_(False)
    denoiser = TangentScore(network, SIGMAS).fit(x)
    assert denoiser.facts["parameters"] == ["outer.weight", "outer.bias"]
    before = denoiser(x, 0.8)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1.0)
    assert torch.equal(denoiser(x, 0.8), before)
    assert not list(denoiser.parameters())
    assert not any(buffer.requires_grad for buffer in denoiser.buffers())


def test_it_is_a_denoiser_of_events_of_any_shape_and_precision() -> None:
    x = data(10, 4).reshape(10, 2, 2)
    denoiser = TangentScore(Mlp(4).float(), SIGMAS).fit(x)
    assert isinstance(denoiser, Denoiser)
    for dtype in (torch.float32, torch.float64):
        assert denoiser(x.to(dtype), 0.8).dtype == dtype
        assert denoiser.score(x.to(dtype), 0.8).shape == x.shape
    sigma = torch.linspace(0.5, 1.5, 10).double()
    alone = torch.cat([denoiser(x[i : i + 1], float(sigma[i])) for i in range(10)])
    torch.testing.assert_close(denoiser(x, sigma), alone, rtol=1e-5, atol=1e-5)
    double = TangentScore(Mlp(4), SIGMAS).fit(x)
    torch.testing.assert_close(denoiser(x, 0.8), double(x, 0.8), rtol=1e-3, atol=1e-3)
    way = torch.ones_like(x)
    slope = torch.autograd.functional.jvp(lambda e: double(e, 0.8), x, way)[1]
    difference = (double(x + 1e-5 * way, 0.8) - double(x - 1e-5 * way, 0.8)) / 2e-5
    torch.testing.assert_close(slope, difference, rtol=1e-6, atol=1e-7)
    with torch.no_grad():
        assert torch.equal(double(x, 0.8), double(x, 0.8).detach())


def test_transforms_of_torch_run_over_it() -> None:
    x, denoiser = data().double()[:4], TangentScore(Mlp(), SIGMAS).fit(data())
    expected = torch.autograd.functional.jvp(lambda e: denoiser(e, 0.5), x, x.flip(0))[1]
    torch.testing.assert_close(torch.func.jvp(lambda e: denoiser(e, 0.5), (x,), (x.flip(0),))[1], expected)
    rows = torch.func.vmap(torch.func.jacrev(lambda e: denoiser(e[None], 0.5)[0]))(x)
    torch.testing.assert_close((rows @ x.flip(0)[..., None])[..., 0], expected)


def test_the_seed_decides_the_noise() -> None:
    x = data()
    first, again, other = (TangentScore(Mlp(), SIGMAS, seed=seed).fit(x) for seed in (0, 0, 1))
    assert torch.equal(shift(first), shift(again))
    assert not torch.equal(shift(first), shift(other))


def test_more_flow_time_fits_better() -> None:
    fits = [TangentScore(Mlp(), SIGMAS, solver=GradientFlow(t)).fit(data()) for t in (0.1, 1.0, 10.0)]
    losses = [fits[0].facts["start_loss"], *(fit.facts["final_loss"] for fit in fits)]
    assert all(later < earlier for earlier, later in pairwise(losses))


def test_saved_and_loaded_with_the_network_it_is_the_same(tmp_path: Path) -> None:
    x, path = data(), tmp_path / "tangent.safetensors"
    denoiser = TangentScore(Mlp(), SIGMAS).fit(x)
    estimators.save(denoiser, path)
    loaded = estimators.load(path, network=Mlp(seed=5))
    assert torch.equal(loaded(x, 0.8), denoiser(x, 0.8))
    assert json.dumps(loaded.facts) == json.dumps(denoiser.facts)


def test_a_file_says_which_network_it_needs(tmp_path: Path) -> None:
    path, plain = tmp_path / "tangent.safetensors", tmp_path / "gaussian.safetensors"
    estimators.save(TangentScore(Mlp(), SIGMAS).fit(data()), path)
    with pytest.raises(ValueError, match=r"tangent\.safetensors was fitted around a network.*network="):
        estimators.load(path)
    with pytest.raises(ValueError, match=r"'inner.bias' has shape \(6,\), in the file \(5,\)"):
        estimators.load(path, network=Mlp(width=6))
    with pytest.raises(ValueError, match=r"'inner.bias' has shape none"):
        estimators.load(path, network=LinearInParameters())
    estimators.save(estimators.Gaussian().fit(data()), plain)
    with pytest.raises(ValueError, match="needs no network"):
        estimators.load(plain, network=Mlp())


class Wide(Mlp):
    def forward(self, x, sigma):
        return super().forward(x, sigma)[:, :1]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TangentScore(torch.nn.Identity()), ValueError, "no parameter"),
        (lambda: TangentScore(Mlp().bfloat16()), ValueError, "float32 or float64"),
        (lambda: TangentScore(Mlp(), (0.5, -1.0)), ValueError, "sigmas must be"),
        (lambda: TangentScore(Mlp(), ()), ValueError, "number of sigmas"),
        (lambda: TangentScore(Mlp(), solver=MinimumNorm()), TypeError, "take Ridge, GradientFlow"),
        (lambda: TangentScore(Mlp(), repeats=0), ValueError, "repeats"),
        (lambda: TangentScore(Mlp(), weight=lambda s: -s).fit(data()), ValueError, "weight must be"),
        (lambda: TangentScore(Wide(), SIGMAS).fit(data()), ValueError, "network must return the shape"),
        (lambda: TangentScore(Mlp(), SIGMAS).fit(data() * np.nan), ValueError, "non-finite"),
        (lambda: TangentScore(Mlp(), SIGMAS, n_most=2).fit(data()), ValueError, "did not reach"),
        (
            lambda: TangentScore(Mlp(), SIGMAS, solver=GradientFlow(1e4), n_most=3).fit(data()),
            ValueError,
            "did not settle",
        ),
        (
            lambda: TangentScore(Mlp(), SIGMAS, solver=Landweber(50.0, 100)).fit(data()),
            ValueError,
            "diverges",
        ),
    ],
)
def test_bad_settings_are_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_flow_time_of_a_start_that_needs_nothing_is_no_change() -> None:
    zero = torch.zeros(3).double()
    assert torch.equal(filtered_product(GradientFlow(2.0), lambda v: v, zero, 1e-9, 10), zero)
