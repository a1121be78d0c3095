"""Plain gradient descent on exact moments: every step as (2.4) has it, recorded where asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.networks.twins import OneLayerTwin
from scorelens.training import descend

SIGMAS, MODES = [0.4, 1.0], np.array([2.0, 0.5])


def twin() -> OneLayerTwin:
    return OneLayerTwin.aligned(SIGMAS, np.eye(2), initial_gain=0.3)


def test_one_layer_shrinks_its_error_by_the_discrete_factor() -> None:
    record = descend(twin(), np.diag(MODES), learning_rate=0.05, n_steps=30, record=[30, 0, 7])
    assert record.steps.tolist() == [0, 7, 30]
    np.testing.assert_allclose(record.flow_times, [0.0, 0.7, 3.0])
    total = MODES + np.square(SIGMAS)[:, None]
    optimum = MODES / total
    factor = (1.0 - 0.1 * total) ** record.steps[:, None, None]  # learning dynamics (2.4)
    gains = np.diagonal(record.weights, axis1=-2, axis2=-1)
    np.testing.assert_allclose(gains, optimum + (0.3 - optimum) * factor, rtol=1e-13)
    left = np.square((0.3 - optimum) * factor) * total
    least = np.square(SIGMAS)[:, None] * optimum
    np.testing.assert_allclose(record.losses, (left + least).sum(-1), rtol=1e-13)


def test_the_twin_ends_where_the_record_ends_and_can_go_on() -> None:
    whole, halves = twin(), twin()
    end = descend(whole, np.diag(MODES), [1.0, -1.0], learning_rate=0.02, n_steps=20)
    for _ in range(2):
        descend(halves, np.diag(MODES), [1.0, -1.0], learning_rate=0.02, n_steps=10)
    assert torch.equal(whole.matrix(), halves.matrix())
    assert torch.equal(whole.bias(), halves.bias())
    np.testing.assert_array_equal(end.weights[-1], whole.matrix().detach().numpy())
    np.testing.assert_array_equal(end.biases[-1], whole.bias().detach().numpy())
    assert np.any(end.biases != 0.0)


def test_bad_arguments_are_refused() -> None:
    for wrong, match in (
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"n_steps": -1}, "n_steps"),
        ({"record": [11]}, "from 0 to 10, got"),
        ({"record": []}, "from 0 to 10, got"),
    ):
        with pytest.raises(ValueError, match=match):
            descend(twin(), np.diag(MODES), **{"learning_rate": 0.1, "n_steps": 10, **wrong})


def test_divergence_is_named_with_its_remedy() -> None:
    with pytest.raises(ValueError, match=r"diverged within 400 steps.*below 1\.5"):
        descend(twin(), np.diag(MODES), learning_rate=1.5, n_steps=400)
