"""Every objective trains the network through the same trainer, by its name."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from scorelens.objectives import OBJECTIVES
from scorelens.results import RunConfig
from scorelens.results.config import TrainingConfig
from scorelens.training import build_denoiser, build_loss, train
from scorelens.training.batches import Batches

NAMES = get_args(TrainingConfig.model_fields["objective"].annotation)
CPU = torch.device("cpu")


def test_every_objective_has_its_name():
    assert set(NAMES) == {member.name for member in OBJECTIVES} | {"flow-matching"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_objective_lowers_the_denoising_loss(name, data, spectrum, configure, new_run):
    config = configure(objective=name, steps=200, learning_rate=1e-2, batch_size=128)
    fixed = Batches(data, 2000, 99, CPU).at(0)
    before, after = (build_denoiser(config, spectrum) for _ in range(2))
    train(config, new_run(config), data, after, progress=False)
    judge = build_loss(configure(), before.preconditioner)
    with torch.no_grad():
        assert judge(after, *fixed).mean() < 0.97 * judge(before, *fixed).mean()


def test_draws_of_directions_leave_the_others_alone(data):
    plain, sliced = Batches(data, 8, 3, CPU).at(5), Batches(data, 8, 3, CPU, n_projections=2).at(5)
    assert plain.projection_draw.shape == (8, 0, 1, 2, 2)
    assert sliced.projection_draw.shape == (8, 2, 1, 2, 2)
    for mine, other in zip(plain[:3], sliced[:3], strict=True):
        assert torch.equal(mine, other)
    assert not torch.equal(sliced.projection_draw[:, 0], sliced.projection_draw[:, 1])
    assert not torch.equal(sliced.projection_draw[:, 0], sliced.noise_draw)


def test_older_configurations_load():
    old = RunConfig().model_dump()
    for field in ("objective", "projections", "n_projections"):
        del old["training"][field]
    assert RunConfig.model_validate(old) == RunConfig()


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"loss": "target", "objective": "sliced"}, "loss target needs objective denoising, got sliced"),
        ({"objective": "sliced-vr", "projections": "unit-sphere"}, "not minimised by the score"),
        ({"objective": "slised"}, "sliced"),
        ({"n_projections": 0}, "greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(training, message):
    with pytest.raises(ValidationError, match=message):
        RunConfig.model_validate({"training": training})


def test_the_naive_objective_needs_its_data(spectrum, configure):
    with pytest.raises(ValueError, match="needs the true score"):
        build_loss(configure(objective="explicit"), build_denoiser(configure(), spectrum).preconditioner)
