"""From a run's configuration to noise levels and scales."""

from __future__ import annotations

import numpy as np

from scorelens.core.spectrum import Spectrum
from scorelens.data import Data
from scorelens.instruments import SampleGrid, settings
from scorelens.results.config import PreconditioningConfig, RunConfig, SamplerConfig

SPECTRUM = Spectrum(np.zeros(3), np.array([3.0, 1.0]), np.eye(3)[:, :2], 10, 4.5, (3,))


def test_noise_levels_span_the_samplers_range():
    config = RunConfig(sampler=SamplerConfig(sigma_min=0.01, sigma_max=9))
    levels = settings.measured_sigmas(config)
    assert levels[[0, -1]].tolist() == [0.01, 9.0]
    np.testing.assert_allclose(np.diff(np.log(levels)), np.log(900) / 23)


def test_sigma_data_is_measured_unless_given():
    assert settings.sigma_data(SPECTRUM, RunConfig()) == np.sqrt(1.5)
    flat = Spectrum(np.zeros(2), np.zeros(2), np.eye(2), 10, 0.0, (2,))
    assert settings.sigma_data(flat, RunConfig()) == 0.002
    given = RunConfig(preconditioning=PreconditioningConfig(sigma_data=0.5))
    assert settings.sigma_data(SPECTRUM, given) == 0.5


def test_a_cloud_of_points_is_shown_whole():
    cloud, vector = (Data("x", np.random.default_rng(0).random((9, d)), kind="vector") for d in (2, 9))
    config = RunConfig()
    assert SampleGrid.for_run(cloud, cloud, SPECTRUM, config).n_samples == config.measurement.n_generated
    assert SampleGrid.for_run(vector, vector, SPECTRUM, config).n_samples == config.measurement.n_images
