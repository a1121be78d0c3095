"""Objectives on a mixture of Gaussians, by quadrature: the constants between them are exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from scorelens.objectives import (
    IDENTITIES,
    Denoising,
    Draws,
    Explicit,
    Implicit,
    Projected,
    Sliced,
    SlicedVarianceReduced,
    denoising_less_explicit,
    denoising_less_implicit,
    explicit_less_implicit,
    projected_less_sliced,
    projections,
    sliced_less_reduced_variance,
)
from scorelens.objectives.base import NOISE
from scorelens.objectives.projections import CorrelatedGaussian

MEANS = torch.tensor([[1.2, -0.4], [-0.9, 0.7]], dtype=torch.float64)
COVARIANCES = torch.tensor([[[0.8, 0.3], [0.3, 0.6]], [[0.5, -0.2], [-0.2, 0.9]]], dtype=torch.float64)
ALPHA, SIGMA = 0.8, 0.6
LAWS = [law() for law in projections.ALL] + [CorrelatedGaussian([[1.5, 0.4], [0.4, 0.6]])]
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)


def model(x: torch.Tensor) -> torch.Tensor:
    """No gradient field."""
    matrix = torch.tensor([[-0.9, 0.6], [-0.2, 0.7]], dtype=torch.float64)
    inner = torch.tensor([[0.5, -0.8], [0.9, 0.4]], dtype=torch.float64)
    return torch.tanh(x @ inner.T + 0.3) @ matrix.T - 0.2


def log_density(x: torch.Tensor, means: torch.Tensor, covariances: torch.Tensor) -> torch.Tensor:
    parts = [
        torch.distributions.MultivariateNormal(m, c).log_prob(x)
        for m, c in zip(means, covariances, strict=True)
    ]
    return torch.stack(parts).logsumexp(0) - np.log(2)


def score(x: torch.Tensor, means: torch.Tensor, covariances: torch.Tensor) -> torch.Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(log_density(x, means, covariances).sum(), x)[0]


def nodes(dim: int, order: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Points and weights of the standard normal law in ``dim`` dimensions."""
    points, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = np.stack(np.meshgrid(*[points] * dim, indexing="ij"), -1).reshape(-1, dim)
    weight = np.prod(np.meshgrid(*[weights / weights.sum()] * dim, indexing="ij"), axis=0).ravel()
    return torch.tensor(grid), torch.tensor(weight)


