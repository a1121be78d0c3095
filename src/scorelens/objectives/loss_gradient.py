"""Does the gradient of a user's loss reach the score model, or is its graph cut somewhere?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from scorelens.objectives.base import Draws
from scorelens.objectives.calculus import Score

Loss = Callable[[Score, Draws], Tensor]
"""``loss(score, draws)``: a number per sample, ``(batch,)``, or their mean."""

_GROUPS = 24
_CUT, _SLACK, _LIMIT = 0.02, 0.05, 4.5


class Share(NamedTuple):
    """The part of a term's value whose gradient arrives, with its standard error; 1 is right."""

    value: float
    error: float

    def is_about(self, expected: float, slack: float) -> bool:
        """Whether it may be ``expected``."""
        return abs(self.value - expected) < slack + _LIMIT * self.error

    @property
    def told(self) -> bool:
        """Whether 0 and 1 are told apart."""
        return self.error < 0.1


def gradient_fault(
    loss: Loss, score: Score, draws: Draws, terms: Tensor, weights: Tensor, names: tuple[str, str]
) -> tuple[bool, str] | None:
    """What is wrong with the gradient of a loss, ``None`` if nothing: ``(is it sure, words)``.

    By values the loss is ``w_0 h + w_1 t`` with ``terms (n, 2)`` per sample, named ``names``: half the square
    of the score and what is linear in it. Of ``a s`` it is ``a^2 w_0 h + a w_1 t``: its derivative at
    ``a = 0`` is ``w_1 t``, and ``2 w_0 h`` more at ``a = 1``. A loss of plain numbers has no gradient to
    judge.

    >>> draws = Draws(torch.linspace(0, 1, 200)[:, None])
    >>> cut = lambda score, draws: 0.5 * score(draws.x).detach().square().sum(1) + score(draws.x).sum(1)
    >>> terms = torch.stack([0.5 * draws.x[:, 0] ** 2, draws.x[:, 0]], 1)
    >>> gradient_fault(cut, lambda x: x, draws, terms, torch.ones(2), ("square", "target"))[1]
    'no gradient of the square reaches the model: its graph is cut (detach, no_grad, create_graph=False?)'
    """
    if not isinstance(loss(score, draws.rows(slice(0, len(draws.x) // _GROUPS))), Tensor):
        return None
    rows = torch.arange(len(draws.x)).tensor_split(_GROUPS)
    at_zero, at_one = ([_slope(loss, score, draws.rows(row), a) for row in rows] for a in (0.0, 1.0))
    half, linear = torch.stack([terms[row].mean(0) for row in rows]).double().T * weights[:2, None].cpu()
    from_linear = torch.tensor(at_zero, dtype=torch.float64)
    from_square = torch.tensor(at_one, dtype=torch.float64) - from_linear
    shares = (_share(from_square, 2 * half), _share(from_linear, linear))
    return _words(dict(zip(names, shares, strict=True)))


def _slope(loss: Loss, score: Score, draws: Draws, at: float) -> float:
    """Derivative of the mean loss of ``a s`` in ``a``; 0 where ``a`` has no part in it."""
    with torch.enable_grad():
        a = torch.tensor(at, dtype=draws.x.dtype, device=draws.x.device, requires_grad=True)
        value = loss(lambda x: a * score(x), draws).mean()
        if not value.requires_grad:
            return 0.0
        (slope,) = torch.autograd.grad(value, a, allow_unused=True, materialize_grads=True)
    return float(slope)


def _share(found: Tensor, expected: Tensor) -> Share:
    size = expected.square().sum()
    value = (found * expected).sum() / size
    spread = (expected * (found - value * expected)).square().sum().sqrt() / size
    return Share(float(value), float(spread))


def _words(shares: dict[str, Share]) -> tuple[bool, str] | None:
    if not all(share.told for share in shares.values()):
        return False, "its gradient cannot be told from a cut one here: take more samples"
    lost = [name for name, share in shares.items() if share.is_about(0.0, _CUT)]
    if lost:
        cut = "its graph is cut (detach, no_grad, create_graph=False?)"
        return True, f"no gradient of the {' and the '.join(lost)} reaches the model: {cut}"
    for name, share in shares.items():
        if not share.is_about(1.0, _SLACK):
            return True, f"the gradient of the {name} is {share.value:.3g} times that of its value"
    return None
