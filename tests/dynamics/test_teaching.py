"""Which noise levels teach which mode."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson

from scorelens.dynamics import OneLayer, PreconditionedOneLayer, output_sensitivity, responsibility

EDM = PreconditionedOneLayer.edm()
LOW, HIGH = 0.002, 80.0


@pytest.mark.parametrize("law", [EDM, OneLayer(0.0)])
@pytest.mark.parametrize("time", [0.0, 3.0, 400.0])
def test_integrates_to_one(law, time):
    lam, u = np.array([5.0, 0.01]), np.linspace(np.log(LOW), np.log(HIGH), 4001)
    total = simpson(responsibility(law, lam, np.exp(u), time), x=u, axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=1e-7)


def test_is_the_share_of_the_missing_log_variance():
    # Correcting the gain at one noise level removes its share: [E16] x gain error / what is missing.
    lam, sigma, time, width = 0.05, 0.3, 2.0, 1e-3
    error = float(EDM.gain(lam, sigma**2, time) - EDM.limit_gain(lam, sigma**2))
    missing = EDM.log_generated_variance(lam, time, LOW, HIGH) - EDM.log_limit_variance(lam, LOW, HIGH)
    share = responsibility(EDM, np.array([lam]), np.array([sigma]), time)[0, 0]
    assert share * width == pytest.approx(2 * error * width / float(missing), rel=1e-9)


def test_symmetric_about_the_geometric_middle_before_training():
    lam, sigma_data = 0.01, 0.5
    middle = np.sqrt(sigma_data * np.sqrt(lam))
    factors = np.array([1.5, 4.0])
    above, below = (responsibility(EDM, np.array([lam]), middle * f, 0.0) for f in (factors, 1 / factors))
    np.testing.assert_allclose(above, below, rtol=1e-9)


def test_survives_where_everything_underflows():
    late = responsibility(EDM, np.array([10.0]), np.array([LOW, 1.0, 79.0]), 1e12)
    assert np.isfinite(late).all()
    assert np.all(late >= 0.0)
    assert late[1, 0] == 0.0


def test_nothing_missing_nothing_to_teach():
    law = PreconditionedOneLayer.spectral(np.array([2.0, 0.1]))
    assert np.all(responsibility(law, np.array([2.0, 0.1]), np.array([0.1, 1.0])) == 0.0)


def test_output_sensitivity_is_a_bump_around_sigma_data():
    u = np.linspace(-4, 3, 1401)
    bump = output_sensitivity(EDM, np.exp(2 * u))
    assert np.exp(u[bump.argmax()]) == pytest.approx(0.5, rel=5e-3)
    half = u[bump >= 0.5 * bump.max()]
    assert (half[-1] - half[0]) / 2 == pytest.approx(1.317, abs=5e-3)
