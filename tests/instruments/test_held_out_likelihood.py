"""Code lengths of held-out events against those of the law the data have."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import load
from scorelens.instruments.held_out_likelihood import held_out_likelihood


@pytest.mark.parametrize(("shape", "offset"), [((2,), 1000.0), ((1, 2, 2), 100.0)], ids=str)
def test_data_off_centre_cost_as_many_bits_as_their_gaussian(tmp_path, shape, offset: float) -> None:
    rng = np.random.default_rng(0)
    std = 1 / (offset + 10)  # images lie in [-1, 1]
    # another offset along each axis: the mean must be laid out as the event is
    values = rng.standard_normal((200, *shape)) + offset * np.linspace(-1, 1, np.prod(shape)).reshape(shape)
    np.save(tmp_path / "data.npy", std * (values[:, 0] if len(shape) == 3 else values))
    data = load(str(tmp_path / "data.npy"))
    assert data.event_shape == shape
    spectrum = fit_spectrum(data.blocks, shape)
    found = held_out_likelihood(optimal_linear_denoiser(spectrum), data, spectrum, std / 2, 4, n_levels=33)
    np.testing.assert_allclose(found["bits"], found["gaussian_bits"], atol=0.03)
