"""One sitting: instruments that measure the same denoiser in the same state share what it answered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

#: Numbers that a sitting keeps at most; answers beyond are computed again by whoever needs them.
MOST_NUMBERS = 2**24

_answers: ContextVar[dict[Hashable, Tensor] | None] = ContextVar("answers", default=None)


@contextmanager
def sitting() -> Iterator[None]:
    """Until the end of the block the denoiser does not change, and its answers are kept to be shared."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def shared(key: Hashable, rows: int, answer: Callable[[], Tensor]) -> Tensor:
    """The first ``rows`` of what was answered to ``key`` before in this sitting, else ``answer()``, kept.

    ``key`` names all that the answer depends on but its number of rows. Outside a sitting nothing is kept.

    >>> import torch
    >>> with sitting():
    ...     first = shared("noise", 3, lambda: torch.randn(3))
    ...     bool((shared("noise", 2, lambda: torch.randn(2)) == first[:2]).all())
    True
    """
    kept = _answers.get()
    if kept is None:
        return answer()
    if key in kept and len(kept[key]) >= rows:
        return kept[key][:rows]
    fresh = answer()
    if sum(tensor.numel() for tensor in kept.values()) + fresh.numel() <= MOST_NUMBERS:
        kept[key] = fresh
    return fresh
