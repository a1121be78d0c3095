"""From a run's configuration to noise levels, laws and scales."""

from __future__ import annotations

import numpy as np

from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.core.spectrum import Spectrum
from scorelens.data import Data
from scorelens.instruments import SampleGrid, settings
from scorelens.results.config import NoiseConfig, PreconditioningConfig, RunConfig, SamplerConfig

SPECTRUM = Spectrum(np.zeros(3), np.array([3.0, 1.0]), np.eye(3)[:, :2], 10, 4.5, (3,))


def test_noise_laws_follow_the_configuration():
    config = RunConfig(noise=NoiseConfig(p_mean=-2.0, p_std=0.7))
    assert settings.noise_law(config) == LogNormal(-2.0, 0.7)
    config = RunConfig(
        noise=NoiseConfig(name="loguniform"), sampler=SamplerConfig(sigma_min=0.01, sigma_max=9)
    )
    assert settings.noise_law(config) == LogUniform(0.01, 9.0)
    assert settings.measured_sigmas(config)[[0, -1]].tolist() == [0.01, 9.0]
    assert settings.sampler_sigmas(config)[[0, -1]].tolist() == [9.0, 0.01]


def test_sigma_data_is_measured_unless_given():
    assert settings.sigma_data(SPECTRUM, RunConfig()) == np.sqrt(1.5)
    given = RunConfig(preconditioning=PreconditioningConfig(sigma_data=0.5))
    assert settings.sigma_data(SPECTRUM, given) == 0.5


def test_a_cloud_of_points_is_shown_whole():
    cloud, vector = (Data("x", np.random.default_rng(0).random((9, d)), kind="vector") for d in (2, 9))
    config = RunConfig()
    assert SampleGrid.for_run(cloud, cloud, SPECTRUM, config).n_samples == config.measurement.n_generated
    assert SampleGrid.for_run(vector, vector, SPECTRUM, config).n_samples == config.measurement.n_images
