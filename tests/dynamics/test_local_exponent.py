"""The local exponent against differences of emergence times."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.dynamics import OneLayer, PixelWeight, PreconditionedOneLayer, emergence_time, local_exponent

LAWS = [
    PreconditionedOneLayer.edm(),
    PreconditionedOneLayer.edm(noise=LogUniform(0.002, 80.0), loss=PixelWeight(0.2)),
    PreconditionedOneLayer.edm(0.7, LogNormal(-0.5, 1.7), initial_weight=0.1),
    OneLayer(0.1),
]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("criterion", ["harmonic", "geometric", "arithmetic", "band"])
@pytest.mark.parametrize("target", ["data", "asymptote"])
def test_five_point_difference(law, criterion, target):
    lam, step = np.array([12.0, 3.0, 0.01]), 2e-3
    found = local_exponent(law, lam, criterion=criterion, target=target)

    def log_time(shift):
        return np.log(emergence_time(law, lam * np.exp(shift), criterion=criterion, target=target).flow_time)

    near, far = log_time(step) - log_time(-step), log_time(2 * step) - log_time(-2 * step)
    expected = (8 * near - far) / (12 * step)
    used = found.emergence.emerged
    assert used.any()
    np.testing.assert_allclose(found.exponent[used], expected[used], rtol=1e-6, atol=1e-7)


def test_stated_local_exponents():
    # Preconditioned law, accuracy of [E14]: exact values.
    lam = np.array([1e-4, 1e-3, 0.01, 2.0, 10.0, 100.0, 1000.0])
    stated = [-0.738, -0.604, -0.455, -0.427, -0.302, -0.165, -0.057]
    found = local_exponent(PreconditionedOneLayer.edm(), lam, criterion="geometric").exponent
    np.testing.assert_allclose(found, stated, atol=6e-4)


def test_a_mode_without_an_emergence_time_has_a_status():
    found = local_exponent(PreconditionedOneLayer.edm(), np.array([0.0, 4.0]))
    assert np.isnan(found.exponent).tolist() == [True, False]
    assert found.emergence.status.tolist() == ["unreachable", "emerged"]
