"""Does a score model, or a loss, obey the identities of score matching? Measured, and said in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.objectives.base import NOISE, PROJECTIONS, TRUE_SCORE, Draws
from scorelens.objectives.calculus import Score, ScoreAt
from scorelens.objectives.callables import refuse_unless_a_tensor, refuse_unless_called_as
from scorelens.objectives.loss_anatomy import Loss, dissect
from scorelens.objectives.projections import ProjectionLaw, Rademacher
from scorelens.objectives.relations import IDENTITIES, Identity
from scorelens.objectives.verdicts import BROKEN, Finding, compare, scale_finding

LEAST_SAMPLES = 100
_BLOCK = 2048
_SHOWN = 64


@runtime_checkable
class KnownLaw(Protocol):
    """A law to draw from whose score is known.

    >>> class Normal:
    ...     def sample(self, n, generator):
    ...         return torch.randn(n, 2, generator=generator)
    ...     def score(self, x):
    ...         return -x
    >>> isinstance(Normal(), KnownLaw), check_objectives(Normal().score, Normal()).broken
    (True, ())
    """

    def sample(self, n: int, generator: torch.Generator, /) -> Tensor:
        """``n`` draws, ``(n, *event)``."""
        ...

    def score(self, x: Tensor, /) -> Tensor:
        """Gradient of the log density at ``x (batch, *event)``, of the same shape."""
        ...


@final
@dataclass(frozen=True)
class ObjectiveReport:
    """What `check_objectives` found; ``str(report)`` is one line per finding.

    >>> x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    >>> report = check_objectives(lambda x: x, x)
    >>> [finding.name for finding in report.broken]
    ['sign and scale of the model']
    """

    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings that say that something is wrong."""
        return tuple(finding for finding in self.findings if finding.status == BROKEN)

    def __str__(self) -> str:
        return "\n".join(f"{finding.status:9} {finding.name}: {finding.words}" for finding in self.findings)


def check_objectives(
    score: Score,
    data: Tensor | np.ndarray | KnownLaw,
    *,
    true_score: Score | None = None,
    sigma: float | None = None,
    losses: Mapping[str, Loss] | None = None,
    projections: ProjectionLaw | None = None,
    n_samples: int = 4096,
    seed: int = 0,
) -> ObjectiveReport:
    """Verify numerically, with standard errors, what must hold for ``score(x) -> (batch, *event)``.

    ``data`` are samples ``(n, *event)``, a tensor or an array, or a `KnownLaw`, of which ``n_samples`` are
    drawn. With ``sigma``, normal noise of this standard deviation is added and ``score`` is to be that of the
    noised data.
    ``true_score`` is the score of the points that ``score`` sees, if it is known. Verified are

    - the identities between objectives (`IDENTITIES`), which hold for *every* score model that is
      differentiable and treats its samples one by one;
    - sign and scale of the model: the multiple of it that the data ask for, which holds within 10 % (and 4.5
      standard errors) of 1, as a trained model is never exact;
    - ``losses``, the user's own: each is called as ``loss(score, draws)``, named as the objective that it is
      meant to be (``implicit``, ``hutchinson``, ``sliced``, ``sliced-vr``, ``explicit``, ``projected``,
      ``denoising``) and returns a number per sample or their mean. It may use the directions of the draws,
      which follow ``projections`` (Rademacher unless given), or draw its own. Its values are judged, and if
      it returns tensors, whether the gradient of every part reaches the score.

    A finding is ``holds``, ``broken``, ``scaled`` (right but for a factor, with the same minimum) or
    ``undecided`` (too few samples to tell). The exact trace takes d reverse passes per block of samples.

    Raises ``ValueError`` for fewer than 100 samples, samples that are not finite, and a loss of unknown name
    or that needs what is not given; ``TypeError`` for a score, a loss or a law that is called in another way,
    and a score that returns no tensor.

    >>> x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    >>> wrong_sign = lambda score, draws: 0.5 * score(draws.x).square().sum(1) + 2.0  # the trace is -2
    >>> report = check_objectives(lambda x: -x, x, losses={"implicit": wrong_sign})
    >>> print(report.broken[0].words)
    the trace term has the wrong sign: its minimum is -1 times the score
    """
    _refuse_other_calls(score, data, true_score, losses or {})
    generator = _own_generator(seed)
    law = Rademacher() if projections is None else projections
    clean, known = _samples(data, n_samples, generator, true_score, sigma)
    for given_score in (score,) if known is None else (score, known):
        refuse_unless_a_tensor(given_score, clean[:2])
    draws = _draws(clean, known, sigma, law, generator)
    given = _given(draws)
    findings = [_each_sample_alone(score, draws.x)]
    findings += [_identity(member(), score, draws, law) for member in IDENTITIES if member.needs <= given]
    findings.append(_scale(score, draws, sigma))
    for name, loss in (losses or {}).items():
        findings.append(dissect(name, loss, score, draws, law, sigma))
    return ObjectiveReport(tuple(findings))


def _refuse_other_calls(
    score: Score, data: object, true_score: Score | None, losses: Mapping[str, Loss]
) -> None:
    at_a_level = "fix the noise level, as in lambda x: score(x, sigma)"
    refuse_unless_called_as("score", score, "score(x)", 1, at_a_level)
    if true_score is not None:
        refuse_unless_called_as("true_score", true_score, "true_score(x)", 1, at_a_level)
    for name, loss in losses.items():
        form = "loss(score, draws)"
        refuse_unless_called_as(f"the loss {name!r}", loss, form, 2, "take the noise and more from the draws")
    if isinstance(data, KnownLaw) and not isinstance(data, Tensor | np.ndarray):
        form = "law.sample(n, generator)"
        refuse_unless_called_as("the law's sample", data.sample, form, 2, "draw from the generator given")
        refuse_unless_called_as("the law's score", data.score, "law.score(x)", 1, at_a_level)


