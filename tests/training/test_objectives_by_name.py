"""Every objective trains the network through the same trainer, by its name."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from scorelens.core import noise_level
from scorelens.objectives import OBJECTIVES, DenoisingLoss, ScoreMatchingLoss, weightings
from scorelens.results import RunConfig
from scorelens.results.config import NoiseConfig, TrainingConfig
from scorelens.training import build_denoiser, build_loss, train
from scorelens.training.batches import Batches

NAMES = get_args(TrainingConfig.model_fields["objective"].annotation)
LOSSES = get_args(TrainingConfig.model_fields["loss"].annotation)
NOISES = get_args(NoiseConfig.model_fields["name"].annotation)
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
        ({"loss": "scor"}, "'score'"),
        (
            {"loss": "score", "objective": "flow-matching"},
            "weighs its errors itself .*objective=denoising, noise=flow-time with loss=score",
        ),
        ({"n_projections": 0}, "greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(training, message):
    with pytest.raises(ValidationError, match=message):
        RunConfig.model_validate({"training": training})


@pytest.mark.parametrize("noise", [{"name": "loguniform"}, {"p_mean": 0.0}, {"p_std": 2.0}])
def test_flow_matching_draws_its_own_levels(noise):
    with pytest.raises(ValidationError, match=r"draws its own noise levels .*objective=denoising"):
        RunConfig.model_validate({"training": {"objective": "flow-matching"}, "noise": noise})


def test_flow_matching_is_denoising_by_name(data, spectrum, configure):
    denoiser = build_denoiser(configure(), spectrum)
    flow = build_loss(configure(objective="flow-matching"), denoiser.preconditioner)
    settings = configure(loss="velocity").model_dump() | {"noise": {"name": "flow-time"}}
    plain = build_loss(RunConfig.model_validate(settings), denoiser.preconditioner)
    batch = Batches(data, 64, 3, CPU).at(0)
    torch.testing.assert_close(flow(denoiser, *batch), plain(denoiser, *batch), rtol=1e-4, atol=1e-5)


def test_every_noise_law_has_its_name(configure):
    assert set(NOISES) == {law.name for law in noise_level.ALL}
    for name in NOISES:
        config = RunConfig.model_validate(configure().model_dump() | {"noise": {"name": name}})
        assert config.noise_law().name == name
        if config.noise_law().jumps:
            sampler = config.sampler
            ends = [sampler.sigma_min, sampler.sigma_max]
            assert torch.allclose(torch.tensor(config.noise_law().support).exp(), torch.tensor(ends))


@pytest.mark.parametrize("objective", ["denoising", "sliced"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_name_and_weighs_every_objective(name, objective, data, spectrum, configure):
    if name == "target" and objective != "denoising":
        return
    preconditioner = build_denoiser(configure(), spectrum).preconditioner
    loss = build_loss(configure(loss=name, objective=objective), preconditioner)
    assert isinstance(loss, DenoisingLoss if objective == "denoising" else ScoreMatchingLoss)
    assert loss.weighting.name == name
    assert {cls.name for cls in weightings.ALL} == {*LOSSES, "predicted", "custom"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "noise"), [(name, "loguniform") for name in LOSSES] + [("pixel", noise) for noise in NOISES]
)
def test_every_loss_and_every_noise_law_trains(name, noise, data, spectrum, configure, new_run):
    settings = configure(loss=name, steps=80, learning_rate=1e-2, batch_size=64).model_dump()
    settings |= {"noise": {"name": noise}, "sampler": {"sigma_min": 0.1, "sigma_max": 3.0}}
    config = RunConfig.model_validate(settings)
    fixed = Batches(data, 2000, 99, CPU).at(0)
    before, after = (build_denoiser(config, spectrum) for _ in range(2))
    train(config, new_run(config), data, after, progress=False)
    own = build_loss(config, before.preconditioner)
    with torch.no_grad():
        assert own(after, *fixed).mean() < 0.97 * own(before, *fixed).mean()


@pytest.mark.parametrize("noise", ["loguniform", "variance"])
def test_the_likelihood_weight_is_finite_at_the_ends_of_the_range(noise, spectrum, configure):
    config = RunConfig.model_validate(configure(loss="likelihood").model_dump() | {"noise": {"name": noise}})
    loss = build_loss(config, build_denoiser(config, spectrum).preconditioner)
    draws = torch.tensor([-9.0, -6.0, -5.2, 0.0, 5.2, 6.0, 9.0])
    sigma = loss.noise_law.log_sigma(draws).exp()
    assert torch.isfinite(loss.weighting.weight(sigma)).all()


def test_the_naive_objective_needs_its_data(spectrum, configure):
    with pytest.raises(ValueError, match="needs the true score"):
        build_loss(configure(objective="explicit"), build_denoiser(configure(), spectrum).preconditioner)
