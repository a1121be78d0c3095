"""The protocol's helper, and who is a Denoiser."""

from __future__ import annotations

import pytest
import torch

from scorelens.core.denoiser import Denoiser, per_sample


def test_a_scalar_is_repeated_and_rows_are_kept() -> None:
    x = torch.zeros(3, 2, dtype=torch.float64)
    for scalar in (0.5, torch.tensor(0.5)):
        level = per_sample(scalar, x)
        assert level.tolist() == [0.5] * 3
        assert level.dtype == torch.float64
    assert per_sample(torch.tensor([1.0, 2.0, 3.0]), x).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"sigma must be a scalar or have shape \(3,\), got"):
        per_sample(torch.ones(shape), torch.zeros(3, 2))


def test_any_callable_is_a_denoiser() -> None:
    assert isinstance(torch.nn.Identity(), Denoiser)
    assert not isinstance(3, Denoiser)
