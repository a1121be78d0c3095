"""What the notes on sliced score matching say, and what is true (score estimation, section 7)."""

from __future__ import annotations

import pytest
import torch

from scorelens.objectives import (
    Draws,
    Explicit,
    Implicit,
    Projected,
    Sliced,
    SlicedVarianceReduced,
    explicit_less_implicit,
    projections,
)
from scorelens.objectives.calculus import ScoreAt
from scorelens.objectives.projections import CorrelatedGaussian

DIM, N = 4, 50_000
VARIANCE = torch.tensor([1.5, 0.7, 1.1, 0.4], dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def swirl(x):
    """A field that is no gradient: its Jacobian is not symmetric."""
    return -x / VARIANCE + 0.4 * torch.tanh(x.roll(1, -1))


def test_the_constant_belongs_to_the_explicit_side():
    x = VARIANCE.sqrt() * normal(N, DIM)
    draws = Draws(x, -x / VARIANCE)
    assert draws.true_score is not None
    gap = (Explicit()(swirl, draws) - Implicit()(swirl, draws)).detach()
    constant = float((0.5 / VARIANCE).sum())  # 1/2 E |s|^2
    error = float((gap - explicit_less_implicit(draws.true_score)).std()) / N**0.5
    assert abs(float((gap - explicit_less_implicit(draws.true_score)).mean())) < 4.5 * error
    assert error < 0.05 * constant
    assert float(gap.mean()) == pytest.approx(constant, rel=0.05)


def test_the_jacobian_of_the_model_is_no_hessian_and_its_trace_takes_d_passes():
    x = normal(3, DIM)
    jacobian = ScoreAt(swirl, x).jacobian().detach()
    assert float((jacobian - jacobian.mT).abs().max()) > 0.1
    calls = []
    at = ScoreAt(swirl, x)
    pulled = at.pulled_back
    at.pulled_back = lambda direction: calls.append(0) or pulled(direction)  # type: ignore[method-assign]
    torch.testing.assert_close(at.divergence().detach(), jacobian.diagonal(dim1=1, dim2=2).sum(1))
    assert len(calls) == DIM


def test_projected_matching_needs_the_score_and_sliced_does_not():
    v = normal(3, 1, DIM)
    with pytest.raises(ValueError, match="the projected objective needs true score"):
        Projected()(swirl, Draws(normal(3, DIM), projections=v))
    assert Sliced()(swirl, Draws(normal(3, DIM), projections=v)).shape == (3,)


def test_unit_vectors_divide_by_d_and_spoil_the_reduced_variance_form():
    x, law = VARIANCE.sqrt() * normal(2000, DIM), projections.UnitSphere()
    draws = Draws(x)
    sliced = Sliced().expected(swirl, draws, law).detach()
    torch.testing.assert_close(DIM * sliced, Implicit()(swirl, draws).detach())

    def reduced(scale: float) -> float:
        values = SlicedVarianceReduced().expected(lambda x: -scale * x / VARIANCE, draws, law)
        return float(values.detach().mean())

    assert reduced(1 / DIM) < min(reduced(1.0), reduced(0.5 / DIM), reduced(2 / DIM))


def test_every_direction_must_be_drawn_a_positive_square_is_not_enough():
    with pytest.raises(ValueError, match="positive definite"):
        CorrelatedGaussian(torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0])))
    # E |v|^2 = 3 > 0 and yet an error along the last axis costs nothing
    x = VARIANCE.sqrt() * normal(100, DIM)
    wrong = lambda x: -x / VARIANCE * torch.tensor([1.0, 1.0, 1.0, 7.0])  # noqa: E731
    flat = normal(100, 1, DIM) * torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert float(Projected()(wrong, Draws(x, -x / VARIANCE, projections=flat)).max()) == 0
    assert float(Projected()(wrong, Draws(x, -x / VARIANCE, projections=normal(100, 1, DIM))).mean()) > 1


def test_a_flux_that_vanishes_at_infinity_is_not_sufficient():
    """In the plane ``p s_hat -> 0``, and still the flux through a growing circle does not vanish."""
    radius = torch.linspace(0.0, 60.0, 600_001, dtype=torch.float64)
    density = torch.exp(-0.5 * radius**2) / (2 * torch.pi)
    # s_hat = x e^{r^2/2} (1 - e^{-r^2}) / r^2: p |s_hat| falls as 1 / r
    along = torch.where(radius > 0, -torch.expm1(-(radius**2)) / radius.clamp_min(1e-9), 0.0) / (2 * torch.pi)
    assert float(along[-1]) < 0.01
    # the flux of p s_hat through the circle is the sum of both means, and does not vanish
    flux = 2 * torch.pi * radius * along
    assert float(flux[-1]) == pytest.approx(1.0, abs=1e-12)
    assert float(density[-1]) == 0.0


def test_directions_shared_by_the_batch_leave_a_noise_that_does_not_fall():
    """[L7]: spread of the mean over a batch, from 200 batches of 50 and of 800."""

    def spread(n: int, *, shared: bool) -> float:
        means = []
        for seed in range(200):
            x = VARIANCE.sqrt() * normal(n, DIM, seed=2 * seed)
            v = normal(1 if shared else n, 1, DIM, seed=2 * seed + 1).expand(n, 1, DIM)
            means.append(Sliced()(swirl, Draws(x, projections=v)).detach().mean())
        return float(torch.stack(means).std())

    assert spread(800, shared=False) < 0.4 * spread(50, shared=False)  # 1 / 4
    assert spread(800, shared=True) > 0.7 * spread(50, shared=True)
    assert spread(800, shared=True) > 5 * spread(800, shared=False)
