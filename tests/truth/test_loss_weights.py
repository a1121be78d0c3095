"""The loss that trains and the law that forecasts weigh every noise level alike."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from scorelens.analysis.run_law import assumed_covariance, law_of
from scorelens.core.spectrum import Spectrum
from scorelens.objectives import LevelWeighting
from scorelens.results import RunConfig
from scorelens.results.config import TrainingConfig
from scorelens.training import build_loss, build_preconditioner

SPECTRUM = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 9, 5.0, (2,))
LOSSES = get_args(TrainingConfig.model_fields["loss"].annotation)


@pytest.mark.parametrize("noise", ["lognormal", "loguniform", "variance", "flow-time"])
@pytest.mark.parametrize("name", LOSSES)
def test_training_and_forecast_weigh_alike(name: str, noise: str) -> None:
    config = RunConfig.model_validate({"training": {"loss": name}, "noise": {"name": noise}})
    law = law_of(SPECTRUM, config, assumed_covariance(SPECTRUM, config))
    preconditioner = build_preconditioner(config, SPECTRUM).double()
    loss = build_loss(config, preconditioner)
    assert law.noise == loss.noise_law
    sigma = torch.tensor([0.01, 0.3, 1.0, 20.0], dtype=torch.float64)
    one = torch.ones(4, 2, dtype=torch.float64)
    output = preconditioner.scalings(sigma).output[:, 0].numpy() ** 2
    effective = loss.weighting(one, sigma).numpy() * output
    np.testing.assert_allclose(law.loss.effective(sigma.numpy() ** 2, output), effective, rtol=1e-6)
    assert isinstance(loss.weighting, LevelWeighting) == (name != "target")
