"""From a configuration to the denoiser and the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.networks import EDM, Spectral, SpectralSkip
from scorelens.objectives import Pixel, Target
from scorelens.results import RunConfig
from scorelens.training import build_denoiser, build_loss


def configured(**preconditioning) -> RunConfig:
    return RunConfig.model_validate(
        {"network": {"width": 8, "depth": 1, "embedding": 4}, "preconditioning": preconditioning}
    )


@pytest.mark.parametrize(
    ("name", "cls"), [("edm", EDM), ("spectral", Spectral), ("spectral-skip", SpectralSkip)]
)
def test_names_build_their_preconditioner(spectrum, name, cls):
    assert type(build_denoiser(configured(name=name), spectrum).preconditioner) is cls


def test_sigma_data_is_configured_or_measured(spectrum):
    measured = build_denoiser(configured(), spectrum).preconditioner
    assert measured.mean_variance == pytest.approx(spectrum.total_variance / 4, rel=1e-6)
    given = configured(sigma_data=0.5)
    assert build_denoiser(given, spectrum).preconditioner.mean_variance == 0.25


def test_centering_can_be_left_out_of_edm(spectrum):
    assert build_denoiser(configured(), spectrum).preconditioner.mean.abs().sum() > 0
    assert build_denoiser(configured(center=False), spectrum).preconditioner.mean.abs().sum() == 0


def test_floor_rank_and_shrinkage_reach_the_operator(spectrum, data):
    default = build_denoiser(configured(name="spectral"), spectrum).preconditioner
    np.testing.assert_allclose(default.variances, spectrum.eigenvalues, rtol=1e-6)
    floored = build_denoiser(configured(name="spectral", floor=0.9), spectrum).preconditioner
    assert float(floored.variances.min()) == pytest.approx(0.9)
    low = build_denoiser(configured(name="spectral", rank=2), spectrum).preconditioner
    assert low.eigenvectors.shape == (4, 2)
    for shrinkage in ("held-out", "ledoit-wolf"):
        config = configured(name="spectral", shrinkage=shrinkage)
        shrunk = build_denoiser(config, spectrum, held_out=data, train=data).preconditioner
        assert shrunk.variances.shape == (4,)
        with pytest.raises(ValueError, match="needs samples"):
            build_denoiser(config, spectrum)


def test_weights_follow_the_seed_and_leave_the_global_state_alone(spectrum):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_denoiser(configured(), spectrum).network.entry.weight
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    again = build_denoiser(configured(), spectrum).network.entry.weight
    other = build_denoiser(RunConfig(seed=9, network=configured().network), spectrum).network.entry.weight
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_loss_follows_the_configuration(spectrum, configure):
    preconditioner = build_denoiser(configured(), spectrum).preconditioner
    pixel = build_loss(configure(loss="pixel"), preconditioner)
    assert isinstance(pixel.weighting, Pixel)
    assert pixel.weighting.sigma_data == pytest.approx((spectrum.total_variance / 4) ** 0.5, rel=1e-6)
    target = build_loss(configure(loss="target"), preconditioner)
    assert isinstance(target.weighting, Target)
    assert pixel.noise_law == configure().noise_law()


@pytest.mark.parametrize(
    ("preconditioning", "message"),
    [
        ({"name": "spectral", "center": False}, "built around the mean; set center=true"),
        ({"floor": 1e-9}, r"floor must be at least sigma_min \*\* 2"),
    ],
)
def test_impossible_configurations_are_refused(preconditioning, message):
    with pytest.raises(ValueError, match=message):
        configured(**preconditioning)
