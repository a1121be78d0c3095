"""Is what a user gives called as it must be? Said before the work, not by an error from inside of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scorelens.objectives.calculus import Score


def refuse_unless_called_as(what: str, call: Any, form: str, n_arguments: int, remedy: str) -> None:
    """``TypeError`` unless ``call`` takes ``n_arguments`` positional arguments, as in its ``form``.

    >>> refuse_unless_called_as("score", lambda x, sigma: x, "score(x)", 1, "fix sigma")
    Traceback (most recent call last):
    TypeError: score must be called as score(x), got one that takes (x, sigma); fix sigma
    """
    if not callable(call):
        raise TypeError(f"{what} must be called as {form}, got {type(call).__name__}; {remedy}")
    signature = _signature(call)
    if signature is None:
        return
    try:
        signature.bind(*[None] * n_arguments)
    except TypeError:
        names = f"({', '.join(signature.parameters)})"
        raise TypeError(f"{what} must be called as {form}, got one that takes {names}; {remedy}") from None


def refuse_unless_a_tensor(score: Score, x: Tensor) -> None:
    """``TypeError`` unless ``score(x)`` is a tensor."""
    with torch.no_grad():
        value = score(x)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"a score must return a tensor of the shape of x, got {type(value).__name__}; "
            "compute it with torch, so that it can be differentiated"
        )


def _signature(call: Callable[..., Any]) -> inspect.Signature | None:
    """``None`` where a callable does not say what it takes."""
    try:
        return inspect.signature(call.forward if isinstance(call, torch.nn.Module) else call)
    except (TypeError, ValueError):
        return None
