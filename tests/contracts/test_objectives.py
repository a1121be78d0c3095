"""What every objective, law of directions and weighting must be; registering one buys these tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from scorelens import objectives
from scorelens.core import parametrization
from scorelens.core.noise_level import LogNormal
from scorelens.core.processes import Cosine
from scorelens.objectives import Draws, LevelWeighting, QuadraticObjective, projections, weightings
from scorelens.objectives.base import NOISE, PROJECTIONS, TRUE_SCORE
from scorelens.objectives.projections import CorrelatedGaussian, ProjectionLaw
from scorelens.objectives.score_matching import ScoreMatchingLoss

LAWS = [law() for law in projections.ALL] + [
    CorrelatedGaussian([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]])
]
OBJECTIVES = [objectives.objective_named(member.name) for member in objectives.OBJECTIVES]
SETTINGS = {
    "pixel": (0.5,),
    "target": (lambda residual, sigma: residual / sigma[:, None],),
    "likelihood": (LogNormal(),),
    "predicted": (parametrization.V(), Cosine()),
    "custom": (lambda sigma: 1.0 / sigma,),
}
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
every_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
every_weighting = pytest.mark.parametrize("weighting", weightings.ALL, ids=lambda w: w.name)
VARIANCE = torch.tensor([2.0, 0.7, 0.4], dtype=torch.float64)
COUPLING = torch.tensor([[-0.9, 0.8, 0.1], [-0.5, 0.2, 0.7], [0.3, 0.0, -1.1]], dtype=torch.float64)


def model(x: torch.Tensor) -> torch.Tensor:
    """A smooth field that is no gradient."""
    flat = x.flatten(1)
    return torch.tanh(flat @ COUPLING.T.to(x) + 0.2).view_as(x) - 0.4 * x


def draws(n: int, n_directions: int = 1, law: ProjectionLaw | None = None, seed: int = 0) -> Draws:
    """Of Gaussian data with noise of 0.6 of its spread, the true score of which is linear."""
    generator = torch.Generator().manual_seed(seed)
    normal = [torch.randn(n, 3, generator=generator, dtype=torch.float64) for _ in range(2)]
    std = 0.6 * VARIANCE.sqrt()
    x = 0.8 * VARIANCE.sqrt() * normal[0] + std * normal[1]
    directions = torch.randn(n, n_directions, 3, generator=generator, dtype=torch.float64)
    return Draws(x, -x / VARIANCE, -normal[1] / std, (law or projections.Rademacher()).draw(directions))


def parts_of(batch: Draws, change: Callable[[torch.Tensor], torch.Tensor]) -> Draws:
    return batch._replace(**{k: change(part) for k, part in batch._asdict().items() if part is not None})


@every_law
def test_directions_have_the_declared_covariance(law):
    n = 40_000
    v = law.draw(torch.randn(n, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    products = v[:, :, None] * v[:, None, :]
    error = products.std(0) / n**0.5
    assert bool(((products.mean(0) - law.covariance(3)).abs() < 4.5 * error + 1e-12).all())
    assert float(error.max()) < 0.05 * float(law.covariance(3).max())
    assert float(v.mean(0).abs().max()) < 4.5 * float(v.std()) / n**0.5


@every_law
def test_trace_factor_turns_the_covariance_into_the_identity(law):
    factor, usable = law.trace_factor(3), law.usable_for_variance_reduction(3)
    if factor is not None:
        torch.testing.assert_close(factor * law.covariance(3), torch.eye(3).double(), rtol=1e-12, atol=1e-12)
    assert usable is bool(torch.allclose(law.covariance(3), torch.eye(3).double()))


@every_law
def test_mean_and_variance_of_a_quadratic_form(law):
    n = 60_000
    matrix = torch.tensor([[1.1, -0.4, 0.3], [0.9, -0.6, 0.2], [-1.2, 0.5, 0.8]], dtype=torch.float64)
    v = law.draw(torch.randn(n, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    form = ((v @ matrix.T) * v).sum(1)
    squares = (form - form.mean()).square()
    for exact, seen in ((law.mean_of_quadratic(matrix), form), (law.variance_of_quadratic(matrix), squares)):
        error = float(seen.std()) / n**0.5
        assert abs(float(seen.mean() - exact)) < 4.5 * error
        assert error < 0.05 * abs(float(exact))


@pytest.mark.parametrize("law", LAWS[:4], ids=lambda law: law.name)
def test_directions_are_made_of_any_batch_and_dtype(law):
    normal = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    drawn = law.draw(normal)
    assert (drawn.shape, drawn.dtype) == (normal.shape, torch.float32)
    torch.testing.assert_close(drawn[1, 2], law.draw(normal[1, 2]))
    assert torch.isfinite(law.draw(torch.tensor([[0.0, 1.0, -1.0]]))).all()


@every_objective
def test_one_number_per_sample_that_depends_on_that_sample_only(objective):
    batch = draws(6)
    value = objective(model, batch)
    assert value.shape == (6,)
    third = parts_of(batch, lambda part: part[2:3])
    torch.testing.assert_close(value[2:3], objective(model, third), rtol=1e-12, atol=1e-12)


@every_objective
def test_events_of_any_shape_are_flat_vectors(objective):
    flat = draws(4)
    image = parts_of(flat, lambda part: part if part.ndim == 3 else part.reshape(4, 1, 3, 1))
    torch.testing.assert_close(objective(model, image), objective(model, flat), rtol=1e-12, atol=1e-12)


@every_objective
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(objective, dtype):
    batch = parts_of(draws(3), lambda part: part.to(dtype))
    assert objective(model, batch).dtype == dtype


@every_objective
def test_needs_are_needed_and_nothing_else_is(objective):
    whole = draws(3)
    fields = {TRUE_SCORE: "true_score", NOISE: "noise_score", PROJECTIONS: "projections"}
    unneeded = {field: None for need, field in fields.items() if need not in objective.needs}
    torch.testing.assert_close(objective(model, whole._replace(**unneeded)), objective(model, whole))
    for need in objective.needs:
        with pytest.raises(ValueError, match=f"the {objective.name} objective needs {need}"):
            objective(model, whole._replace(**{fields[need]: None}))


@every_objective
def test_the_true_score_is_the_best_of_its_multiples(objective):
    n, step = 40_000, 1e-3
    batch = draws(n)

    def value(scale: float) -> torch.Tensor:
        return objective(lambda x: -scale * x / VARIANCE, batch).detach()

    at_truth, beyond = ((value(at + step) - value(at - step)) / (2 * step) for at in (1.0, 1.3))
    error = float(at_truth.std()) / n**0.5
    assert abs(float(at_truth.mean())) < 4.5 * error + 1e-9
    power = float(beyond.mean()) / (float(beyond.std()) / n**0.5)
    assert power > 20


@every_objective
def test_weights_of_the_model_get_a_gradient(objective):
    weight = torch.full((), 0.7, dtype=torch.float64, requires_grad=True)
    batch = draws(64)

    def mean(scale: torch.Tensor) -> torch.Tensor:
        return objective(lambda x: scale * model(x), batch).mean()

    (by_torch,) = torch.autograd.grad(mean(weight), weight)
    with torch.no_grad():
        by_difference = float(mean(weight + 1e-5) - mean(weight - 1e-5)) / 2e-5
    assert float(by_torch) == pytest.approx(by_difference, rel=1e-7)


@pytest.mark.parametrize(
    "objective", [o for o in OBJECTIVES if isinstance(o, QuadraticObjective)], ids=lambda o: o.name
)
@pytest.mark.parametrize("law", LAWS[:4], ids=lambda law: law.name)
def test_mean_and_variance_over_directions_are_those_of_draws(objective, law):
    n = 30_000
    if objective.name == "hutchinson":
        objective = objectives.Hutchinson(law)
    one = draws(1)
    normal = torch.randn(n, 1, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    spread = parts_of(one, lambda part: part.expand(n, *part.shape[1:]))
    values = objective(model, spread._replace(projections=law.draw(normal))).detach()
    squares = (values - values.mean()).square()
    with torch.no_grad():
        exact = objective.expected(model, one, law), objective.probe_variance(model, one, law)
    for known, seen in zip(exact, (values, squares), strict=True):
        error = float(seen.std()) / n**0.5
        assert abs(float(seen.mean() - known)) < 4.5 * error + 1e-12
        assert error < 0.05 * abs(float(known)) + 0.02


@pytest.mark.parametrize("n_directions", [1, 4])
def test_directions_of_one_sample_are_averaged(n_directions):
    batch = draws(5, n_directions)
    assert batch.projections is not None
    for objective in OBJECTIVES:
        if PROJECTIONS in objective.needs:
            each = [
                objective(model, batch._replace(projections=batch.projections[:, [j]]))
                for j in range(n_directions)
            ]
            torch.testing.assert_close(objective(model, batch), torch.stack(each).mean(0))


@pytest.mark.parametrize("shape", [(3, 3), (4, 1, 3), (3, 1, 2), (3, 0, 3)])
def test_directions_that_do_not_fit_are_refused(shape):
    batch = draws(3)._replace(projections=torch.ones(shape, dtype=torch.float64))
    for objective in OBJECTIVES:
        if PROJECTIONS in objective.needs:
            with pytest.raises(ValueError, match="projections must have shape"):
                objective(model, batch)


@every_weighting
def test_weightings_are_means_over_coordinates(weighting):
    made = weighting(*SETTINGS.get(weighting.name, ()))
    sigma = torch.tensor([0.1, 1.0, 7.0])
    residual = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    value = made(residual, sigma)
    assert value.shape == (3,)
    assert bool((value > 0).all())
    torch.testing.assert_close(made(torch.cat([residual, residual], 1), sigma), value)
    torch.testing.assert_close(made(2 * residual, sigma), 4 * value)
    if isinstance(made, LevelWeighting):
        torch.testing.assert_close(made.weight(sigma) * residual.square().mean(1), value)


@every_objective
def test_the_loss_over_noise_levels_is_a_pure_function_per_sample(objective):
    loss = ScoreMatchingLoss(
        LogNormal(0.0, 0.5), weightings.Pixel(1.0), objective, true_score=lambda x, sigma: -x
    )
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(5, *shape, generator=generator) for shape in ((2, 2), (), (2, 2), (2, 2, 2))]
    denoiser = lambda x, sigma: torch.tanh(x) / (1 + sigma[:, None, None])  # noqa: E731
    whole = loss(denoiser, *parts)
    torch.testing.assert_close(whole[3:4], loss(denoiser, *(part[3:4] for part in parts)))


def test_every_member_states_what_it_is():
    families = (objectives.OBJECTIVES, projections.ALL, weightings.ALL, objectives.IDENTITIES)
    for family in families:
        names = [member.name for member in family]
        assert len(set(names)) == len(names)
        assert all(member.equation for member in family)
    for member in objectives.OBJECTIVES:
        assert member.reference
        assert member.needs <= {TRUE_SCORE, NOISE, PROJECTIONS}


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.diag([1.0, 0.0]), "positive definite"),
        ([[1.0, 0.5], [0.0, 1.0]], "symmetric"),
        ([[1.0, float("nan")], [0.0, 1.0]], "non-finite"),
    ],
)
def test_directions_that_miss_a_direction_are_refused(covariance, message):
    with pytest.raises(ValueError, match=message):
        CorrelatedGaussian(covariance)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="did you mean 'sliced'"):
        objectives.objective_named("slised")
    with pytest.raises(ValueError, match="did you mean 'rademacher'"):
        projections.projections_named("rademaker")
