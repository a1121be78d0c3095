"""A function that looks at its numbers, under every transform of torch.func, against one that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.utils.checkpoint import checkpoint

from scorelens.core.row_wise import row_wise

Function = Callable[[Tensor, Tensor], Tensor]


def plain(x: Tensor, sigma: Tensor) -> Tensor:
    """Every row alone, ``(b, d), (b,)`` to ``(b, d)``, nonlinear in both."""
    return (torch.softmax(1.5 * x, 1) * x).sum(1, keepdim=True) * x / sigma[:, None]


def looking(x: Tensor, sigma: Tensor) -> Tensor:
    if not bool((sigma > 0).all()):
        raise ValueError("sigma must be > 0")
    if x.requires_grad:
        made = checkpoint(plain, x, sigma, use_reentrant=False)
        assert isinstance(made, Tensor)
        return made
    return plain(x, sigma)


def ours(x: Tensor, sigma: Tensor) -> Tensor:
    return row_wise(looking, x, sigma)


@pytest.fixture
def given() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    return x, torch.rand(4, generator=generator, dtype=torch.float64) + 0.5


def row(f: Function) -> Function:
    return lambda x, sigma: f(x[None], sigma[None])[0]


def pushed(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda t: jvp(f, (t,), (torch.ones_like(t),))[1]


TRANSFORMS: dict[str, Callable[[Function], Callable]] = {
    "jacrev": lambda f: jacrev(f, (0, 1)),
    "jacfwd": lambda f: jacfwd(f, (0, 1)),
    "jacfwd of jacrev": lambda f: jacfwd(jacrev(f)),
    "jacrev of jacfwd": lambda f: jacrev(jacfwd(f)),
    "hessian": lambda f: hessian(lambda x, s: f(x, s).sum()),
    "third derivative": lambda f: jacrev(jacrev(jacrev(lambda x, s: f(x, s).sum(0)))),
    "third derivative along a line": lambda f: (
        lambda x, s: pushed(pushed(pushed(lambda t: f(x + t * x.cos(), s * t.exp()))))(
            torch.zeros(()).double()
        )
    ),
    "grad of grad": lambda f: grad(lambda x, s: grad(lambda y: f(y, s).sum())(x).square().sum()),
    "vmap of rows": lambda f: vmap(row(f)),
    "vmap over an inner axis": lambda f: (
        lambda x, s: vmap(lambda e: f(e, s[:2]), in_dims=1)(torch.stack([x, 2 * x]))
    ),
    "vmap of noise alone": lambda f: lambda x, s: vmap(lambda level: f(x, level.expand(4)))(s),
    "vmap of points alone": lambda f: lambda x, s: vmap(lambda e: f(e[None], s[:1]))(x),
    "vmap of vmap": lambda f: lambda x, s: vmap(lambda level: vmap(lambda e: row(f)(e, level))(x))(s),
    "vmap of jacrev": lambda f: vmap(jacrev(row(f))),
    "vmap of tangents": lambda f: (
        lambda x, s: vmap(lambda way: jvp(lambda y: f(y, s), (x,), (way,))[1], 2, 2)(
            torch.stack([x, 2 * x], 2)
        )
    ),
    "grad of vmap": lambda f: grad(
        lambda x, s: vmap(lambda level: f(x, level.expand(4)))(s).square().sum(), (0, 1)
    ),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_is_that_of_the_plain_function(name: str, given: tuple[Tensor, Tensor]) -> None:
    transform = TRANSFORMS[name]
    torch.testing.assert_close(transform(ours)(*given), transform(plain)(*given))


def test_tangents_of_both_arguments_add_up(given: tuple[Tensor, Tensor]) -> None:
    tangents = given[0].flip(0), given[1].flip(0)
    torch.testing.assert_close(jvp(ours, given, tangents), jvp(plain, given, tangents))


def test_autograd_outside_runs_through_a_transform(given: tuple[Tensor, Tensor]) -> None:
    found = [
        torch.autograd.grad(vmap(row(f))(x, given[1]).square().sum(), x)
        for f, x in ((f, given[0].clone().requires_grad_()) for f in (ours, plain))
    ]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_mode_of_the_caller_matters(mode: Callable, given: tuple[Tensor, Tensor]) -> None:
    with mode():
        x, sigma = (tensor.clone() for tensor in given)
        found = jvp(lambda y: ours(y, sigma), (x,), (x,))
    torch.testing.assert_close(found, jvp(lambda y: plain(y, given[1]), given[:1], given[:1]))


def test_numbers_are_still_looked_at(given: tuple[Tensor, Tensor]) -> None:
    x, sigma = given
    for transform in (vmap(row(ours)), jacrev(ours), jacfwd(ours)):
        with pytest.raises(ValueError, match="sigma must be > 0"):
            transform(x, -sigma)


def test_an_empty_batch_stays_empty() -> None:
    nothing = vmap(lambda e: ours(e, torch.ones(0)))(torch.zeros(2, 0, 3))
    assert nothing.shape == (2, 0, 3)


def test_without_a_transform_it_is_the_call_itself(given: tuple[Tensor, Tensor]) -> None:
    seen: list[tuple[Tensor, ...]] = []
    row_wise(lambda *tensors: seen.append(tensors) or tensors[0], *given)
    assert seen[0][0] is given[0]
