"""Batches have no hidden state and do not depend on the number of processes or on where the data lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.training import batches
from scorelens.training.batches import Batches, derived_seed

CPU = torch.device("cpu")


def test_a_step_always_meets_the_same_batch(data):
    one, other = Batches(data, 8, 3, CPU), Batches(data, 8, 3, CPU)
    one.at(0)
    torch.rand(3)
    for a, b in zip(one.at(5), other.at(5), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.at(5).noise_draw, one.at(6).noise_draw)
    assert not torch.equal(one.at(5).noise_draw, Batches(data, 8, 4, CPU).at(5).noise_draw)


@pytest.mark.parametrize("n_processes", [2, 3])
def test_processes_share_one_batch(data, n_processes):
    whole = Batches(data, 8, 3, CPU).at(2)
    parts = [Batches(data, 8, 3, CPU, process=i, n_processes=n_processes).at(2) for i in range(n_processes)]
    for field, expected in zip(zip(*parts, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(field), expected)


def test_data_that_do_not_fit_are_read_by_index(data, monkeypatch):
    resident = Batches(data, 8, 3, CPU).at(1)
    monkeypatch.setattr(batches, "RESIDENT_BYTES", 0)
    streamed = Batches(data, 8, 3, CPU).at(1)
    assert torch.equal(resident.x0, streamed.x0)


def test_samples_and_noise_are_drawn_evenly(data):
    stream = Batches(data, 32, 0, CPU)
    drawn = [stream.at(step) for step in range(200)]
    values = data.values[:, 0, 0, 0]
    rows = [int(np.argmin(np.abs(values - v))) for b in drawn for v in b.x0[:, 0, 0, 0].numpy()]
    counts = np.bincount(rows, minlength=32)
    assert np.all(np.abs(counts - 200) < 5 * 200**0.5)
    noise = torch.cat([b.noise_draw for b in drawn]).flatten()
    assert abs(float(noise.mean())) < 4.5 / len(noise) ** 0.5
    assert abs(float(noise.square().mean()) - 1) < 4.5 * (2 / len(noise)) ** 0.5


def test_seeds_of_purposes_and_steps_differ():
    seeds = {derived_seed(s, p, t) for s in range(5) for p in ("batch", "network") for t in range(50)}
    assert len(seeds) == 500


def test_fewer_samples_than_processes_are_refused(data):
    with pytest.raises(ValueError, match="batch_size 2 is below the number of processes, 3"):
        Batches(data, 2, 0, CPU, n_processes=3)
