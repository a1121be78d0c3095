"""The map from optimizer steps to dose."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.sigma_grid import karras
from scorelens.dynamics import ExactSampler, HeunSampler, PreconditionedOneLayer, fit_dose

LAM = np.geomspace(30.0, 2e-3, 24)
STEPS = np.concatenate([[0], np.geomspace(1, 3000, 18)])
LAW = PreconditionedOneLayer.edm()
SCALE, EXPONENT = -4.0, 1.1


def _measured(rng, sampler, n_samples=2000, scatter=0.0):
    log_dose = SCALE + EXPONENT * np.log(np.maximum(STEPS, 1e-9)) + 0 * STEPS
    own = np.exp(log_dose[:, None] + scatter * rng.standard_normal(LAM.size))
    own[0] = 0.0
    logs = sampler.log_variance(LAW, LAM, own)
    return np.exp(logs + np.sqrt(2 / n_samples) * rng.standard_normal(logs.shape))


@pytest.mark.parametrize("sampler", [ExactSampler(), HeunSampler(karras(40, 0.002, 80.0))])
def test_finds_the_dose(sampler):
    clean = _measured(np.random.default_rng(0), sampler, n_samples=10**12)
    found = fit_dose(STEPS, clean, LAW, LAM, sampler=sampler)
    assert found.log_scale == pytest.approx(SCALE, abs=2e-4)
    assert found.exponent == pytest.approx(EXPONENT, abs=5e-5)
    np.testing.assert_allclose(found.dose(STEPS[1:]), np.exp(SCALE) * STEPS[1:] ** EXPONENT, rtol=1e-3)
    assert found.dose(0.0) == 0.0
    np.testing.assert_allclose(found.step(found.dose(STEPS)), STEPS, rtol=1e-12)


def test_stated_errors_are_those_of_repeated_runs():
    rng, estimates, stated, together = np.random.default_rng(1), [], [], []
    for _ in range(30):
        found = fit_dose(STEPS, _measured(rng, ExactSampler(), scatter=0.2), LAW, LAM)
        estimates.append([found.log_scale, found.exponent])
        stated.append(np.sqrt(np.diag(found.covariance)))
        together.append(found.covariance[0, 1])
    spread = np.std(estimates, axis=0)
    error = spread / np.sqrt(30)
    assert np.all(np.abs(np.mean(estimates, axis=0) - [SCALE, EXPONENT]) < 4.5 * error)
    np.testing.assert_allclose(np.mean(stated, axis=0), spread, rtol=0.4)
    # A larger exponent goes with a smaller scale: they trade at the middle step.
    assert np.mean(together) == pytest.approx(np.cov(np.transpose(estimates))[0, 1], rel=0.6)
    assert np.mean(together) < 0.0


def test_modes_that_are_still_moving_are_enough():
    rng = np.random.default_rng(2)
    early = STEPS <= 100
    found = fit_dose(STEPS[early], _measured(rng, ExactSampler())[early], LAW, LAM)
    assert found.log_scale == pytest.approx(SCALE, abs=0.15)


def test_exponent_can_be_kept_at_one():
    measured = _measured(np.random.default_rng(0), ExactSampler())
    found = fit_dose(STEPS, measured, LAW, LAM, fit_exponent=False)
    assert found.exponent == 1.0
    assert found.covariance[1, 1] == 0.0
    assert found.residual_sd > fit_dose(STEPS, measured, LAW, LAM).residual_sd


def test_bad_input_is_refused():
    measured = _measured(np.random.default_rng(0), ExactSampler())
    with pytest.raises(ValueError, match="trajectory must have shape"):
        fit_dose(STEPS, measured[:3], LAW, LAM)
    with pytest.raises(ValueError, match="steps after step 0"):
        fit_dose(STEPS[:2], measured[:2], LAW, LAM)
    with pytest.raises(ValueError, match="does not move"):
        fit_dose(STEPS, measured, PreconditionedOneLayer.spectral(LAM), LAM)
