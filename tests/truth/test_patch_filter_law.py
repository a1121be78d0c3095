"""What a patch convolution learns in the end is the patch-linear estimator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.dynamics import PatchConvolution, square_patch
from scorelens.estimators.local_patch import PatchLinear


@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0])
def test_the_law_ends_at_the_estimator(sigma: float) -> None:
    generator = np.random.default_rng(0)
    rough = generator.standard_normal((20, 6, 8))
    x = rough + np.roll(rough, 1, axis=1) + 0.5 * np.roll(rough, 2, axis=2)
    power = (np.abs(np.fft.fft2(x - x.mean(0))) ** 2).mean(0) / 48
    law = PatchConvolution.of_power(power, square_patch(3))
    denoiser = PatchLinear(patch_size=3).fit(x)
    taps = denoiser.taps(torch.tensor([sigma], dtype=torch.float64))[0, 0]
    np.testing.assert_allclose(taps.numpy(), law.limit(sigma), rtol=0, atol=1e-13)
    theirs = law.denoiser(1e12, mean=x.mean(0).ravel())
    query = torch.tensor(generator.standard_normal((3, 6, 8)))
    torch.testing.assert_close(denoiser(query, sigma), theirs(query, sigma), rtol=0, atol=1e-11)
