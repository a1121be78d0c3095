"""Twins whose start never learns, as their laws say."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.sigma_grid import karras
from scorelens.dynamics import (
    AsymmetricTwoLayer,
    DeepLinear,
    DeepResidual,
    FlowTwoLayer,
    GainLaw,
    SymmetricTwoLayer,
)
from scorelens.networks import twins
from scorelens.training import descend

SIGMAS = karras(6, 0.15, 1.2)


@pytest.mark.parametrize(
    ("law", "twin"),
    [
        (SymmetricTwoLayer(0.0), twins.SymmetricTwoLayerTwin.aligned(SIGMAS, np.eye(4), 0.0)),
        (AsymmetricTwoLayer(0.4, -0.4), twins.AsymmetricTwoLayerTwin.aligned(SIGMAS, np.eye(4), 0.4, -0.4)),
        (DeepLinear(3, 0.0), twins.DeepLinearTwin.aligned(SIGMAS, np.eye(4), depth=3, initial_gain=0.0)),
        (
            DeepLinear(3, -0.4, tied=True),
            twins.DeepLinearTwin.aligned(SIGMAS, np.eye(4), depth=3, initial_gain=-0.4, tied=True),
        ),
        (DeepResidual(3, -1.0), twins.DeepResidualTwin.aligned(SIGMAS, np.eye(4), initial_layer=-1.0)),
        (FlowTwoLayer(0.0), twins.FlowTwoLayerTwin.aligned(SIGMAS, np.eye(4), 0.0)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_stuck_start_stays_stuck(law: GainLaw, twin: twins.Twin) -> None:
    modes, noise, flow_time = np.array([2.0, 1.0, 0.5, 0.1]), SIGMAS[:, None] ** 2, 16.0
    assert np.all(law.stuck(modes, noise))
    record = descend(twin, np.diag(modes), learning_rate=0.02, n_steps=400)
    gains = np.diagonal(record.weights[0], axis1=-2, axis2=-1)
    np.testing.assert_allclose(gains, law.gain(modes, noise, flow_time), atol=2e-3)
    assert np.all(gains <= law.limit_gain(modes, noise) + 1e-15)


def test_a_tied_velocity_is_stuck_where_noise_has_to_be_contracted() -> None:
    law, modes, noise = FlowTwoLayer(0.5), np.array([2.0, 0.5]), SIGMAS[:, None] ** 2
    twin = twins.FlowTwoLayerTwin.aligned(SIGMAS, np.eye(2), 0.5)
    record = descend(twin, np.diag(modes), learning_rate=0.05, n_steps=1000)
    gains = np.diagonal(record.weights[0], axis1=-2, axis2=-1)
    stuck = law.stuck(modes, noise)
    np.testing.assert_array_equal(stuck, SIGMAS[:, None] > modes)
    np.testing.assert_allclose(gains, law.limit_gain(modes, noise), atol=1e-4)
    best = modes / (modes + noise)
    assert np.all(gains[stuck] > best[stuck] + 1e-3)
    np.testing.assert_allclose(gains[~stuck], best[~stuck], atol=1e-4)