def _own_generator(seed: int) -> torch.Generator:
    """A stream apart from ``torch.manual_seed(seed)``, which the user's losses may draw from."""
    apart = np.random.SeedSequence((seed, 0x5C03E)).generate_state(1, np.uint64)[0] >> np.uint64(1)
    return torch.Generator().manual_seed(int(apart))


def _samples(
    data: Tensor | np.ndarray | KnownLaw,
    n_samples: int,
    generator: torch.Generator,
    true_score: Score | None,
    sigma: float | None,
) -> tuple[Tensor, Score | None]:
    if isinstance(data, Tensor | np.ndarray):
        x = torch.as_tensor(data)
    elif not isinstance(data, KnownLaw):
        raise ValueError(
            f"data must be a tensor or an array of samples, or a law with sample and score, got "
            f"{type(data).__name__}; convert it with torch.as_tensor"
        )
    else:
        x = data.sample(n_samples, generator)
        if sigma is None and true_score is None:
            true_score = data.score
    if x.ndim < 2 or not x.is_floating_point():
        raise ValueError(f"data must be floating and of shape (n, *event), got {x.dtype} {tuple(x.shape)}")
    checks.at_least("number of samples", len(x), LEAST_SAMPLES, "standard errors need more")
    checks.finite("data", x.detach().cpu())
    if sigma is not None:
        checks.positive("sigma", sigma)
    return x.detach(), true_score


def _draws(
    clean: Tensor,
    true_score: Score | None,
    sigma: float | None,
    law: ProjectionLaw,
    generator: torch.Generator,
) -> Draws:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(clean)

    noise = None if sigma is None else normal(*clean.shape)
    x = clean if sigma is None or noise is None else clean + sigma * noise
    directions = law.draw(normal(len(x), 1, x[0].numel()))
    return Draws(
        x,
        None if true_score is None else true_score(x).detach(),
        None if sigma is None or noise is None else -noise / sigma,
        directions,
        None if sigma is None else x.new_full((len(x),), sigma),
    )


def _given(draws: Draws) -> frozenset[str]:
    parts = {TRUE_SCORE: draws.true_score, NOISE: draws.noise_score, PROJECTIONS: draws.projections}
    return frozenset(need for need, part in parts.items() if part is not None)


def _each_sample_alone(score: Score, x: Tensor) -> Finding:
    few = x[: max(2, min(_SHOWN, len(x) // 2))]
    with torch.no_grad():
        whole, alone, again = score(x[: 2 * len(few)])[: len(few)], score(few), score(few)
    name, scale = "each sample alone", float(alone.abs().max())
    if not bool(torch.isfinite(alone).all() and torch.isfinite(whole).all()):
        words = "the score is not finite at some samples"
        return Finding(name, "score estimation, section 1", BROKEN, words)
    slack = 1e4 * torch.finfo(x.dtype).eps * max(scale, 1e-30)
    if float((alone - again).abs().max()) > slack:
        return Finding(
            name, "score estimation, section 1", BROKEN, "the score differs from call to call: drop-out?"
        )
    if float((alone - whole).abs().max()) > slack:
        words = (
            "the score of a sample depends on the others of its batch: batch normalisation in training mode?"
        )
        return Finding(name, "score estimation, section 1", BROKEN, words)
    return Finding(name, "score estimation, section 1", "holds", "the score of a sample depends on it alone")


def _identity(identity: Identity, score: Score, draws: Draws, law: ProjectionLaw) -> Finding:
    left, right = _in_blocks(lambda part: identity.parts(score, part, law), draws)
    return compare(identity.name, identity.equation, left, right, _remedy(identity))


def _remedy(identity: Identity) -> str:
    if TRUE_SCORE in identity.needs and NOISE not in identity.needs:
        return "the score model's derivatives are cut or wrong, or true_score is not that of these points"
    if TRUE_SCORE in identity.needs:
        return "true_score is not the score of the noised data"
    return "the score model's derivatives are cut or wrong (no_grad, detach, rounding, a step function?)"


def _scale(score: Score, draws: Draws, sigma: float | None) -> Finding:
    """The multiple a of the model with the least loss: ``a E |s|^2 = -E tr grad s``, or ``E s . target``."""

    def parts(part: Draws) -> tuple[Tensor, Tensor]:
        if part.noise_score is not None:
            value = score(part.x).flatten(1)
            return (value * part.noise_score.flatten(1)).sum(1), value.square().sum(1)
        at = ScoreAt(score, part.x)
        return -at.divergence(), at.value.square().sum(1)

    asked, square = _in_blocks(parts, draws)
    return scale_finding(asked, square, sigma)


def _in_blocks(parts: Callable[[Draws], tuple[Tensor, Tensor]], draws: Draws) -> tuple[Tensor, Tensor]:
    starts = range(0, len(draws.x), _BLOCK)
    with torch.no_grad():
        pairs = [parts(draws.rows(slice(start, start + _BLOCK))) for start in starts]
    left, right = (torch.cat(side).double() for side in zip(*pairs, strict=True))
    return left, right
