"""The bare network: shapes, start, gradients, what the embedding resolves."""

from __future__ import annotations

import pytest
import torch

from scorelens.networks.embedding import FourierEmbedding
from scorelens.networks.mlp_unet import MLPUNet, ResidualBlock


@pytest.mark.parametrize("event", [(2,), (1, 4, 4), (3, 2, 5)])
@pytest.mark.parametrize("depth", [1, 3])
def test_any_event_shape(event, depth):
    network = MLPUNet(event, width=6, depth=depth, embedding=4, zero_output=False)
    y = torch.randn(5, *event)
    assert network(y, torch.rand(5) + 0.1).shape == y.shape


def test_zero_output_is_silent_and_still_learns():
    network = MLPUNet((4,), width=8, embedding=4)
    out = network(torch.randn(3, 4), torch.ones(3))
    assert torch.equal(out, torch.zeros(3, 4))
    (out - 1).square().sum().backward()
    assert network.exit.weight.grad is not None
    assert network.exit.weight.grad.abs().sum() > 0


def test_zero_second_layers_make_blocks_their_shortcut():
    block = ResidualBlock(6, 6, 4, zero_second_layer=True)
    x = torch.randn(3, 6)
    assert torch.equal(block(x, torch.randn(3, 4)), x)
    moving = ResidualBlock(6, 6, 4, zero_second_layer=False)
    assert not torch.equal(moving(x, torch.randn(3, 4)), x)


def test_every_parameter_gets_a_gradient_and_sigma_matters():
    torch.manual_seed(0)
    options = {"zero_second_layers": False, "zero_output": False}
    network = MLPUNet((4,), width=8, depth=2, embedding=8, **options)
    y = torch.randn(16, 4)
    network(y, torch.rand(16) + 0.1).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    with torch.no_grad():
        assert not torch.allclose(network(y, torch.full((16,), 0.1)), network(y, torch.full((16,), 5.0)))


def test_amplitude_passes():
    """Without normalisation on the residual stream a larger input gives a proportionally larger output."""
    torch.manual_seed(0)
    network = MLPUNet((4,), width=16, depth=2, embedding=8, zero_output=False)
    y, sigma = torch.randn(8, 4), torch.ones(8)
    with torch.no_grad():
        bias = network(0 * y, sigma)
        torch.testing.assert_close(network(100 * y, sigma) - bias, 100 * (network(y, sigma) - bias))


def test_embedding_is_the_stated_function_of_sigma():
    embedding = FourierEmbedding(6)
    sigma = torch.tensor([0.002, 0.7, 80.0])
    phase = 2 * torch.pi * (sigma.log() / 4)[:, None] * embedding.frequencies
    torch.testing.assert_close(embedding(sigma), torch.cat([phase.cos(), phase.sin()], dim=1))
    grid = torch.logspace(-2.7, 1.9, 200)
    distance = (FourierEmbedding(32)(grid)[:, None] - FourierEmbedding(32)(grid)[None]).norm(dim=-1)
    assert (distance + 10 * torch.eye(200)).min() > 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding": 3}, "must be even"),
        ({"embedding": 0}, "n_features must be at least 2"),
        ({"width": 0}, "width must be at least 1"),
        ({"depth": 0}, "depth must be at least 1"),
    ],
)
def test_bad_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MLPUNet((4,), **options)
