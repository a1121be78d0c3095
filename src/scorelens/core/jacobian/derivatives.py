"""Ways to apply the Jacobian of a function of rows: forward mode, reverse mode, differences."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

RowFunction = Callable[[Tensor], Tensor]
"""``f(x) -> (rows, *event)``, row by row, for ``x (rows, *event)``."""


class Derivative(ABC):
    """One way to push tangents forward, or to pull cotangents back; ``words`` says which."""

    words: ClassVar[str]

    @abstractmethod
    def __call__(self, function: RowFunction, x: Tensor, direction: Tensor) -> Tensor:
        """The derivative at every row of ``x (rows, *event)`` along its ``direction``, of the same shape."""


@final
class ForwardMode(Derivative):
    """``J v`` by one forward pass on dual numbers."""

    words = "forward mode"

    def __call__(self, function: RowFunction, x: Tensor, direction: Tensor) -> Tensor:
        with torch.no_grad(), forward_ad.dual_level():
            output = function(forward_ad.make_dual(x, direction))
            tangent = forward_ad.unpack_dual(output).tangent
            return torch.zeros_like(x) if tangent is None else tangent.clone()


@final
class DoubleReverse(Derivative):
    """``J v = d (u^T J v) / d u``: the reverse pass, linear in its cotangent ``u``, is itself reversed."""

    words = "two reverse passes"

    def __call__(self, function: RowFunction, x: Tensor, direction: Tensor) -> Tensor:
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            output = function(at)
            if not output.requires_grad:
                return torch.zeros_like(x)
            cotangent = torch.zeros_like(output).requires_grad_()
            (pulled,) = torch.autograd.grad(output, at, cotangent, create_graph=True, materialize_grads=True)
            if not pulled.requires_grad:
                return torch.zeros_like(x)
            (pushed,) = torch.autograd.grad(pulled, cotangent, direction, materialize_grads=True)
        return pushed.detach()


@final
class ReverseMode(Derivative):
    """``J^T u`` by one reverse pass."""

    words = "reverse mode"

    def __call__(self, function: RowFunction, x: Tensor, direction: Tensor) -> Tensor:
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            output = function(at)
            if not output.requires_grad:
                return torch.zeros_like(x)
            (pulled,) = torch.autograd.grad(output, at, direction, materialize_grads=True)
        return pulled.detach()


@final
@dataclass(frozen=True)
class Differences(Derivative):
    """``J v`` by central differences: ``(f(x + h v) - f(x - h v)) / 2 h`` for a unit ``v``, error O(h^2).

    ``step (rows,)`` gives ``h`` in the units of ``x``.
    """

    step: Tensor
    words: ClassVar[str] = "central differences, error O(h^2)"

    def __call__(self, function: RowFunction, x: Tensor, direction: Tensor) -> Tensor:
        like = (-1,) + (1,) * (x.ndim - 1)
        length = direction.flatten(1).norm(dim=1).reshape(like)
        h = self.step.reshape(like)
        shift = torch.where(length > 0, h * direction / length.clamp_min(torch.finfo(x.dtype).tiny), 0.0)
        with torch.no_grad():
            return (function(x + shift) - function(x - shift)) * (length / (2 * h))


@contextlib.contextmanager
def mathematical_attention() -> Iterator[None]:
    """Attention by matrix products, which every derivative knows, instead of fused kernels; put back after.

    >>> before = torch.backends.mha.get_fastpath_enabled()
    >>> with mathematical_attention():
    ...     inside = torch.backends.mha.get_fastpath_enabled()
    >>> inside, torch.backends.mha.get_fastpath_enabled() == before
    (False, True)
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@final
@dataclass(frozen=True)
class WithMathematicalAttention(Derivative):
    """Another way, inside `mathematical_attention`."""

    inner: Derivative
    words: ClassVar[str] = "mathematical attention"

    def __call__(self, function: RowFunction, x: Tensor, direction: Tensor) -> Tensor:
        with mathematical_attention():
            return self.inner(function, x, direction)


def in_words(way: Derivative) -> str:
    """What the way is, in words.

    >>> in_words(WithMathematicalAttention(ForwardMode()))
    'forward mode with mathematical attention'
    """
    if isinstance(way, WithMathematicalAttention):
        return f"{in_words(way.inner)} with {way.words}"
    return way.words


def along_many(way: Derivative, function: RowFunction, x: Tensor, directions: Tensor) -> Tensor:
    """The derivative at one point ``x (1, *event)``, evaluated once, along ``directions (k, *event)``.

    By `torch.func.vmap`, of forward and reverse mode only; raises where the function cannot be transformed.

    >>> along_many(ReverseMode(), lambda x: x * x, torch.tensor([[1.0, 2.0]]), torch.eye(2)).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if isinstance(way, WithMathematicalAttention):
        with mathematical_attention():
            return along_many(way.inner, function, x, directions)
    if isinstance(way, ForwardMode):
        return torch.func.vmap(lambda v: torch.func.jvp(function, (x,), (v[None],))[1][0])(directions)
    if isinstance(way, ReverseMode):
        with torch.enable_grad():
            pull = torch.func.vjp(function, x)[1]
            return torch.func.vmap(lambda u: pull(u[None])[0][0])(directions).detach()
    raise TypeError(f"{in_words(way)} takes one direction at a time")
