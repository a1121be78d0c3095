"""A denoiser survives its file; a damaged or foreign file is named and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from scorelens.core.denoiser import Denoiser
from scorelens.networks import ALL, AssumedCovariance, MLPUNet, PreconditionedDenoiser
from scorelens.networks import file as denoiser_file

COVARIANCE = AssumedCovariance(np.ones(4), np.eye(4)[:, :2], np.array([4.0, 1.0]), 0.1)


def example(cls=ALL[0]) -> PreconditionedDenoiser:
    torch.manual_seed(0)
    network = MLPUNet((1, 2, 2), width=6, depth=2, embedding=4, zero_output=False)
    return PreconditionedDenoiser(network, cls.from_covariance(COVARIANCE)).eval()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip_is_exact_and_leaves_random_state_alone(tmp_path: Path, cls, dtype):
    denoiser = example(cls).to(dtype)
    file = tmp_path / "model.safetensors"
    file.write_bytes(denoiser_file.encode(denoiser))
    torch.manual_seed(7)
    rebuilt = denoiser_file.load(file)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(7)))
    x = torch.randn(3, 1, 2, 2, dtype=dtype)
    assert torch.equal(rebuilt(x, 0.5), denoiser(x, 0.5))
    assert not rebuilt.training
    assert isinstance(rebuilt, Denoiser)


def test_damage_is_named(tmp_path: Path):
    content = denoiser_file.encode(example())
    file = tmp_path / "model.safetensors"
    for bad in (b"", content[:50], content[:-1], b"\x80\x04pickle" * 9):
        file.write_bytes(bad)
        with pytest.raises(ValueError, match=f"{file} is not a whole denoiser file"):
            denoiser_file.load(file)
    with pytest.raises(ValueError, match="is not a whole denoiser file"):
        denoiser_file.load(tmp_path / "nothing")


def test_foreign_file_is_refused(tmp_path: Path):
    file = tmp_path / "other.safetensors"
    file.write_bytes(save({"weight": torch.zeros(2)}))
    with pytest.raises(ValueError, match="its format is None"):
        denoiser_file.load(file)


def test_unknown_network_cannot_be_stored():
    denoiser = PreconditionedDenoiser(torch.nn.Linear(4, 4), ALL[0].from_covariance(COVARIANCE))
    with pytest.raises(ValueError, match="a Linear cannot be rebuilt"):
        denoiser_file.encode(denoiser)


@pytest.mark.parametrize("sigma", [0.0, -1.0, torch.tensor([1.0, 0.0])])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(ValueError, match="sigma must be > 0"):
        example()(torch.zeros(2, 1, 2, 2), sigma)


def test_sigma_must_be_scalar_or_one_per_sample():
    with pytest.raises(ValueError, match="sigma must be a scalar or have shape"):
        example()(torch.zeros(2, 1, 2, 2), torch.ones(3))
