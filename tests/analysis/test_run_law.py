"""The law of a configuration: its speed, written out by hand from the preconditioner and the loss weight."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.analysis.run_law import assumed_covariance, law_of
from scorelens.core.spectrum import Spectrum
from scorelens.results import RunConfig
from scorelens.results.config import PreconditioningConfig, TrainingConfig

EIGENVALUES, DIM = np.array([4.0, 1.0, 0.1]), 5
SPECTRUM = Spectrum(np.zeros(DIM), EIGENVALUES, np.eye(DIM)[:, :3], 100, 5.5, (DIM,))
REST = 0.2
SIGMA = np.array([[0.05], [0.3], [2.0]])
NOISE = SIGMA**2
DENSITY = np.exp(-0.5 * ((np.log(SIGMA) + 1.2) / 1.2) ** 2) / (1.2 * np.sqrt(2 * np.pi))


def _law(loss: str, name: str, **chosen):
    config = RunConfig(
        preconditioning=PreconditioningConfig(name=name, **chosen),  # pyright: ignore[reportArgumentType]
        training=TrainingConfig(loss=loss),  # pyright: ignore[reportArgumentType]
    )
    return law_of(SPECTRUM, config, assumed_covariance(SPECTRUM, config))


@pytest.mark.parametrize("loss", ["pixel", "target"])
def test_edm(loss):
    law, g = _law(loss, "edm"), 5.5 / DIM
    np.testing.assert_allclose(law.speed(EIGENVALUES, NOISE), DENSITY * (EIGENVALUES + NOISE) / (g + NOISE))
    np.testing.assert_allclose(law.start_gain(EIGENVALUES, NOISE), np.broadcast_to(g / (g + NOISE), (3, 3)))


def test_edm_with_a_given_scale():
    g = _law("pixel", "edm", sigma_data=0.5).start_gain(EIGENVALUES, 0.25)
    np.testing.assert_allclose(g, 0.5)


def test_spectral_in_target_space_learns_all_modes_alike():
    np.testing.assert_allclose(_law("target", "spectral").speed(EIGENVALUES, NOISE), np.tile(DENSITY, 3))


@pytest.mark.parametrize("given", [None, 0.5])
def test_spectral_with_the_pixel_loss(given):
    """[E24] at assumed = true variance, sigma_data from the covariance unless given."""
    speed = _law("pixel", "spectral", sigma_data=given).speed(EIGENVALUES, NOISE)
    s2 = 5.5 / DIM if given is None else given**2
    np.testing.assert_allclose(speed, DENSITY * EIGENVALUES * (NOISE + s2) / (s2 * (EIGENVALUES + NOISE)))


def test_spectral_skip_averages_its_scalars_over_all_directions():
    """[E32]: the modes outside the spectrum count with their mean variance."""
    speed = _law("pixel", "spectral-skip").speed(EIGENVALUES, NOISE)
    every = np.array([*EIGENVALUES, REST, REST])
    output = (NOISE * every / (every + NOISE)).mean(axis=1, keepdims=True)
    weight = 1 / every.mean() + 1 / NOISE
    np.testing.assert_allclose(
        speed, DENSITY * weight * output / (every.mean() + NOISE) * (EIGENVALUES + NOISE)
    )


def test_a_rank_gives_the_other_modes_one_variance():
    gain = _law("pixel", "spectral", rank=1).start_gain(EIGENVALUES, 1.0)
    rest = (1.0 + 0.1 + 2 * REST) / 4
    np.testing.assert_allclose(gain, [4 / 5, rest / (1 + rest), rest / (1 + rest)])


def test_a_floor_is_kept():
    gain = _law("pixel", "spectral", floor=0.5).start_gain(EIGENVALUES, 1.0)
    np.testing.assert_allclose(gain, [4 / 5, 1 / 2, 0.5 / 1.5])
