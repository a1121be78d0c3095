"""Which points and which noise a denoiser is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core import evaluation
from scorelens.data import Data
from scorelens.instruments import Probes


def _ramp(n: int) -> Data:
    return Data("ramp", np.arange(2.0 * n).reshape(n, 2), kind="vector")


def test_points_are_distinct_and_repeat_when_data_are_few():
    few, many = Probes.choose(_ramp(5), 17, 0, "a"), Probes.choose(_ramp(50), 17, 0, "a")
    assert (few.n_points, few.repeats, len(few)) == (5, 3, 15)
    assert (many.n_points, many.repeats, len(many)) == (17, 1, 17)
    assert len(set(many.indices)) == 17


@pytest.mark.parametrize("rows", [1024, 4])
def test_batches_hold_every_point_once_per_repeat_with_fresh_noise(monkeypatch, rows):
    monkeypatch.setattr(evaluation, "MAX_ROWS", rows)
    probes = Probes.choose(_ramp(5), 15, 0, "a")
    points, noise = (torch.cat(part) for part in zip(*probes.batches(2), strict=True))
    expected = probes.data[np.tile(probes.indices, 3)]
    assert np.array_equal(points.numpy(), expected)
    assert len(np.unique(noise.numpy())) == 30
    np.testing.assert_array_equal(probes.noise(2, slice(3, 9)), noise[3:9].double())


def test_noise_differs_between_levels_streams_and_seeds():
    draws = [
        Probes.choose(_ramp(5), 5, seed, stream).noise(level, slice(0, 5))[0, 0]
        for seed, stream, level in [(0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0)]
    ]
    assert len(set(draws)) == 4
