"""What a user's loss is made of: how much of the model's square and how much of its trace or target."""

from __future__ import annotations

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.objectives.base import Draws, half_square
from scorelens.objectives.calculus import Score, ScoreAt
from scorelens.objectives.loss_gradient import Loss, gradient_fault
from scorelens.objectives.projections import ProjectionLaw
from scorelens.objectives.verdicts import BROKEN, HOLDS, LIMIT, SCALED, UNDECIDED, Finding

BY_TRACE = ("implicit", "hutchinson", "sliced", "sliced-vr")
BY_TARGET = ("explicit", "projected", "denoising")
NEEDED = {"explicit": "true_score", "projected": "true_score", "denoising": "noise_score"}
ARGUMENT = {"true_score": "true_score", "noise_score": "sigma"}
_GROUPS = 512
_TOLERANCE = 0.02
_EXACT = 1e-3


def dissect(
    name: str, loss: Loss, score: Score, draws: Draws, law: ProjectionLaw, sigma: float | None
) -> Finding:
    """Split a loss over samples into ``a`` halves of the square and ``b`` of trace or target, and judge both.

    Right is ``a = b = 1``, and ``1 / c`` where slicing divides by the factor ``c`` of the law. Its minimum is
    ``b / a`` times the score, if the gradient of both parts reaches the score (`gradient_fault`).
    Raises ``ValueError`` for an unknown name and missing needs.
    """
    kind = checks.choice("objective of a loss", name, (*BY_TRACE, *BY_TARGET))
    label, dim = f"loss {name!r}", draws.x[0].numel()
    equation = "score estimation [S1]-[S3], [L1]-[L3]"
    if kind in NEEDED and getattr(draws, NEEDED[kind]) is None:
        raise ValueError(f"the loss {name!r} needs {ARGUMENT[NEEDED[kind]]}; give it to check_objectives")
    if (factor := law.trace_factor(dim)) is None:
        raise ValueError(f"a loss cannot be judged with {law.name} directions; use rademacher ones")
    parts, values = _parts(kind, score, draws), _values(loss, score, draws)
    terms = parts[:, :2]
    if len(values) < len(parts):
        parts = torch.stack([group.mean(0) for group in parts.tensor_split(len(values))])
    weights, errors = _regress(parts, values)
    square, other = float(weights[0]), float(weights[1])
    if not bool(torch.isfinite(weights).all()) or max(float(errors[0]), float(errors[1])) > 0.1 * abs(square):
        words = "square and trace cannot be told apart here: take more samples, or a less simple score model"
        return Finding(label, equation, UNDECIDED, words, square, other, float(errors[1]))
    expected = 1.0 / factor if kind in ("sliced", "projected") else 1.0
    ratio, slack = other / square, LIMIT * float(errors[:2].sum()) / abs(square) + _TOLERANCE
    term = "trace term" if kind in BY_TRACE else "target"
    error = float(errors[1])
    if abs(ratio - 1) > slack:
        usual = _usual_ratios(term, dim, sigma if term == "target" else None)
        reasons = [why for value, why in usual if abs(ratio - value) < slack + _EXACT] or [
            f"the {term} weighs {other:.3g} where the square weighs {square:.3g}"
        ]
        shown = 0.0 if abs(ratio) < _EXACT else ratio
        words = f"{' or '.join(reasons)}: its minimum is {shown:.3g} times the score"
        return Finding(label, equation, BROKEN, words, square, other, error)
    if square < 0:
        return Finding(
            label, equation, BROKEN, "its sign is wrong: it is to be maximised", square, other, error
        )
    if fault := gradient_fault(loss, score, draws, terms, weights, ("square", term)):
        sure, words = fault
        return Finding(label, equation, BROKEN if sure else UNDECIDED, words, square, other, error)
    if abs(square / expected - 1) > slack:
        words = f"it is {square / expected:.3g} times the objective{_factor_word(square, expected, dim)}"
        return Finding(label, equation, SCALED, f"{words}; the minimum is the same", square, other, error)
    return Finding(
        label, equation, HOLDS, "square and " + term + " have the right signs and factors", 1.0, ratio, error
    )


def _parts(kind: str, score: Score, draws: Draws) -> Tensor:
    """Regressors ``(n, k)``: half the square, then the trace, or minus the product with the target."""
    if kind in BY_TRACE:
        with torch.no_grad():
            at = ScoreAt(score, draws.x)
            return torch.stack([half_square(at.value), at.divergence()], 1).double()
    target = getattr(draws, NEEDED[kind]).flatten(1)
    with torch.no_grad():
        value = score(draws.x).flatten(1)
    # The target's own square is a constant of the model: it takes no part in the verdict.
    return torch.stack([half_square(value), -(value * target).sum(1), half_square(target)], 1).double()


def _values(loss: Loss, score: Score, draws: Draws) -> Tensor:
    """The loss per sample, or per group of samples if it returns a mean."""
    found = torch.as_tensor(loss(score, draws)).detach().double()
    if found.shape == (len(draws.x),):
        return _finite(found)
    if found.numel() != 1:
        raise ValueError(f"a loss returns shape ({len(draws.x)},) or one number, got {tuple(found.shape)}")
    groups = range(min(_GROUPS, len(draws.x) // 8))
    rows = torch.arange(len(draws.x)).tensor_split(len(groups))
    means = [torch.as_tensor(loss(score, draws.rows(row))).detach().double().reshape(()) for row in rows]
    return _finite(torch.stack(means))


def _finite(values: Tensor) -> Tensor:
    checks.finite("loss", values.cpu())
    return values


def _regress(parts: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Least squares, with standard errors for unequal spread; NaN if the parts are not independent."""
    size = parts.norm(dim=0).clamp_min(torch.finfo(parts.dtype).tiny)
    scaled = parts / size
    gram = scaled.T @ scaled
    if float(torch.linalg.cond(gram)) > 1e10:
        return torch.full_like(size, torch.nan), torch.full_like(size, torch.nan)
    inverse = torch.linalg.inv(gram)
    weights = inverse @ (scaled.T @ values)
    pull = scaled * (values - scaled @ weights)[:, None]
    errors = (inverse @ (pull.T @ pull) @ inverse).diagonal().clamp_min(0).sqrt()
    return weights / size, errors / size


def _usual_ratios(term: str, dim: int, sigma: float | None) -> list[tuple[float, str]]:
    usual = [
        (-1.0, f"the {term} has the wrong sign"),
        (0.0, f"the {term} is missing, or its graph is cut"),
        (0.5, "the square lacks its factor 1/2"),
        (2.0, f"the square is halved twice, or the {term} counts double"),
    ]
    if term == "trace term":
        usual.append((1.0 / dim, "directions are unit vectors and the trace lacks their factor d"))
    if sigma is not None:
        usual += [
            (sigma, "the target is the noise, not divided by sigma"),
            (1 / sigma, "the target is divided by sigma^2 where sigma is due"),
            (-sigma, "the target is the noise, not divided by -sigma"),
        ]
    return usual


def _factor_word(square: float, expected: float, dim: int) -> str:
    factor = square / expected
    if abs(factor * dim - 1) < _TOLERANCE * dim:
        return " (divided by d: an average over coordinates, or unit vectors)"
    if abs(factor - 2) < _TOLERANCE:
        return " (the factor 1/2 is left out)"
    return ""
