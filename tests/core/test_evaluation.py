"""Batches, streams of random numbers, and leaving a denoiser as it was found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scorelens.core import evaluation
from scorelens.core.evaluation import device_of, generator, normal_batches, stream_seed, undisturbed


def test_modes_are_put_back_after_an_error():
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    network[1].eval()

    def fails():
        with undisturbed(network):
            assert not network.training
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fails()
    assert (network.training, network[0].training, network[1].training) == (True, True, False)
    assert torch.is_grad_enabled()


def test_device_is_that_of_parameters_then_buffers_then_the_cpu():
    meta = nn.Linear(2, 2, device="meta")
    buffered = nn.Module()
    buffered.register_buffer("scale", torch.ones(1, device="meta"))
    assert device_of(meta).type == "meta"
    assert device_of(buffered).type == "meta"
    assert device_of(lambda x, sigma: x).type == "cpu"


def test_streams_differ_by_every_part_of_their_name():
    seeds = {
        stream_seed(*parts) for parts in [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (0, "a", 2), (0, 1)]
    }
    assert len(seeds) == 7


def test_normal_batches_do_not_depend_on_how_many_are_asked_for(monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_ROWS", 4)
    few, many = (torch.cat(list(normal_batches(n, (3,), generator(5)))) for n in (6, 11))
    assert (len(few), len(many)) == (6, 11)
    assert torch.equal(few, many[:6])
    assert len(np.unique(many.numpy())) == 33


def test_normal_batches_are_standard_normal():
    draws = torch.cat(list(normal_batches(5000, (4,), generator(1)))).double().numpy()
    assert abs(draws.mean()) < 4.5 / np.sqrt(draws.size)
    assert abs(draws.var() - 1) < 4.5 * np.sqrt(2 / draws.size)
