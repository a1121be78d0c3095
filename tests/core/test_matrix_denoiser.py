"""The affine denoiser against its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.denoiser import Denoiser
from scorelens.core.matrix_denoiser import MatrixDenoiser

RNG = np.random.default_rng(0)
MATRIX, VECTOR = RNG.standard_normal((6, 6)), RNG.standard_normal(6)


def weight(sigma: float) -> np.ndarray:
    return MATRIX / (1 + sigma**2)


def bias(sigma: float) -> np.ndarray:
    return VECTOR * sigma


DENOISER = MatrixDenoiser(weight, bias, (1, 2, 3))


@pytest.mark.parametrize("sigma", [0.01, 3.0])
def test_one_level(sigma: float) -> None:
    x = torch.randn(5, 1, 2, 3, dtype=torch.float64)
    expected = x.flatten(1).numpy() @ weight(sigma).T + bias(sigma)
    np.testing.assert_allclose(DENOISER(x, sigma).flatten(1).numpy(), expected, atol=1e-14)


def test_each_row_has_its_own_level_and_each_level_is_asked_for_once() -> None:
    asked: list[float] = []

    def counted(sigma: float) -> np.ndarray:
        asked.append(sigma)
        return weight(sigma)

    x = torch.randn(4, 6, dtype=torch.float64)
    sigma = torch.tensor([2.0, 0.5, 2.0, 1.0], dtype=torch.float64)
    made = MatrixDenoiser(counted, bias, (6,))(x, sigma)
    for row in range(4):
        level = float(sigma[row])
        np.testing.assert_allclose(made[row], weight(level) @ x[row].numpy() + bias(level), atol=1e-14)
    assert sorted(asked) == [0.5, 1.0, 2.0]


def test_without_a_bias_it_is_linear() -> None:
    x = torch.randn(2, 6, dtype=torch.float64)
    denoiser = MatrixDenoiser(weight, None, (6,))
    torch.testing.assert_close(denoiser(2 * x, 1.0), 2 * denoiser(x, 1.0))


def test_dtype_gradient_and_empty_batch() -> None:
    x = torch.randn(2, 1, 2, 3, requires_grad=True)
    out = DENOISER(x, torch.tensor([0.5, 2.0]))
    assert out.dtype == torch.float32
    assert isinstance(DENOISER, Denoiser)
    (gradient,) = torch.autograd.grad(out[1].flatten()[0], x)
    np.testing.assert_allclose(gradient[0].numpy(), 0)
    np.testing.assert_allclose(gradient[1].flatten().numpy(), weight(2.0)[0], atol=1e-6)
    assert DENOISER(torch.zeros(0, 1, 2, 3), torch.ones(0)).shape == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("shape", "sigma", "message"),
    [
        ((2, 6), 1.0, "x must have shape"),
        ((2, 1, 2, 3), torch.ones(3), "sigma must be a scalar"),
        ((2, 1, 2, 3), 0.0, "sigma must be finite and > 0"),
        ((2, 1, 2, 3), float("nan"), "sigma must be finite and > 0"),
    ],
)
def test_bad_calls_are_refused(shape: tuple[int, ...], sigma: torch.Tensor | float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DENOISER(torch.zeros(shape), sigma)


def test_bad_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="weight must return shape"):
        MatrixDenoiser(weight, bias, (5,))(torch.zeros(1, 5), 1.0)
    with pytest.raises(ValueError, match="bias must return shape"):
        MatrixDenoiser(weight, lambda sigma: np.zeros(2), (6,))(torch.zeros(1, 6), 1.0)
