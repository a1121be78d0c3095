"""`check_objectives` passes what is right and names what is wrong: every usual bug is planted."""

from __future__ import annotations

import math

import pytest
import torch

from scorelens import objectives
from scorelens.objectives import check_objectives, projections
from scorelens.objectives.base import Draws
from scorelens.objectives.calculus import ScoreAt
from scorelens.objectives.verdicts import BROKEN, HOLDS, SCALED, UNDECIDED

N, SIGMA, DIM = 6000, 0.4, 3
VARIANCE = torch.tensor([1.5, 0.7, 1.1], dtype=torch.float64)


class Normal:
    def sample(self, n: int, generator: torch.Generator, /) -> torch.Tensor:
        return VARIANCE.sqrt() * torch.randn(n, DIM, generator=generator, dtype=torch.float64)

    def score(self, x: torch.Tensor, /) -> torch.Tensor:
        return -x / VARIANCE


def data(n: int = N) -> torch.Tensor:
    return Normal().sample(n, torch.Generator().manual_seed(7))


def noised_score(x):
    return -x / (VARIANCE + SIGMA**2)


def bent(x):
    """A score model that is neither right nor linear."""
    return -x + 0.5 * torch.tanh(x.roll(1, -1) + 0.3)


def finding(report, name):
    (found,) = [f for f in report.findings if f.name == name]
    return found


def test_a_right_score_passes_everything():
    report = check_objectives(noised_score, data(), sigma=SIGMA, true_score=noised_score)
    assert {f.status for f in report.findings} == {HOLDS}
    assert len(report.findings) == 7
    assert report.broken == ()
    assert str(report).count("\n") == 6


def test_identities_hold_for_a_wrong_model_too():
    report = check_objectives(bent, Normal(), n_samples=N)
    assert {f.status for f in report.findings if "=" in f.name} == {HOLDS}
    assert len([f for f in report.findings if "=" in f.name]) == 3


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda x: -noised_score(x), "its sign is wrong"),
        (lambda x: SIGMA * noised_score(x), "divides by sigma where sigma^2 is due"),
        (lambda x: -SIGMA * noised_score(x), "predicted noise, not yet divided by -sigma"),
        (lambda x: SIGMA**2 * noised_score(x), "lacks the division by sigma^2"),
        (lambda x: noised_score(x) / SIGMA, "divides by sigma once too often"),
    ],
)
def test_sign_and_scale_of_a_model(model, words):
    found = finding(check_objectives(model, data(), sigma=SIGMA), "sign and scale of the model")
    assert found.status == BROKEN
    assert words in found.words


def test_scale_without_noise():
    assert finding(check_objectives(Normal().score, data()), "sign and scale of the model").status == HOLDS
    wrong = check_objectives(lambda x: x / VARIANCE, data())
    assert "its sign is wrong" in wrong.broken[0].words
    half = finding(check_objectives(lambda x: 0.5 * Normal().score(x), data()), "sign and scale of the model")
    assert half.status == UNDECIDED
    assert "2 times" in half.words


def test_how_far_off_a_scale_may_be_is_said():
    report = check_objectives(lambda x: 0.93 * Normal().score(x), data())
    near = finding(report, "sign and scale of the model")
    assert near.status == HOLDS
    assert "the data ask for 1.0" in near.words
    assert "within 10 % of 1, which holds" in near.words


def test_a_wrong_true_score_breaks_what_needs_it():
    report = check_objectives(bent, data(), true_score=lambda x: x / VARIANCE)
    assert [f.name.split(" ")[0] for f in report.broken] == ["explicit", "projected"]
    report = check_objectives(bent, data(), sigma=SIGMA, true_score=Normal().score)
    assert "denoising = explicit + 1/2 (d / sigma^2 - E|s_t|^2)" in [f.name for f in report.broken]
    assert "denoising = implicit + d / (2 sigma^2)" not in [f.name for f in report.broken]


def test_a_cut_graph_breaks_what_needs_derivatives():
    def cut(x):
        return bent(x.detach()) + 0 * x

    report = check_objectives(cut, data(), sigma=SIGMA)
    assert [f.name for f in report.broken] == ["denoising = implicit + d / (2 sigma^2)"]
    assert "derivatives are cut" in report.broken[0].words


def test_a_derivative_that_is_zero_everywhere_is_named_without_noise_too():
    (found,) = check_objectives(lambda x: Normal().score(x.detach()), data()).broken
    assert "derivative of the score is zero everywhere" in found.words


@pytest.mark.parametrize("where", [slice(None), slice(3000, 3001)], ids=["everywhere", "one sample"])
def test_a_score_that_is_not_finite_is_broken(where):
    x = data()
    spoiled = x[where].clone()

    def score(at):
        hit = (at[:, None] == spoiled).all(-1).any(1, keepdim=True)
        return Normal().score(at) * torch.where(hit, math.nan, 1.0)

    broken = {f.name: f.words for f in check_objectives(score, x).broken}
    assert {"sliced-vr = implicit", "sign and scale of the model"} <= set(broken)
    assert f"not finite at {len(spoiled):,} of {N:,} samples" in broken["sign and scale of the model"]


