"""From two means and their standard error to a verdict in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

HOLDS, BROKEN, SCALED, UNDECIDED = "holds", "broken", "scaled", "undecided"
LIMIT = 4.5
"""Standard errors beyond which a difference is no chance."""
POWER = 0.05
"""Largest standard error, relative to what is compared, at which agreement says something."""
ROUNDING = 1e-5
NEAR = 0.1
"""How far off in scale a model may be: one that is trained, not exact, is not called broken."""


@final
@dataclass(frozen=True)
class Finding:
    """One thing that was verified: ``status`` is holds, broken, scaled or undecided; ``words`` say why.

    ``left`` and ``right`` are the two sides, ``standard_error`` that of their difference (NaN where nothing
    was estimated).
    """

    name: str
    equation: str
    status: str
    words: str
    left: float = math.nan
    right: float = math.nan
    standard_error: float = math.nan


def compare(name: str, equation: str, left: Tensor, right: Tensor, remedy: str) -> Finding:
    """Whether two numbers per sample, ``(n,)`` each, have the same mean.

    >>> same = torch.linspace(1, 2, 200)
    >>> compare("a = b", "[S2]", same, same + 0.5, "look at b").words
    'the sides are 1.5 and 2, 0.5 apart with a standard error of 0; look at b'
    """
    gap, n = left - right, len(left)
    if not bool(torch.isfinite(gap).all()):
        return Finding(name, equation, BROKEN, _not_finite(gap))
    error = float(gap.std()) / n**0.5
    a, b = float(left.mean()), float(right.mean())
    scale, apart = max(abs(a), abs(b)), abs(float(gap.mean()))
    error = 0.0 if error < 1e-3 * ROUNDING * scale else error
    seen = f"the sides are {a:.4g} and {b:.4g}, {apart:.2g} apart with a standard error of {error:.2g}"
    if apart > LIMIT * error + ROUNDING * scale:
        return Finding(name, equation, BROKEN, f"{seen}; {remedy}", a, b, error)
    if error > POWER * scale:
        return Finding(
            name, equation, UNDECIDED, f"{seen}: too wide to tell{_more(n, error, scale)}", a, b, error
        )
    return Finding(name, equation, HOLDS, seen, a, b, error)


def scale_finding(asked: Tensor, square: Tensor, sigma: float | None) -> Finding:
    """The multiple ``mean(asked) / mean(square)`` of a score that its data ask for; 1 is right.

    It holds within 10 % and 4.5 standard errors of 1.

    >>> scale_finding(torch.ones(200), torch.ones(200), None).words
    'the data ask for 1 times this score, with a standard error of 0: within 10 % of 1, which holds'
    """
    name, equation, n = "sign and scale of the model", "score estimation [S2], [S3]", len(asked)
    size = float(square.mean())
    if not bool(torch.isfinite(asked + square).all()):
        return Finding(name, equation, BROKEN, _not_finite(asked + square))
    if not size > 0:
        return Finding(name, equation, UNDECIDED, "the score is zero everywhere: nothing to scale")
    if not bool(asked.any()):
        return Finding(
            name,
            equation,
            BROKEN,
            "the derivative of the score is zero everywhere: is its graph cut (no_grad, detach)?",
            0.0,
            1.0,
        )
    multiple = float(asked.mean()) / size
    error = float((asked - multiple * square).std()) / n**0.5 / size  # ratio of two means
    seen = f"the data ask for {multiple:.3g} times this score, with a standard error of {error:.2g}"
    if abs(multiple - 1) < NEAR + LIMIT * error:
        if error < NEAR / 2:
            near = NEAR if abs(multiple - 1) < NEAR else NEAR + LIMIT * error
            words = f"{seen}: within {100 * near:.0f} % of 1, which holds"
            return Finding(name, equation, HOLDS, words, multiple, 1.0, error)
        return Finding(name, equation, UNDECIDED, f"{seen}: too wide to tell", multiple, 1.0, error)
    reasons = [why for value, why in _usual_scales(sigma) if abs(multiple - value) < NEAR * abs(value)]
    if not reasons:
        words = f"{seen}; it is not trained to its end, or scaled in an unusual way"
        return Finding(name, equation, UNDECIDED, words, multiple, 1.0, error)
    return Finding(name, equation, BROKEN, f"{seen}: {' or '.join(reasons)}", multiple, 1.0, error)


def _usual_scales(sigma: float | None) -> list[tuple[float, str]]:
    usual = [(-1.0, "its sign is wrong")]
    if sigma is not None and abs(sigma - 1) > 2 * NEAR:
        usual += [
            (1 / sigma, "it divides by sigma where sigma^2 is due"),
            (-1 / sigma, "it is the predicted noise, not yet divided by -sigma"),
            (1 / sigma**2, "it lacks the division by sigma^2"),
            (-1 / sigma**2, "it lacks the division by sigma^2, and its sign is wrong"),
            (sigma, "it divides by sigma once too often"),
            (-sigma, "it divides by sigma once too often, and its sign is wrong"),
            (sigma**2, "it divides by sigma^2 twice"),
        ]
    return usual


def _not_finite(values: Tensor) -> str:
    count = int((~torch.isfinite(values)).sum())
    return f"the score or its derivative is not finite at {count:,} of {len(values):,} samples"


def _more(n: int, error: float, scale: float) -> str:
    if not scale > 0 or error > 1e3 * scale:
        return ""
    needed = torch.tensor(n * (error / (POWER * scale)) ** 2).log10().ceil()
    return f"; take about 1e{int(needed)} samples"
