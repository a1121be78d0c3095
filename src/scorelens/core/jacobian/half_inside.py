"""Half precision that a function enters by itself: in an autocast of its own, or by a cast."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scorelens.core.jacobian.derivatives import Derivative, RowFunction

# The coarser first: where both occur, it sets the error.
_HALVES: Final = (torch.bfloat16, torch.float16)
# Least relative error of a derivative that is stated, in units of the rounding of its dtype.
_UNITS: Final = 4.0
# Other directions and points may be this much worse than those tried.
_WORSE: Final = 3.0
_DIRECTIONS: Final = 4


def half_inside(function: RowFunction, x: Tensor, other: Tensor) -> torch.dtype | None:
    """``torch.bfloat16`` or ``torch.float16`` if numbers that depend on the point pass through it, else None.

    ``x (b, *event)`` and ``other`` of the same shape are two sets of points: what is half at both and differs
    depends on the point, and weights or noise levels held in half do not. Operations of torch are watched;
    of others (NumPy, compiled code) only an output at ``other`` that holds no more digits than half has is
    noticed, so ``other`` must not be round numbers.

    >>> x = torch.tensor([[0.1, 0.7]])
    >>> half_inside(lambda x: (x.half() + 1).float() / 3, x, x + 0.01)
    torch.float16
    >>> half_inside(lambda x: x + torch.ones(2).half(), x, x + 0.01) is None
    True
    """
    try:
        first, second = (_halves_along(function, points) for points in (x, other))
        output = function(other)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, AttributeError, ValueError, NotImplementedError):
        first, second, output = [], [], None
    for dtype in _HALVES:
        passed = [[total for kind, total in along if kind == dtype] for along in (first, second)]
        if passed[0] != passed[1] or (output is not None and _holds_only(output, dtype)):
            return dtype
    return None


def half_accuracy(dtype: torch.dtype) -> float:
    """The least relative error that is stated of a derivative that passes through ``dtype``.

    >>> round(half_accuracy(torch.bfloat16), 3), round(half_accuracy(torch.float16), 4)
    (0.031, 0.0039)
    """
    return _UNITS * torch.finfo(dtype).eps


def half_error(function: RowFunction, x: Tensor, ways: Iterable[Derivative], draws: torch.Generator) -> float:
    """Relative error of the derivatives ``ways`` at ``x (rows, *event)`` from casts to half, with a margin.

    They are compared with those of the same operations with the casts left out, along a few random
    directions; 0 where that cannot be run.

    >>> from scorelens.core.jacobian.derivatives import ReverseMode
    >>> x = torch.tensor([[0.1, 0.7]])
    >>> half_error(lambda x: x.bfloat16().sin().float(), x, [ReverseMode()], torch.Generator()) > 1e-3
    True
    """
    directions = torch.randn(_DIRECTIONS, *x.shape, generator=draws).to(x)
    worst = 0.0
    for way, direction in itertools.product(ways, directions):
        try:
            narrow = way(function, x, direction).flatten(1)
            with _WithoutHalf():
                wide = way(function, x, direction).flatten(1)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, AttributeError, ValueError):
            continue
        size = wide.norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
        worst = max(worst, float(((narrow - wide).norm(dim=1) / size).max()))
    return _WORSE * worst


def half_words(dtype: torch.dtype, accuracy: float) -> str:
    """What is said of it.

    >>> half_words(torch.bfloat16, 0.03125)
    'evaluated in bfloat16 inside; good to about 3e-02'
    """
    return f"evaluated in {str(dtype).removeprefix('torch.')} inside; good to about {accuracy:.0e}"


class _Watch(TorchDispatchMode):
    """Notes dtype and sum of every half-precision tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[torch.dtype, float]] = []

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        returned = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(returned):
            if isinstance(tensor, Tensor) and tensor.dtype in _HALVES:
                self.seen.append((tensor.dtype, float(tensor.double().sum())))
        return returned


class _WithoutHalf(TorchDispatchMode):
    """Leaves out casts to half precision: they become casts to float32."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if options.get("dtype") in _HALVES:
            options["dtype"] = torch.float32
        return func(*args, **options)


def _halves_along(function: RowFunction, x: Tensor) -> list[tuple[torch.dtype, float]]:
    with torch.no_grad(), _Watch() as watch:
        function(x)
    return watch.seen


def _holds_only(output: Tensor, dtype: torch.dtype) -> bool:
    """Whether the numbers, not all of them whole, are those of ``dtype``."""
    whole = bool((output == output.round()).all())
    return not whole and torch.equal(output.to(dtype).to(output.dtype), output)
