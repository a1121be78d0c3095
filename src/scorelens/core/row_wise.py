"""Functions that act on every row alone, under the transforms of `torch.func`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor

Rule = Callable[..., Tensor]
"""Tensors ``(batch, ...)`` to one ``(batch, ...)``, every row from the same row of each, differentiable."""


def row_wise(rule: Rule, *tensors: Tensor) -> Tensor:
    """``rule(*tensors)``, also where `torch.func` transforms it and the rule looks at the numbers given.

    Inside ``vmap``, ``grad``, ``vjp``, ``jvp``, ``jacrev``, ``jacfwd``, and any of them inside another, the
    rule is called on plain tensors only: an axis of ``vmap`` becomes part of the batch, and derivatives are
    those of autograd (of any order, if the rule is differentiable that often). Elsewhere it is just called.

    >>> half = lambda x: x / 2 if bool((x > 0).all()) else -x / 2
    >>> torch.func.vmap(torch.func.grad(lambda x: row_wise(half, x[None])[0]))(torch.tensor([3.0, 4.0]))
    tensor([0.5000, 0.5000])
    """
    if not torch._C._are_functorch_transforms_active():
        return rule(*tensors)
    return _RowWise.apply(rule, *tensors)  # pyright: ignore[reportReturnType]


@final
class _RowWise(torch.autograd.Function):
    @staticmethod
    def forward(rule: Rule, *tensors: Tensor) -> Tensor:
        return rule(*(tensor.detach() for tensor in tensors))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.rule, tensors = inputs[0], inputs[1:]
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors, torch.zeros_like(output))
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        if cotangent is None:
            return (None,) * (len(tensors) + 1)
        slopes = (
            _RowWise.apply(_pullback(ctx.rule, index), *tensors, cotangent) if needed else None
            for index, needed in enumerate(ctx.needs_input_grad[1:])
        )
        return None, *slopes  # pyright: ignore[reportReturnType]

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensor:
        *tensors, nothing = ctx.saved_tensors
        # A pullback is linear in its cotangent; its own pullback there is the push of a tangent.
        pushed = [
            _RowWise.apply(_pullback(_pullback(ctx.rule, index), len(tensors)), *tensors, nothing, tangent)
            for index, tangent in enumerate(tangents)
            if tangent is not None
        ]
        # Plain operations in here lose the tangents of outer levels of `jvp`.
        return _RowWise.apply(_total, *pushed) if pushed else nothing  # pyright: ignore[reportReturnType]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], rule: Rule, *tensors: Tensor) -> tuple[Tensor, int]:
        count = info.batch_size
        folded = [
            (t.expand(count, *t.shape) if axis is None else t.movedim(axis, 0)).flatten(0, 1)
            for t, axis in zip(tensors, in_dims[1:], strict=True)
        ]
        found: Any = _RowWise.apply(rule, *folded)
        return found.unflatten(0, (count, len(found) // max(count, 1))), 0


def _pullback(rule: Rule, index: int) -> Rule:
    """``(*tensors, cotangent)`` to the cotangent of ``tensors[index]``: a rule again, so of any order."""

    def pulled(*given: Tensor) -> Tensor:
        with _plain_autograd():
            given = tuple(tensor.clone() if tensor.is_inference() else tensor for tensor in given)
            *tensors, cotangent = given
            at = tensors[index]
            at = at if at.requires_grad else at.detach().requires_grad_()
            value = rule(*tensors[:index], at, *tensors[index + 1 :])
            if not value.requires_grad:
                return torch.zeros_like(at)
            deeper = any(tensor.requires_grad for tensor in given)
            (slope,) = torch.autograd.grad(
                value, at, cotangent, create_graph=deeper, allow_unused=True, materialize_grads=True
            )
        return slope

    return pulled


def _total(*terms: Tensor) -> Tensor:
    return torch.stack(terms).sum(0)


@contextmanager
def _plain_autograd() -> Iterator[None]:
    """Derivatives as outside of all transforms, checkpoints included."""
    hooks: Any = torch._C._autograd  # pyright: ignore[reportAttributeAccessIssue]
    refused = hooks._saved_tensors_hooks_get_disabled_error_message()
    hooks._saved_tensors_hooks_enable()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        if refused is not None:
            hooks._saved_tensors_hooks_disable(refused)
