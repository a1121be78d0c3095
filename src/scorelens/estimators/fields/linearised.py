"""A network as a linear function of its parameters, around those it has: products only, no matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, final

import torch
from torch import Tensor

from scorelens.core import checks

Parameters = dict[str, Tensor]


@final
class Linearised:
    """``f(x, sigma; start + delta)`` to first order in ``delta``, a flat vector ``(p,)``.

    ``start``: the parameters that may move, by name; ``state``: all others and the network's buffers. The
    network's own numbers are never read nor written. ``forward_mode``: whether the network's operations have
    forward derivatives; if not, ``J delta`` is the derivative of ``u -> J^T u``, at about twice the cost.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        start: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        forward_mode: bool = True,
    ) -> None:
        self._network, self._start, self._state = network, dict(start), dict(state)
        self.forward_mode = forward_mode

    @classmethod
    def probed(
        cls,
        network: torch.nn.Module,
        start: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        x: Tensor,
        sigma: Tensor,
    ) -> Self:
        """With ``forward_mode`` found by trying it; ``ValueError`` for a value of another shape."""
        model = cls(network, start, state)
        value = model.value(x, sigma)
        if value.shape != x.shape:
            raise ValueError(
                f"network must return the shape of x, {tuple(x.shape)}, got {tuple(value.shape)}; "
                "wrap it as a denoiser network(x, sigma) -> x0_hat"
            )
        checks.finite("the network's output", value.detach().cpu().numpy())
        return cls(network, start, state, model.offers_forward_mode(x, sigma))

    @property
    def n_parameters(self) -> int:
        return sum(value.numel() for value in self._start.values())

    def value(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The network at its own parameters: ``(b, *event)`` for ``x (b, *event)`` and ``sigma (b,)``."""
        return self._function(x, sigma)(self._start)

    def push(self, x: Tensor, sigma: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """The network's value, and ``J delta``; both ``(b, *event)``, differentiable in ``x``."""
        function, tangents = self._function(x, sigma), self.split(delta)
        if self.forward_mode:
            return torch.func.jvp(function, (self._start,), (tangents,))[:2]
        return _by_two_reversals(function, self._start, tangents)

    def pull(self, x: Tensor, sigma: Tensor, cotangent: Tensor) -> Tensor:
        """``J^T u`` for ``u (b, *event)``, summed over the batch: ``(p,)``."""
        _, pullback = torch.func.vjp(self._function(x, sigma), self._start)[:2]
        return flat(pullback(cotangent)[0])

    def split(self, delta: Tensor) -> Parameters:
        """A flat vector ``(p,)`` as parameters by name."""
        parts = delta.split([value.numel() for value in self._start.values()])
        named = zip(self._start.items(), parts, strict=True)
        return {name: part.view_as(value) for (name, value), part in named}

    def offers_forward_mode(self, x: Tensor, sigma: Tensor) -> bool:
        """Whether every operation of the network at ``x`` has a forward derivative."""
        try:
            torch.func.jvp(self._function(x, sigma), (self._start,), (self._start,))
        except (NotImplementedError, RuntimeError):
            return False
        return True

    def _function(self, x: Tensor, sigma: Tensor) -> Callable[[Parameters], Tensor]:
        def of_parameters(parameters: Parameters) -> Tensor:
            return torch.func.functional_call(self._network, {**self._state, **parameters}, (x, sigma))

        return of_parameters


def flat(parameters: Mapping[str, Tensor]) -> Tensor:
    """All parameters in one vector ``(p,)``, in their order."""
    return torch.cat([value.reshape(-1) for value in parameters.values()])


def _by_two_reversals(
    function: Callable[[Parameters], Tensor], start: Parameters, tangents: Parameters
) -> tuple[Tensor, Tensor]:
    value, pullback = torch.func.vjp(function, start)[:2]
    # u -> J^T u is linear: its transpose at any u is J
    _, transpose = torch.func.vjp(lambda u: pullback(u)[0], torch.zeros_like(value))[:2]
    return value, transpose(tangents)[0]
