"""Optimal denoisers of manifolds against multiprecision, direct integration and their own densities."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy.integrate import quad

from scorelens.estimators import EmpiricalDenoiser
from scorelens.estimators.bessel import bessel_ratio, log_bessel
from scorelens.estimators.manifolds import (
    ManifoldDenoiser,
    RolledSheetDenoiser,
    SphereDenoiser,
    TorusDenoiser,
)


def frame(ambient: int, columns: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(7).standard_normal((ambient, columns)))[0]


EXAMPLES = {
    "circle": SphereDenoiser(frame(3, 2), radius=1.5),
    "sphere": SphereDenoiser(frame(5, 3)),
    "high sphere": SphereDenoiser(frame(40, 31)),
    "torus": TorusDenoiser(frame(6, 4), radius=0.7),
    "roll": RolledSheetDenoiser(frame(4, 2)),
    "rolled sheet": RolledSheetDenoiser(frame(6, 4)),
}
every = pytest.mark.parametrize("name", EXAMPLES)


def one(x: float) -> torch.Tensor:
    return torch.tensor([x], dtype=torch.float64)


@pytest.mark.parametrize("order", [-0.5, 0, 0.5, 1, 4.5, 100, 500])
def test_bessel_ratio_and_logarithm_against_multiprecision(order: float) -> None:
    for x in (1e-12, 1e-3, 0.3, 5, 99, 101, 403, 405, 2003, 2005, 1e4, 1e6, 1.1e6, 1e8, 1e12):
        with mp.workdps(50):
            low = mp.besseli(order, x)
            ratio, log = mp.besseli(order + 1, x) / low, mp.log(low) - order * mp.log(x)
        assert float(bessel_ratio(order, one(x))) == pytest.approx(float(ratio), rel=1e-12)
        if order >= 0:
            assert float(log_bessel(order, one(x))) == pytest.approx(float(log), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("order", [0, 1.5, 60])
def test_bessel_functions_at_zero_and_their_derivatives(order: float) -> None:
    assert float(bessel_ratio(order, one(0.0))) == 0
    expected = -order * math.log(2) - math.lgamma(order + 1)
    assert float(log_bessel(order, one(0.0))) == pytest.approx(expected, rel=1e-13, abs=1e-13)
    x = torch.tensor([0.1, 2.0, 150.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: bessel_ratio(order, t), x)
    assert torch.autograd.gradcheck(lambda t: log_bessel(order, t), x)
    assert torch.autograd.gradgradcheck(lambda t: bessel_ratio(order, t), x, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 3.0])
def test_a_sphere_against_direct_integration(sigma: float) -> None:
    # On S^2, the height h along x is uniform over [-1, 1]: no Bessel function, no Tweedie.
    z = np.array([0.3, -0.4, 1.2])
    length = np.linalg.norm(z)
    peak = length / sigma**2

    def average(power: int) -> float:
        return quad(lambda h: h**power * math.exp(peak * (h - 1)) / 2, -1, 1, points=[1 - 1 / peak])[0]

    denoiser = SphereDenoiser(np.eye(3))
    x = torch.from_numpy(z)[None]
    found = denoiser(x, sigma)[0].numpy()
    np.testing.assert_allclose(found, average(1) / average(0) * z / length, rtol=1e-9)
    squares = -((length - 1) ** 2) / (2 * sigma**2)
    density = squares - 1.5 * math.log(2 * math.pi * sigma**2) + math.log(average(0))
    assert float(denoiser.log_prob(x, sigma)) == pytest.approx(density, rel=1e-10)


@every
@pytest.mark.parametrize("sigma", [0.06, 0.5, 4.0])
def test_the_score_is_the_gradient_of_the_density(name: str, sigma: float) -> None:
    denoiser = EXAMPLES[name]
    x = points(denoiser, sigma).requires_grad_()
    (slope,) = torch.autograd.grad(denoiser.log_prob(x, sigma).sum(), x)
    size = float(slope.abs().max())
    torch.testing.assert_close(denoiser.score(x, sigma), slope, atol=1e-8 * size, rtol=1e-8)


@every
def test_the_jacobian_is_symmetric_and_matches_differences(name: str) -> None:
    denoiser, sigma = EXAMPLES[name], 0.3
    x = points(denoiser, sigma)[:1]
    jacobian = torch.func.jacrev(lambda y: denoiser(y[None], sigma)[0])(x[0])
    torch.testing.assert_close(jacobian, jacobian.T, atol=1e-9, rtol=0)
    direction = torch.randn(denoiser.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    step = 1e-4
    difference = (denoiser(x + step * direction, sigma) - denoiser(x - step * direction, sigma)) / (2 * step)
    torch.testing.assert_close((jacobian @ direction)[None], difference, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["circle", "torus", "roll"])
def test_many_points_have_the_same_denoiser(name: str) -> None:
    # Regular grids of the manifold: the sum over them is the integral, to the accuracy of the grid.
    denoiser = EXAMPLES[name]
    grid = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([np.cos(grid), np.sin(grid)], axis=1)
    if name == "circle":
        flat = 1.5 * circle
    elif name == "torus":
        part = 0.7 * circle[::4]
        flat = np.concatenate([np.repeat(part, 100, 0), np.tile(part, (100, 1))], axis=1)
    else:
        radius = 1 / 3 + 2 / 3 * (np.arange(20_000) + 0.5) / 20_000
        angle = 4.5 * np.pi * radius
        flat = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ambient = torch.from_numpy(flat) @ denoiser.frame.T
    empirical = EmpiricalDenoiser(denoiser.event_shape, ambient)
    x = points(denoiser, 0.4)
    torch.testing.assert_close(denoiser(x, 0.4), empirical(x, 0.4), atol=1e-6, rtol=0)
    torch.testing.assert_close(denoiser.log_prob(x, 0.4), empirical.log_prob(x, 0.4), atol=1e-6, rtol=0)


def test_the_side_of_a_sheet_is_a_truncated_normal() -> None:
    denoiser = RolledSheetDenoiser(np.eye(3))
    h = np.linspace(-1, 1, 400_001)
    for height, sigma in ((0.2, 0.5), (-3.0, 0.1), (40.0, 0.1), (1.0, 5.0)):
        squares = (height - h) ** 2
        weight = np.exp((squares.min() - squares) / (2 * sigma**2))
        mean = np.trapezoid(h * weight, h) / np.trapezoid(weight, h)
        found = denoiser(torch.tensor([[0.5, 0.0, height]], dtype=torch.float64), sigma)[0, 2]
        assert float(found) == pytest.approx(mean, rel=1e-6)


@every
def test_the_centre_and_far_away_are_finite(name: str) -> None:
    denoiser = EXAMPLES[name]
    for x in (torch.zeros(1, denoiser.dim), 1e3 * torch.ones(1, denoiser.dim)):
        for sigma in (0.01, 50.0):
            assert torch.isfinite(denoiser(x, sigma)).all()
            assert torch.isfinite(denoiser.log_prob(x, sigma)).all()
            jacobian = torch.func.jacrev(lambda y, sigma=sigma: denoiser(y[None], sigma)[0])(x[0])
            assert torch.isfinite(jacobian).all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="not orthonormal"):
        SphereDenoiser(np.ones((3, 2)))
    with pytest.raises(ValueError, match="columns must be at least 2"):
        SphereDenoiser(np.eye(3)[:, :1])
    with pytest.raises(ValueError, match="two columns per circle, got 3"):
        TorusDenoiser(np.eye(3))
    with pytest.raises(ValueError, match="raise n_panels"):
        RolledSheetDenoiser(np.eye(2))(torch.ones(1, 2), 1e-4)
    with pytest.raises(ValueError, match="radius must be finite and > 0"):
        SphereDenoiser(np.eye(3), radius=0)


def points(denoiser: ManifoldDenoiser, sigma: float) -> torch.Tensor:
    rng = np.random.default_rng(11)
    flat = rng.standard_normal((4, denoiser.frame.shape[1])) / np.sqrt(denoiser.frame.shape[1])
    across = sigma * rng.standard_normal((4, denoiser.dim))
    return torch.from_numpy(flat) @ denoiser.frame.T + torch.from_numpy(across)
