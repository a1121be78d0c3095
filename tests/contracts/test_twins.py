"""What every trainable twin must do; registering one in `networks.twins.ALL` buys all of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from scorelens.core.sigma_grid import karras
from scorelens.networks import twins
from scorelens.networks.twins import (
    AsymmetricTwoLayerTwin,
    DeepLinearTwin,
    DeepResidualTwin,
    FlowOneLayerTwin,
    FlowTwoLayerTwin,
    FullConvolutionTwin,
    OneLayerTwin,
    PatchConvolutionTwin,
    ResidualOneLayerTwin,
    SymmetricTwoLayerTwin,
    ToeplitzConvolutionTwin,
    TwoLayerConvolutionTwin,
)
from scorelens.objectives import EXACT_LOSSES, exact_loss
from scorelens.sampling import sample

DIM, GRID = 6, (2, 3)
SIGMAS = np.array([2.0, 0.7, 0.1])
PATCH = np.array([[0, 0], [0, 1], [1, -1]])

RANDOM = {
    OneLayerTwin: [lambda g, **kw: OneLayerTwin.random(SIGMAS, DIM, g, **kw)],
    ResidualOneLayerTwin: [
        lambda g, **kw: ResidualOneLayerTwin.random(SIGMAS, DIM, g, skip=0.4, output=0.7, **kw)
    ],
    SymmetricTwoLayerTwin: [
        lambda g, **kw: SymmetricTwoLayerTwin.random(SIGMAS, DIM, g, **kw),
        lambda g, **kw: SymmetricTwoLayerTwin.random(SIGMAS, DIM, g, rank=2, **kw),
    ],
    AsymmetricTwoLayerTwin: [
        lambda g, **kw: AsymmetricTwoLayerTwin.random(SIGMAS, DIM, g, **kw),
        lambda g, **kw: AsymmetricTwoLayerTwin.random(SIGMAS, DIM, g, rank=9, **kw),
    ],
    DeepLinearTwin: [
        lambda g, **kw: DeepLinearTwin.random(SIGMAS, DIM, g, depth=4, **kw),
        lambda g, **kw: DeepLinearTwin.random(SIGMAS, DIM, g, depth=3, tied=True, **kw),
        lambda g, **kw: DeepLinearTwin.random(SIGMAS, DIM, g, depth=1, **kw),
    ],
    DeepResidualTwin: [
        lambda g, **kw: DeepResidualTwin.random(SIGMAS, DIM, g, depth=4, **kw),
        lambda g, **kw: DeepResidualTwin.random(SIGMAS, DIM, g, depth=3, tied=True, **kw),
    ],
    FullConvolutionTwin: [
        lambda g, **kw: FullConvolutionTwin.random(SIGMAS, GRID, g, **kw),
        lambda g, **kw: FullConvolutionTwin.random(SIGMAS, (DIM,), g, **kw),
    ],
    TwoLayerConvolutionTwin: [
        lambda g, **kw: TwoLayerConvolutionTwin.random(SIGMAS, GRID, g, **kw),
        lambda g, **kw: TwoLayerConvolutionTwin.random(SIGMAS, (DIM,), g, **kw),
    ],
    PatchConvolutionTwin: [
        lambda g, **kw: PatchConvolutionTwin.random(SIGMAS, GRID, PATCH, g, **kw),
        lambda g, **kw: PatchConvolutionTwin.random(SIGMAS, (DIM,), [-1, 0, 1], g, **kw),
    ],
    ToeplitzConvolutionTwin: [
        lambda g, **kw: ToeplitzConvolutionTwin.random(SIGMAS, DIM, [-2, 0, 1], g, **kw)
    ],
    FlowOneLayerTwin: [lambda g, **kw: FlowOneLayerTwin.random(SIGMAS, DIM, g, **kw)],
    FlowTwoLayerTwin: [lambda g, **kw: FlowTwoLayerTwin.random(SIGMAS, DIM, g, **kw)],
}
MAKERS = [maker for member in twins.ALL for maker in RANDOM[member]]
IDS = [f"{member.__name__}-{i}" for member in twins.ALL for i, _ in enumerate(RANDOM[member])]
every_twin = pytest.mark.parametrize("maker", MAKERS, ids=IDS)


def build(maker, seed: int = 0, **settings) -> twins.Twin:
    return maker(torch.Generator().manual_seed(seed), scale=0.4, **settings)


def some(n: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(n, DIM, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(dtype)


@every_twin
def test_facts_are_stated(maker):
    twin = build(maker)
    assert twin.law
    assert twin.reference
    assert twin.loss in {member.name for member in EXACT_LOSSES}


@every_twin
def test_matrix_and_bias_are_what_the_denoiser_does(maker):
    twin, x = build(maker), some(7)
    matrix, bias = twin.matrix(), twin.bias()
    assert matrix.shape == (3, DIM, DIM)
    assert bias.shape == (3, DIM)
    for level, sigma in enumerate(SIGMAS):
        expected = x @ matrix[level].T + bias[level]
        torch.testing.assert_close(twin(x, float(sigma)), expected, rtol=1e-12, atol=1e-13)


@every_twin
def test_levels_may_be_mixed_in_a_batch_and_events_have_any_shape(maker):
    twin, x = build(maker), some(5)
    sigma = torch.tensor(SIGMAS[[2, 0, 0, 1, 2]])
    one_by_one = torch.cat([twin(x[i : i + 1], float(sigma[i])) for i in range(5)])
    torch.testing.assert_close(twin(x, sigma), one_by_one)
    shaped = twin(x.reshape(5, 1, *GRID), sigma)
    assert shaped.shape == (5, 1, *GRID)
    torch.testing.assert_close(shaped.flatten(1), one_by_one)


@every_twin
def test_every_parameter_gets_the_gradient_of_its_own_level_only(maker):
    twin, loss = build(maker), exact_loss(build(maker).loss, np.diag(np.arange(1.0, 7.0)), np.ones(DIM))
    loss(*twin.trained_map(), twin.sigmas)[1].backward()
    for parameter in twin.parameters():
        assert parameter.grad is not None
        assert parameter.shape[0] == 3
        by_level = parameter.grad.flatten(1).abs().sum(1)
        assert by_level[1] > 0.0
        assert by_level[0] == by_level[2] == 0.0


@every_twin
def test_the_denoiser_is_differentiable_in_its_input(maker):
    twin, x = build(maker), some(1)
    jacobian = torch.autograd.functional.jacobian(lambda y: twin(y[None], 0.7)[0], x[0])
    torch.testing.assert_close(jacobian, twin.matrix()[1].detach(), rtol=1e-12, atol=1e-13)


@every_twin
def test_state_comes_back_from_a_file(maker):
    twin, other = build(maker), build(maker, seed=1)
    assert not torch.equal(twin.matrix(), other.matrix())
    other.load_state_dict(load(save(twin.state_dict())))
    assert torch.equal(twin.matrix(), other.matrix())
    assert torch.equal(twin.bias(), other.bias())


@every_twin
def test_single_precision_parameters_and_inputs(maker):
    twin, x = build(maker, dtype=torch.float32), some(4, torch.float32)
    assert {p.dtype for p in twin.parameters()} == {torch.float32}
    assert twin.matrix().dtype == torch.float32
    level = torch.tensor(SIGMAS[[1]], dtype=torch.float32).expand(4)
    exact = build(maker)
    for made in (twin(x, level), exact(x, level), build(maker).float()(x, 0.7)):
        assert made.dtype == torch.float32
        torch.testing.assert_close(made.double(), exact(x.double(), 0.7), rtol=1e-4, atol=1e-5)
    assert exact(x.double(), 0.7).dtype == twin(x.double(), 0.7).dtype == torch.float64


@every_twin
@pytest.mark.parametrize("sigma", [1.0, 0.1001, -0.7, float("nan")])
def test_an_unknown_level_is_refused_with_those_it_knows(maker, sigma):
    with pytest.raises(ValueError, match=r"levels 2, 0\.7, 0\.1, got sigma .*; build it with"):
        build(maker)(some(2), sigma)


@every_twin
def test_another_size_of_data_is_refused(maker):
    with pytest.raises(ValueError, match="6 coordinates"):
        build(maker)(torch.zeros(2, 5, dtype=torch.float64), 0.7)


@every_twin
def test_a_sampler_runs_on_its_grid(maker):
    made = sample(build(maker), some(3), SIGMAS)
    assert made.shape == (3, DIM)
    assert torch.isfinite(made).all()
    with pytest.raises(ValueError, match="grid"):
        sample(build(maker), some(3), karras(4, 0.1, 2.0))
