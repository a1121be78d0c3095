"""Training losses over noise levels: every objective pulls the weights the same way."""

from __future__ import annotations

import math

import pytest
import torch

from scorelens import objectives
from scorelens.core import parametrization
from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.core.processes import Cosine, FlowMatching, VarianceExploding
from scorelens.objectives import (
    DenoisingLoss,
    EmpiricalScore,
    FlowMatchingLoss,
    Pixel,
    ScoreMatchingLoss,
    Target,
    objective_named,
    projections,
    weightings,
)
from scorelens.objectives.base import TRUE_SCORE

N, DIM = 60_000, 2
POINTS = torch.tensor([[1.0, 0.2], [-0.7, 0.6], [0.1, -1.0]], dtype=torch.float64)
NOISE = LogNormal(-0.3, 0.5)
SIGMAS = torch.tensor([0.02, 0.3, 1.0, 5.0, 60.0], dtype=torch.float64)


def batch(n: int = N):
    generator = torch.Generator().manual_seed(4)
    x0 = POINTS[torch.randint(len(POINTS), (n,), generator=generator)]
    shapes = ((n,), (n, DIM), (n, 1, DIM))
    return x0, *(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def denoiser(weight: torch.Tensor):
    return lambda x, sigma: x / (1 + sigma[:, None] ** 2) + weight * torch.tanh(x.roll(1, -1) + 0.4)


def slopes(loss) -> torch.Tensor:
    """Derivative of each sample's loss by one weight."""
    step = 1e-4
    up, down = (
        loss(denoiser(torch.tensor(0.3 + h, dtype=torch.float64)), *batch()).detach() for h in (step, -step)
    )
    return (up - down) / (2 * step)


@pytest.fixture(scope="module")
def reference() -> torch.Tensor:
    return slopes(DenoisingLoss(NOISE, Pixel(0.8)))


@pytest.mark.parametrize("name", [member.name for member in objectives.OBJECTIVES])
def test_every_objective_has_the_gradient_of_the_denoising_loss(name, reference):
    score = EmpiricalScore(POINTS) if TRUE_SCORE in objective_named(name).needs else None
    loss = ScoreMatchingLoss(NOISE, Pixel(0.8), objective_named(name), true_score=score)
    gap = slopes(loss) - reference
    error, exact = float(gap.std()) / N**0.5, float(reference.mean())
    bias = 0.01 * abs(exact) if name == "finite-difference" else 1e-9
    assert abs(float(gap.mean())) < 4.5 * error + bias
    assert error < 0.05 * abs(exact)


def test_unit_vectors_need_their_factor():
    unit = projections.UnitSphere()
    reduced = ScoreMatchingLoss(NOISE, Pixel(0.8), objective_named("sliced-vr"), unit)
    with pytest.raises(ValueError, match="not minimised by the score"):
        reduced(denoiser(torch.tensor(0.3)), *batch(5))
    scaled = slopes(ScoreMatchingLoss(NOISE, Pixel(0.8), objective_named("hutchinson", unit), unit))
    plain = slopes(ScoreMatchingLoss(NOISE, Pixel(0.8), objective_named("hutchinson")))
    gap = scaled - plain
    assert abs(float(gap.mean())) < 4.5 * float(gap.std()) / N**0.5


def test_the_true_score_is_asked_for():
    with pytest.raises(ValueError, match="the explicit objective needs the true score"):
        ScoreMatchingLoss(NOISE, Pixel(1.0), objective_named("explicit"))
    loss = ScoreMatchingLoss(NOISE, Pixel(1.0), objective_named("sliced"))
    with pytest.raises(ValueError, match="the sliced objective needs projections"):
        loss(denoiser(torch.tensor(0.3)), *batch(5)[:3])


def test_flow_matching_is_denoising_weighed_by_the_velocity():
    flow, plain = FlowMatchingLoss(NOISE), DenoisingLoss(NOISE, weightings.Velocity())
    model = denoiser(torch.tensor(0.3, dtype=torch.float64))
    torch.testing.assert_close(flow(model, *batch(50)), plain(model, *batch(50)), rtol=1e-9, atol=1e-9)


def test_times_of_flow_matching_are_uniform_and_finite_at_the_ends():
    seen = []

    def spy(x, sigma):
        seen.append(sigma)
        return 0 * x

    level = torch.linspace(-9, 9, 5, dtype=torch.float32)
    assert torch.isfinite(FlowMatchingLoss()(spy, torch.zeros(5, 2), level, torch.zeros(5, 2))).all()
    FlowMatchingLoss()(spy, *batch())
    time = seen[-1] / (1 + seen[-1])
    assert abs(float(time.mean()) - 0.5) < 4.5 * (1 / 12 / N) ** 0.5
    assert abs(float(time.square().mean()) - 1 / 3) < 4.5 * (4 / 45 / N) ** 0.5


@pytest.mark.parametrize(
    ("closed", "predicted"),
    [
        (weightings.CleanData(), (parametrization.CleanData(), VarianceExploding())),
        (weightings.Noise(), (parametrization.Noise(), Cosine())),
        (weightings.Noise(), (parametrization.Noise(), FlowMatching())),
        (weightings.V(), (parametrization.V(), Cosine(0.0))),
        (weightings.Velocity(), (parametrization.Velocity(), FlowMatching())),
        (weightings.Score(), (parametrization.Score(), VarianceExploding())),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_weights_are_those_of_the_predictions(closed, predicted):
    of_prediction = weightings.Predicted(*predicted).weight(SIGMAS)
    torch.testing.assert_close(closed.weight(SIGMAS), of_prediction, rtol=1e-9, atol=0)


def test_likelihood_weighting_does_not_depend_on_how_levels_are_drawn():
    """The mean loss is the integral over log sigma of the squared error over sigma^2, whatever the law."""
    error = lambda sigma: (sigma / (1 + sigma)).pow(2)[:, None]  # noqa: E731
    normal = torch.special.ndtri((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000)
    integrals = []
    for law in (LogUniform(0.1, 10.0), LogNormal(0.0, 2.0)):
        sigma = law.log_sigma(normal).exp()
        value = weightings.Likelihood(law)(error(sigma).sqrt(), sigma)
        integrals.append(float(value[(sigma > 0.1) & (sigma < 10)].sum()) / len(sigma))
    grid = torch.linspace(math.log(0.1), math.log(10), 20_001, dtype=torch.float64)
    exact = float(torch.trapezoid((error(grid.exp()) / grid.exp()[:, None] ** 2)[:, 0], grid))
    assert integrals == pytest.approx([exact, exact], rel=1e-3)


def test_empirical_score_is_the_gradient_of_the_noised_sample_s_density(monkeypatch):
    from scorelens.objectives import explicit

    x = torch.randn(7, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    sigma = torch.tensor([0.05, 0.1, 0.3, 1.0, 2.0, 10.0, 0.5], dtype=torch.float64)
    log_density = (-(x[:, None] - POINTS).square().sum(-1) / (2 * sigma[:, None] ** 2)).logsumexp(1)
    (exact,) = torch.autograd.grad(log_density.sum(), x)
    x = x.detach()
    torch.testing.assert_close(EmpiricalScore(POINTS)(x, sigma), exact, rtol=1e-10, atol=1e-10)
    monkeypatch.setattr(explicit, "BLOCK_NUMBERS", 1)
    torch.testing.assert_close(EmpiricalScore(POINTS)(x, sigma), exact, rtol=1e-10, atol=1e-10)
    far = EmpiricalScore(POINTS.float())(1e3 * torch.ones(1, DIM), 1e-3)
    assert torch.isfinite(far).all()
    for points, message in ((torch.zeros(0, 2), "n >= 1"), (torch.full((1, 2), math.inf), "not finite")):
        with pytest.raises(ValueError, match=message):
            EmpiricalScore(points)


def test_the_target_weighting_is_of_denoising_only():
    assert not issubclass(Target, objectives.LevelWeighting)
