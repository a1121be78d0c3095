"""Which way of differentiating a denoiser works, tried in order and held against differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from scorelens.core.evaluation import generator
from scorelens.core.jacobian.derivatives import (
    Derivative,
    Differences,
    DoubleReverse,
    ForwardMode,
    ReverseMode,
    RowFunction,
    WithMathematicalAttention,
    in_words,
)

WAYS: Final = ("auto", "forward", "reverse", "differences")
# Derivatives that differ by more than this share are told apart from rounding and curvature.
_AGREE = 0.1
# Characters of a failure's message that are kept.
_LONG = 160

Holds = Callable[[Tensor], bool]


class NotDifferentiableError(ValueError):
    """The denoiser does not give what was asked for; the message says what still works."""


@dataclass(frozen=True)
class Ways:
    """How ``J v`` and ``J^T v`` are computed; None is by differences, or by forming the Jacobian.

    ``accuracy`` is about the relative error of one application, ``failures`` says what did not work.
    """

    forward: Derivative | None
    reverse: Derivative | None
    accuracy: float
    failures: tuple[str, ...]

    @property
    def columns_are_cheaper(self) -> bool:
        """Whether the whole Jacobian costs less by ``J e_a`` than by ``J^T e_a``.

        A reverse pass skips the weights, and was 1.5 times faster than dual numbers in convolutions.
        """
        return self.reverse is None

    @property
    def words(self) -> str:
        pushed = Differences.words if self.forward is None else in_words(self.forward)
        pulled = "the formed Jacobian" if self.reverse is None else in_words(self.reverse)
        return "; ".join([f"J v by {pushed}", f"J^T v by {pulled}", *self.failures])


def difference_step(x: Tensor, value: Tensor, sigma: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Steps ``(rows,)`` of central differences at flat ``x`` and ``value``, in the units of ``x``.

    ``dtype`` is the one that the values are rounded to, by default that of ``x``.

    A denoiser varies on the scale of ``sigma``: the rounding error ``eps |x| / h`` meets the truncation error
    ``(h / sigma)^2`` at the cube root.
    """
    size = value.norm(dim=1).maximum(x.norm(dim=1)) / sigma
    return sigma * (torch.finfo(dtype or x.dtype).eps * size).pow(1 / 3).clamp(1e-5, 0.5)


def chosen_ways(function: RowFunction, x: Tensor, step: Tensor, way: str, least: float = 0.0) -> Ways:
    """The first ways of ``way`` (one of `WAYS`) that run on ``x (rows, *event)`` and agree with differences.

    ``least`` is the relative error of one application that is known beforehand.

    A wrong derivative that raises nothing (part of the computation detached from its input) is thus found.
    Raises `NotDifferentiableError` where a chosen way fails.

    >>> x = torch.ones(1, 2)
    >>> chosen_ways(lambda x: x.detach() * 2, x, torch.tensor([0.1]), "auto").words
    'J v by central differences, error O(h^2); J^T v by the formed Jacobian; forward mode disagrees with ...'
    """
    probe = _Probe.of(function, x, step, least)
    if way == "differences":
        return Ways(None, None, probe.accuracy, ())
    failures: list[str] = []
    candidates = {"forward": [ForwardMode()], "reverse": [DoubleReverse()]}
    forward = probe.first(candidates.get(way, [ForwardMode(), DoubleReverse()]), failures)
    if forward is None and way != "auto":
        raise NotDifferentiableError(f"{'; '.join(failures)}; way='auto' or 'differences' still works")
    reverse = probe.first_adjoint([ReverseMode()], forward, failures)
    accuracy = probe.accuracy if forward is None else probe.rounding
    return Ways(forward, reverse, accuracy, tuple(failures))


@dataclass(frozen=True)
class _Probe:
    """One direction of unit length at every row, and differences along it with their error ``doubt``."""

    function: RowFunction
    x: Tensor
    direction: Tensor
    differences: Tensor
    doubt: float
    least: float
    worst: float

    @classmethod
    def of(cls, function: RowFunction, x: Tensor, step: Tensor, least: float) -> _Probe:
        one = torch.randn(x.shape[1:], generator=generator(0, "jacobian", "probe")).to(x)
        direction = (one / one.norm()).expand_as(x)
        differences = Differences(step)(function, x, direction)
        wider = Differences(2 * step)(function, x, direction)
        # Doubling the step multiplies the error by four, and halves it where it is rounding (of which one
        # draw is seen: a margin of two).
        share = 0.25 if least > 0 else 3.0
        doubts = (wider - differences).flatten(1).norm(dim=1) / share
        sizes = differences.flatten(1).norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
        worst = float((doubts / sizes).max()) if least > 0 else 0.0
        return cls(function, x, direction, differences, float(doubts.norm()), least, worst)

    @property
    def rounding(self) -> float:
        """Relative rounding error of one application."""
        return max(self.x[0].numel() ** 0.5 * torch.finfo(self.x.dtype).eps, self.least)

    @property
    def accuracy(self) -> float:
        """Relative error of differences; where they are rounded to half, at the worst of the points."""
        return max(self.doubt / max(float(self.differences.norm()), self.rounding), self.rounding, self.worst)

    def first(self, candidates: list[Derivative], failures: list[str]) -> Derivative | None:
        """The first candidate whose ``J v`` agrees with differences."""
        slack = _AGREE * float(self.differences.norm()) + 5 * self.doubt + self.rounding

        def agrees(pushed: Tensor) -> bool:
            return bool((pushed - self.differences).norm() <= slack)

        return self._first(candidates, self.direction, agrees, failures)

    def first_adjoint(
        self, candidates: list[Derivative], forward: Derivative | None, failures: list[str]
    ) -> Derivative | None:
        """The first candidate with ``<u, J v> = <J^T u, v>`` for ``u = J v``."""
        pushed = forward(self.function, self.x, self.direction) if forward else self.differences
        expected = pushed.square().sum()
        doubt = 0.0 if forward else 5 * self.doubt
        slack = (_AGREE * pushed.norm() + doubt + self.rounding) * pushed.norm()

        def is_adjoint(pulled: Tensor) -> bool:
            return bool(((pulled * self.direction).sum() - expected).abs() <= slack)

        return self._first(candidates, pushed, is_adjoint, failures)

    def _first(
        self, candidates: list[Derivative], direction: Tensor, holds: Holds, failures: list[str]
    ) -> Derivative | None:
        for plain in candidates:
            for candidate in (plain, WithMathematicalAttention(plain)):
                try:
                    found = candidate(self.function, self.x, direction)
                except torch.OutOfMemoryError:
                    raise
                except (RuntimeError, TypeError, AttributeError, ValueError) as error:
                    reason = (str(error).splitlines() or [type(error).__name__])[0]
                    failures.append(f"{in_words(candidate)} failed ({reason[:_LONG]})")
                    continue
                if holds(found):
                    return candidate
                failures.append(f"{in_words(candidate)} disagrees with differences")
                break
        return None
