"""The Karras grid."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.sigma_grid import karras


@pytest.mark.parametrize("rho", [1.0, 3.0, 7.0])
def test_steps_are_equal_in_the_root(rho: float) -> None:
    grid = karras(30, 0.002, 80.0, rho)
    steps = np.diff(grid ** (1 / rho))
    assert (steps < 0).all()
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)


def test_ends_are_exact_and_shape_and_dtype_are_right() -> None:
    grid = karras(18, 0.002, 80.0)
    assert grid.shape == (18,)
    assert grid.dtype == np.float64
    assert (grid[0], grid[-1]) == (80.0, 0.002)


def test_against_the_published_formula() -> None:
    # Karras et al. 2022, Eq. 5
    i = np.arange(18)
    printed = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(karras(18, 0.002, 80.0), printed, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0.1, 1.0), "n_sigmas must be at least 2, got 1"),
        ((5, 0.0, 1.0), "sigma_min must be finite and > 0, got 0; the score is singular"),
        ((5, 1.0, 1.0), "sigma_max must exceed sigma_min, got 1 <= 1"),
        ((5, 0.1, float("nan")), "sigma_max must be finite and > 0"),
        ((5, 0.1, 1.0, 0.0), "rho must be finite and > 0"),
    ],
)
def test_bad_grids_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        karras(*arguments)


def test_an_infinite_end_is_refused() -> None:
    with pytest.raises(ValueError, match="sigma_max must be finite"):
        karras(5, 0.1, float("inf"))
