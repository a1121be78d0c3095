"""The linear denoiser against its formula and against what makes it optimal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.denoiser import Denoiser
from scorelens.core.linear_denoiser import LinearDenoiser
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum import Spectrum

DIM = 6


def modes(n_modes: int = DIM, residual: float = 0.0) -> Spectrum:
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.standard_normal((DIM, DIM)))[0][:, :n_modes]
    values = np.geomspace(4, 0.01, n_modes)
    total = values.sum() + residual * (DIM - n_modes)
    return Spectrum(random.standard_normal(DIM), values, basis, 100, total, (1, 2, 3))


def dense(spectrum: Spectrum, sigma: float) -> np.ndarray:
    """``Sigma (Sigma + sigma^2)^-1`` without eigenvectors."""
    u, rest = spectrum.eigenvectors, spectrum.residual_variance
    covariance = (u * spectrum.eigenvalues) @ u.T + rest * (np.eye(DIM) - u @ u.T)
    return covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(DIM))


@pytest.mark.parametrize(("n_modes", "residual"), [(DIM, 0.0), (3, 0.2), (3, 0.0), (1, 0.5)])
@pytest.mark.parametrize("sigma", [0.01, 0.7, 30.0])
def test_optimal_is_the_wiener_filter(n_modes: int, residual: float, sigma: float) -> None:
    spectrum = modes(n_modes, residual)
    x = torch.randn(5, 1, 2, 3, dtype=torch.float64)
    made = optimal_linear_denoiser(spectrum)(x, sigma)
    exact = (x.flatten(1).numpy() - spectrum.mean) @ dense(spectrum, sigma).T + spectrum.mean
    np.testing.assert_allclose(made.flatten(1).numpy(), exact, atol=1e-12)


def test_optimal_beats_any_other_gain_on_data() -> None:
    spectrum = modes()
    random = np.random.default_rng(3)
    data = spectrum.mean + random.standard_normal((40_000, DIM)) * np.sqrt(spectrum.eigenvalues) @ (
        spectrum.eigenvectors.T
    )
    x0 = torch.tensor(data).reshape(-1, 1, 2, 3)
    x = x0 + 0.5 * torch.randn(x0.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def error(scale: float) -> float:
        def gain(sigma: np.ndarray) -> np.ndarray:
            return scale * spectrum.eigenvalues / (spectrum.eigenvalues + sigma[:, None] ** 2)

        denoiser = LinearDenoiser(spectrum.mean, spectrum.eigenvectors, gain, spectrum.event_shape)
        return float(((denoiser(x, 0.5) - x0) ** 2).mean())

    assert error(1.0) < error(1.05)
    assert error(1.0) < error(0.95)


def test_without_a_rest_gain_the_rest_is_the_mean() -> None:
    spectrum = modes(2)
    denoiser = LinearDenoiser(
        spectrum.mean, spectrum.eigenvectors, lambda sigma: np.ones((len(sigma), 2)), spectrum.event_shape
    )
    outside = np.linalg.qr(spectrum.eigenvectors, mode="complete")[0][:, 2:]
    x = torch.tensor(spectrum.mean + outside.T).reshape(-1, 1, 2, 3)
    out = denoiser(x, 1.0).flatten(1).numpy()
    np.testing.assert_allclose(out, np.broadcast_to(spectrum.mean, out.shape), atol=1e-12)


def test_each_row_has_its_own_level() -> None:
    denoiser = optimal_linear_denoiser(modes(3, 0.1))
    x = torch.randn(3, 1, 2, 3, dtype=torch.float64)
    sigma = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    alone = torch.cat([denoiser(x[i : i + 1], float(sigma[i])) for i in range(3)])
    torch.testing.assert_close(denoiser(x, sigma), alone)
    torch.testing.assert_close(denoiser(x, sigma[1]), denoiser(x, 1.0))


def test_dtype_of_x_and_gradient_in_x() -> None:
    denoiser = optimal_linear_denoiser(modes(3, 0.1))
    x = torch.randn(2, 1, 2, 3, requires_grad=True)
    out = denoiser(x, torch.tensor([0.5, 2.0]))
    assert out.dtype == torch.float32
    (gradient,) = torch.autograd.grad(out[1].flatten()[0], x)
    np.testing.assert_allclose(gradient[0].numpy(), 0)
    np.testing.assert_allclose(gradient[1].flatten().numpy(), dense(modes(3, 0.1), 2.0)[0], atol=1e-6)


def test_it_is_a_denoiser_and_a_module_that_moves() -> None:
    denoiser = optimal_linear_denoiser(modes())
    assert isinstance(denoiser, Denoiser)
    assert denoiser.float().mean.dtype == torch.float32
    assert set(denoiser.state_dict()) == {"mean", "eigenvectors"}


def test_later_changes_of_the_arrays_do_not_reach_it() -> None:
    spectrum = modes()
    denoiser = optimal_linear_denoiser(spectrum)
    spectrum.mean[:] = 0
    assert float(denoiser.mean.abs().sum()) > 0


def test_gains_are_those_given() -> None:
    spectrum = modes(3, 0.1)
    denoiser, sigma = optimal_linear_denoiser(spectrum), np.array([0.5, 2.0])
    exact = spectrum.eigenvalues / (spectrum.eigenvalues + sigma[:, None] ** 2)
    np.testing.assert_allclose(denoiser.gain(sigma), exact)
    np.testing.assert_allclose(denoiser.rest_gain(sigma), 0.1 / (0.1 + sigma**2))


def linear(mean: int = 4, basis: tuple[int, int] = (4, 4), columns: int = 4) -> LinearDenoiser:
    return LinearDenoiser(np.zeros(mean), np.eye(*basis), lambda sigma: np.ones((len(sigma), columns)), (4,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear(mean=3), r"mean must have shape \(4,\)"),
        (lambda: linear(basis=(3, 3)), r"eigenvectors must have shape \(4, k\)"),
        (lambda: linear(basis=(4, 5)), "k <= 4"),
        (lambda: linear()(torch.ones(2, 5), 1.0), "x must have shape"),
        (lambda: linear()(torch.ones(2, 4), 0.0), "sigma must be finite and > 0, got 0"),
        (lambda: linear()(torch.ones(2, 4), torch.tensor([1.0, -1.0])), "sigma must be finite and > 0"),
        (lambda: linear()(torch.ones(2, 4), torch.ones(3)), r"sigma must be a scalar or have shape \(2,\)"),
        (lambda: linear(columns=2)(torch.ones(2, 4), 1.0), r"gain must return shape \(1, 4\), got \(1, 2\)"),
    ],
)
def test_wrong_shapes_and_levels_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