def lattice(reach: float, n: int) -> torch.Tensor:
    """Points ``(n^2, 2)`` of the trapezoidal rule, which converges geometrically here."""
    axis = torch.linspace(-reach, reach, n, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


@pytest.fixture(scope="module")
def clean() -> tuple[Draws, torch.Tensor]:
    x = lattice(9.0, 121)
    return Draws(x, score(x, MEANS, COVARIANCES)), log_density(x, MEANS, COVARIANCES).exp() * 0.15**2


@pytest.fixture(scope="module")
def noised() -> tuple[Draws, torch.Tensor]:
    """Of the first coordinate of the data, a law on the line: points are of the clean data and the noise."""
    x0, noise = lattice(9.0, 121).split(1, dim=1)
    means, covariances = MEANS[:, :1], COVARIANCES[:, :1, :1]
    x = ALPHA * x0 + SIGMA * noise
    weight = (
        (log_density(x0, means, covariances) - noise[:, 0].square() / 2).exp() * 0.15**2 / (2 * np.pi) ** 0.5
    )
    true = score(x, ALPHA * means, ALPHA**2 * covariances + SIGMA**2)
    return Draws(x, true, -noise / SIGMA), weight


def on_the_line(x: torch.Tensor) -> torch.Tensor:
    return model(torch.cat([x, 0 * x], 1))[:, :1]


def mean(values: torch.Tensor, weight: torch.Tensor) -> float:
    return float(values.detach() @ weight)


def test_explicit_is_implicit_plus_a_constant(clean):
    draws, weight = clean
    assert draws.true_score is not None
    constant = mean(explicit_less_implicit(draws.true_score), weight)
    assert mean(Explicit()(model, draws) - Implicit()(model, draws), weight) == pytest.approx(
        constant, rel=1e-10
    )


@every_law
def test_projected_is_sliced_plus_a_constant(clean, law):
    draws, weight = clean
    assert draws.true_score is not None
    gap = Projected().expected(model, draws, law) - Sliced().expected(model, draws, law)
    constant = mean(projected_less_sliced(draws.true_score, law), weight)
    assert mean(gap, weight) == pytest.approx(constant, rel=1e-10)


@every_law
def test_table_of_normalisations(clean, law):
    draws, weight = clean
    implicit = mean(Implicit()(model, draws), weight)
    sliced = mean(Sliced().expected(model, draws, law), weight)
    reduced = mean(SlicedVarianceReduced().expected(model, draws, law), weight)
    if (factor := law.trace_factor(2)) is None:
        assert sliced != pytest.approx(implicit, rel=1e-3)
    else:
        assert factor * sliced == pytest.approx(implicit, rel=1e-12)
    assert (reduced == pytest.approx(implicit, rel=1e-10)) is law.usable_for_variance_reduction(2)


def test_denoising_is_implicit_and_explicit_plus_constants(noised):
    draws, weight = noised
    assert draws.true_score is not None
    denoising = mean(Denoising()(on_the_line, draws), weight)
    assert denoising - mean(Implicit()(on_the_line, draws), weight) == pytest.approx(
        denoising_less_implicit(1, SIGMA), rel=1e-10
    )
    gap = mean(denoising_less_explicit(draws.true_score, SIGMA), weight)
    assert gap > 0
    assert denoising - mean(Explicit()(on_the_line, draws), weight) == pytest.approx(gap, rel=1e-10)


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda i: i.name)
def test_identities_are_of_two_equal_means(identity, clean, noised):
    on_the_plane = NOISE not in identity.needs
    field, (draws, weight) = (model, clean) if on_the_plane else (on_the_line, noised)
    signs = list(itertools.product([-1.0, 1.0], repeat=2 if on_the_plane else 1))
    directions = torch.tensor(signs).double().expand(len(draws.x), -1, -1)
    left, right = identity().parts(field, draws._replace(projections=directions), projections.Rademacher())
    assert mean(left, weight) == pytest.approx(mean(right, weight), rel=1e-10)
    assert abs(mean(left, weight)) > 0.03


def test_variance_of_signs_by_enumeration():
    law = projections.Rademacher()
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3))).double()
    matrix = torch.tensor([[1.1, -0.4, 0.3], [0.9, -0.6, 0.2], [-1.2, 0.5, 0.8]]).double()
    form = ((signs @ matrix.T) * signs).sum(1)
    assert float(law.variance_of_quadratic(matrix)) == pytest.approx(float(form.var(correction=0)), rel=1e-12)


def test_variance_of_gaussian_directions_by_quadrature():
    grid, weight = nodes(2, 8)
    matrix = torch.tensor([[1.1, -0.4], [0.9, -0.6]]).double()
    for law in (projections.Gaussian(), LAWS[-1]):
        v = law.draw(grid)
        form = ((v @ matrix.T) * v).sum(1)
        exact = mean(form**2, weight) - mean(form, weight) ** 2
        assert float(law.variance_of_quadratic(matrix)) == pytest.approx(exact, rel=1e-12)


def test_variance_of_the_spheres_by_the_circle():
    angle = torch.arange(16, dtype=torch.float64) * (2 * np.pi / 16)
    matrix = torch.tensor([[1.1, -0.4], [0.9, -0.6]]).double()
    for law in (projections.Sphere(), projections.UnitSphere()):
        v = law.draw(torch.stack([angle.cos(), angle.sin()], 1))
        form = ((v @ matrix.T) * v).sum(1)
        assert float(law.variance_of_quadratic(matrix)) == pytest.approx(
            float(form.var(correction=0)), rel=1e-12
        )


def test_variance_reduction_may_not_reduce():
    s = torch.tensor([[1.0, 0.5]]).double()
    jacobian = -1.0 * torch.eye(2).double()[None]
    along = float((s @ jacobian[0] * s).sum())
    expected = 2 * along + 0.5 * float(s.square().sum()) ** 2  # [L6]
    gap = float(sliced_less_reduced_variance(s, jacobian, projections.Gaussian()))
    assert gap == pytest.approx(expected, rel=1e-12)
    assert gap < 0
    assert float(sliced_less_reduced_variance(s, 0 * jacobian, projections.Gaussian())) > 0