def test_arrays_and_plain_numbers_are_taken():
    losses = {"denoising": lambda s, draws: float(RIGHT["denoising"](s, draws).mean())}
    report = check_objectives(noised_score, data().numpy(), sigma=SIGMA, losses=losses)
    assert {f.status for f in report.findings} == {HOLDS}


def test_batches_and_chance_are_noticed():
    centred = check_objectives(lambda x: bent(x) - x.mean(0), data())
    assert "depends on the others" in finding(centred, "each sample alone").words
    noisy = check_objectives(lambda x: bent(x) + 0.1 * torch.rand_like(x), data())
    assert "differs from call to call" in finding(noisy, "each sample alone").words


def test_too_few_samples_are_undecided():
    x = data(100)
    report = check_objectives(lambda x: 0.05 * torch.sin(5 * x), x, true_score=Normal().score)
    found = finding(report, "explicit = implicit + 1/2 E|s|^2")
    assert found.status == UNDECIDED
    assert "too wide to tell; take about 1e" in found.words


RIGHT = {
    name: objectives.objective_named(name)
    for name in ("implicit", "hutchinson", "sliced", "sliced-vr", "explicit", "projected", "denoising")
}


@pytest.mark.parametrize("law", [law() for law in projections.ALL], ids=lambda law: law.name)
def test_right_losses_pass(law):
    losses = {name: loss for name, loss in RIGHT.items() if name != "sliced-vr" or law.trace_factor(DIM) == 1}
    losses["hutchinson"] = objectives.Hutchinson(law)
    report = check_objectives(
        bent, data(), sigma=SIGMA, true_score=noised_score, losses=losses, projections=law
    )
    assert [f.status for f in report.findings if f.name.startswith("loss")] == [HOLDS] * len(losses)


def half_square(s):
    return 0.5 * s.square().sum(1)


def bugs():
    unit = lambda x: torch.nn.functional.normalize(torch.randn_like(x), dim=1)  # noqa: E731

    def with_trace(a, b):
        return lambda s, draws: a * half_square(s(draws.x)) + b * ScoreAt(s, draws.x).divergence()

    def at_target(target):
        return lambda s, draws: half_square(s(draws.x) - target(draws))

    def unit_vectors(s, draws):
        at = ScoreAt(s, draws.x)
        return half_square(at.value) + at.curvature(unit(draws.x))

    def shared_sign(s, draws: Draws):
        at, v = ScoreAt(s, draws.x), torch.randn_like(draws.x).sign()
        return 0.5 * (v * at.value).sum(1).square() - at.curvature(v)

    return [
        ("implicit", with_trace(1, -1), "trace term has the wrong sign: its minimum is -1 times the score"),
        ("implicit", with_trace(2, 1), "the square lacks its factor 1/2"),
        ("implicit", with_trace(1, 0), "is missing, or its graph is cut: its minimum is 0 times the score"),
        ("implicit", with_trace(-1, -1), "to be maximised"),
        ("sliced", shared_sign, "trace term has the wrong sign"),
        ("sliced-vr", unit_vectors, "unit vectors and the trace lacks their factor d"),
        ("denoising", at_target(lambda d: SIGMA * d.noise_score), "noise, not divided by sigma"),
        ("denoising", at_target(lambda d: d.noise_score / SIGMA), "divided by sigma^2 where sigma is due"),
        ("denoising", at_target(lambda d: -d.noise_score), "target has the wrong sign"),
        ("explicit", at_target(lambda d: -d.true_score), "target has the wrong sign"),
    ]


@pytest.mark.parametrize(
    ("name", "loss", "words"), bugs(), ids=lambda part: part if isinstance(part, str) else ""
)
@pytest.mark.parametrize("reduced", [False, True], ids=["per-sample", "mean"])
def test_planted_bugs_are_named(name, loss, words, reduced):
    torch.manual_seed(0)
    whole = (lambda s, draws: loss(s, draws).mean()) if reduced else loss
    x = data(40_000) if reduced else data(20_000)
    report = check_objectives(bent, x, sigma=SIGMA, true_score=noised_score, losses={name: whole})
    found = finding(report, f"loss {name!r}")
    assert found.status == BROKEN, found
    assert words in found.words


def trace_without_graph(s, draws):
    x = draws.x.detach().requires_grad_()
    value = s(x)
    trace = sum(
        torch.autograd.grad(value[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(x.shape[1])
    )
    return half_square(value) + trace


def target_with_a_detached_model(s, draws):
    value = s(draws.x)
    return half_square(value) - (value.detach() * draws.noise_score).sum(1)


@pytest.mark.parametrize(
    ("name", "loss", "lost"),
    [
        ("implicit", trace_without_graph, "trace term"),
        ("implicit", lambda s, draws: RIGHT["implicit"](s, draws).detach(), "square and the trace term"),
        ("denoising", lambda s, draws: RIGHT["denoising"](s, draws).detach(), "square and the target"),
        ("denoising", target_with_a_detached_model, "target"),
        ("denoising", lambda s, d: RIGHT["denoising"](lambda x: s(x.detach()).detach(), d), "square and"),
    ],
)
@pytest.mark.parametrize("score", [bent, noised_score], ids=["wrong model", "right model"])
def test_a_loss_whose_graph_is_cut_is_broken(name, loss, lost, score):
    for whole in (loss, lambda s, draws: loss(s, draws).mean()):
        report = check_objectives(score, data(2000), sigma=SIGMA, losses={name: whole})
        found = finding(report, f"loss {name!r}")
        assert found.status == BROKEN, found
        assert f"no gradient of the {lost}" in found.words
        assert "graph is cut" in found.words


def test_a_gradient_that_is_not_of_the_value_is_broken():
    def straight_through(s, draws):
        value = s(draws.x)
        return half_square(value - draws.noise_score) + half_square(value) - half_square(value.detach())

    losses = {"denoising": straight_through}
    found = finding(check_objectives(bent, data(2000), sigma=SIGMA, losses=losses), "loss 'denoising'")
    assert found.status == BROKEN
    assert "the gradient of the square is 2 times that of its value" in found.words


@pytest.mark.parametrize(
    ("factor", "words"), [(2.0, "1/2 is left out"), (1 / DIM, "divided by d"), (0.7, "0.7")]
)
def test_a_common_factor_is_no_bug_but_is_said(factor, words):
    losses = {"denoising": lambda s, draws: factor * RIGHT["denoising"](s, draws)}
    found = finding(check_objectives(bent, data(), sigma=SIGMA, losses=losses), "loss 'denoising'")
    assert found.status == SCALED
    assert words in found.words
    assert "the minimum is the same" in found.words


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": torch.zeros(50, 2)}, "at least 100, got 50"),
        ({"data": torch.full((200, 2), math.nan)}, "non-finite"),
        ({"data": torch.zeros(200)}, "shape"),
        ({"data": [[0.0, 1.0]] * 200}, "tensor or an array of samples.*got list"),
        ({"sigma": -1.0}, "sigma must be finite and > 0"),
        ({"losses": {"implizit": RIGHT["implicit"]}}, "did you mean 'implicit'"),
        ({"losses": {"denoising": RIGHT["denoising"]}}, "needs sigma"),
        ({"losses": {"explicit": RIGHT["explicit"]}}, "needs true_score"),
        ({"losses": {"implicit": lambda s, draws: s(draws.x)}}, "a loss returns shape"),
        ({"losses": {"implicit": lambda s, draws: draws.x[:, 0] * math.nan}}, "non-finite"),
        (
            {
                "losses": {"sliced": RIGHT["sliced"]},
                "projections": projections.CorrelatedGaussian([[1.0, 0.2, 0], [0.2, 1, 0], [0, 0, 1]]),
            },
            "cannot be judged with correlated-gaussian",
        ),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        check_objectives(bent, **({"data": data(200)} | change))


class NoGenerator(Normal):
    def sample(self, n):  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.randn(n, DIM)


class OfALevel(torch.nn.Module):
    def forward(self, x, sigma):
        return -x / sigma**2


@pytest.mark.parametrize(
    ("score", "change", "message"),
    [
        (
            lambda x, sigma: -x,
            {},
            r"called as score\(x\), got one that takes \(x, sigma\); fix",
        ),
        (OfALevel(), {}, r"got one that takes \(x, sigma\)"),
        (3.0, {}, "score must be called as.*got float"),
        (lambda x: x.numpy(), {}, "must return a tensor of the shape of x, got ndarray"),
        (bent, {"true_score": lambda x, t: x}, "true_score must be called as"),
        (bent, {"true_score": lambda x: None}, "must return a tensor.*got NoneType"),
        (bent, {"losses": {"implicit": lambda s, x, t: x}}, r"the loss 'implicit' must be.*\(s, x, t\)"),
        (bent, {"data": NoGenerator()}, r"law\.sample\(n, generator\), got one that takes \(n\)"),
    ],
)
def test_what_is_called_in_another_way_is_refused(score, change, message):
    with pytest.raises(TypeError, match=message):
        check_objectives(score, **({"data": data(200)} | change))


def test_what_says_nothing_of_its_arguments_is_taken():
    assert check_objectives(torch.neg, torch.randn(200, 2)).findings


def test_a_trace_against_a_matrix_keeps_no_jacobian():
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.randn(3, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    at = ScoreAt(lambda x: torch.tanh(x @ a.T), torch.randn(5, 3, generator=generator, dtype=torch.float64))
    expected = torch.einsum("ij,nij->n", b, at.jacobian())
    torch.testing.assert_close(at.trace_against(b), expected, rtol=1e-12, atol=1e-12)
