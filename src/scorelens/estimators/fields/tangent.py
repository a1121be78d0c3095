"""What a network can learn without leaving the tangent space at its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.filters import Filter, Ridge
from scorelens.core.noise_level import LogNormal, NoiseLevelLaw
from scorelens.estimators.around_network import AroundNetwork
from scorelens.estimators.base import Estimator, FittedDenoiser, samples
from scorelens.estimators.fields.filtered_products import filtered_product, refuse_unless_iterative
from scorelens.estimators.fields.linearised import Linearised, flat

Weight = Callable[[Tensor], Tensor]


@final
class TangentDenoiser(AroundNetwork):
    """``D(x) = f(x, sigma; start) + J(x, sigma) shift``: the network, linear in its parameters.

    Buffers: ``start_i`` and ``shift_i``, the parameters named ``facts["parameters"][i]``; ``state_j``, the
    frozen parameters and buffers named ``facts["states"][j]``. The network in eval mode supplies the code
    only: training it further changes nothing here. Computes in the network's dtype.

    Facts: ``forward_mode`` (false: some operation has no forward derivative, and ``J shift`` is found by two
    reverse passes); ``start_loss`` and ``final_loss``, the loss that `TangentScore` fitted, before and after.

    >>> class Nothing(torch.nn.Linear):
    ...     def forward(self, x, sigma):
    ...         return super().forward(x)
    >>> denoiser = TangentScore(Nothing(1, 1), sigmas=(1.0,)).fit(torch.tensor([[1.0], [-1.0]]))
    >>> denoiser.facts["final_loss"] < denoiser.facts["start_loss"]
    True
    """

    name: ClassVar[str] = "tangent"

    def __init__(
        self,
        event_shape: tuple[int, ...],
        network: torch.nn.Module,
        parameters: list[str],
        states: list[str],
        forward_mode: bool,
        start_loss: float,
        final_loss: float,
        **buffers: Tensor,
    ) -> None:
        facts = {
            "parameters": parameters,
            "states": states,
            "forward_mode": forward_mode,
            "start_loss": start_loss,
            "final_loss": final_loss,
        }
        super().__init__(event_shape, buffers, facts)
        self._code = (copy.deepcopy(network).eval(),)  # in a tuple, so that it is no submodule

    @property
    def forward_mode(self) -> bool:
        """Whether derivatives along parameters are taken forward (else by two reverse passes)."""
        return self.facts["forward_mode"]

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        model, shift = self._linearised, flat(self._named("shift", "parameters"))
        event = x.reshape(len(x), *self.event_shape).to(shift.dtype)
        value, tangent = model.push(event, sigma.to(shift.dtype), shift)
        return (value + tangent).flatten(1)

    @property
    def _linearised(self) -> Linearised:
        start, state = self._named("start", "parameters"), self._named("state", "states")
        return Linearised(self._code[0], start, state, self.forward_mode)

    def _named(self, kind: str, fact: str) -> dict[str, Tensor]:
        return {name: self.get_buffer(f"{kind}_{i}") for i, name in enumerate(self.facts[fact])}

    @classmethod
    def refuse_another(
        cls, network: torch.nn.Module, buffers: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> None:
        kinds = (("start", facts["parameters"]), ("state", facts["states"]))
        expected = {
            name: tuple(buffers[f"{kind}_{i}"].shape) for kind, names in kinds for i, name in enumerate(names)
        }
        found = {name: tuple(value.shape) for name, value in _numbers(network).items()}
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise ValueError(
                    f"network is not the one of the fit: {name!r} has shape {found.get(name, 'none')}, "
                    f"in the file {expected.get(name, 'none')}; give a network of the same architecture"
                )


class _Draws(NamedTuple):
    """Clean events and the same noised, ``(n, *event)``, their ``sigma (n,)`` and ``weight (n,)``."""

    clean: Tensor
    noised: Tensor
    sigma: Tensor
    weight: Tensor


@final
@dataclass(frozen=True)
class TangentScore(Estimator):
    """The network's linearisation, fitted by denoising: the regime of the neural tangent kernel.

    Minimises ``mean_i w(sigma_i) |f(y_i) + J(y_i) delta - x_i|^2`` (summed over an event) over noised events
    ``y_i = x_i + sigma_i n_i``, ``n`` of them, without forming ``J``: only products of ``J`` and ``J^T`` with
    vectors. ``delta = filter(A) b`` with ``A = mean w J^T J`` and ``b = mean w J^T (x - f)``.

    - ``network``: any module ``network(x, sigma) -> x0_hat``, float32 or float64; a copy in eval mode is
      used. Parameters with ``requires_grad=False`` stay. For more digits give ``network.double()``.
    - ``sigmas``: a law of noise levels, one level per noised event; or levels in data units, each event
      being noised to every one. ``repeats`` draws per event (and level), from ``seed``.
    - ``weight``: ``sigma (n,) -> (n,)``, 1 if not given; such as ``scorelens.objectives.Noise().weight``.
    - ``solver``: ``Ridge(r)``, on ``|delta|^2``, by conjugate gradients; ``GradientFlow(flow_time)``, what
      training for ``flow_time = 2 x learning rate x time`` reaches, by Lanczos (it keeps one vector per
      product); ``Landweber(step, n_steps)``, gradient descent itself with ``step`` twice the learning rate.
    - ``tolerance``, ``n_most``: of these iterations; ``batch_size``: events per product, which bounds memory.

    The result keeps ``forward_mode``: whether the network offers forward derivatives. A file holds no code:
    load it with ``scorelens.estimators.load(path, network=...)``.

    >>> class Shrink(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.gain = torch.nn.Parameter(torch.zeros(1))
    ...     def forward(self, x, sigma):
    ...         return self.gain * x
    >>> x = torch.tensor([[1.0], [-1.0]]).repeat(99, 1)
    >>> fit = TangentScore(Shrink(), sigmas=(1.0,), repeats=50).fit(x)
    >>> fit(torch.ones(1, 1), 1.0).round(decimals=2), fit.forward_mode
    (tensor([[0.5000]]), True)
    """

    network: torch.nn.Module
    sigmas: NoiseLevelLaw | tuple[float, ...] = field(default_factory=LogNormal)
    weight: Weight | None = None
    solver: Filter = field(default_factory=lambda: Ridge(1e-3))
    repeats: int = 1
    seed: int = 0
    tolerance: float = 1e-6
    n_most: int = 1000
    batch_size: int = 1024
    name: ClassVar[str] = "tangent"
    reference: ClassVar[str] = "jacot2018"
    equation: ClassVar[str] = "D = f + J delta, delta = filter(mean w J^T J) mean w J^T (x0 - f)"
    fitted: ClassVar[type[FittedDenoiser]] = TangentDenoiser

    def __post_init__(self) -> None:
        if not isinstance(self.sigmas, NoiseLevelLaw):
            checks.at_least("the number of sigmas", len(self.sigmas), 1)
            checks.positive("sigmas", self.sigmas)
        refuse_unless_iterative(self.solver)
        checks.positive("tolerance", self.tolerance)
        for count in ("repeats", "n_most", "batch_size"):
            checks.whole(count, getattr(self, count), 1)
        _refuse_unless_learning(self.network)

    def fit(self, x: np.ndarray | Tensor) -> TangentDenoiser:
        data, event_shape = samples(x)
        numbers = {name: value.detach().clone() for name, value in _numbers(self.network).items()}
        learning = {name for name, value in self.network.named_parameters() if value.requires_grad}
        start = {name: value for name, value in numbers.items() if name in learning}
        state = {name: value for name, value in numbers.items() if name not in learning}
        code = copy.deepcopy(self.network).eval()
        draws = self._draws(data.reshape(-1, *event_shape), flat(start))
        model = Linearised.probed(code, start, state, draws.noised[:1], draws.sigma[:1])
        delta, losses = self._solved(model, draws)
        buffers = {
            **{f"start_{i}": value for i, value in enumerate(start.values())},
            **{f"shift_{i}": value for i, value in enumerate(model.split(delta).values())},
            **{f"state_{i}": value for i, value in enumerate(state.values())},
        }
        return TangentDenoiser(
            event_shape, code, list(start), list(state), model.forward_mode, *losses, **buffers
        )

    def _draws(self, clean: Tensor, like: Tensor) -> _Draws:
        generator = torch.Generator().manual_seed(self.seed)
        if isinstance(self.sigmas, NoiseLevelLaw):
            normal = torch.randn(len(clean) * self.repeats, generator=generator, dtype=torch.float64)
            sigma = self.sigmas.log_sigma(normal).exp()
        else:
            levels = torch.tensor(self.sigmas, dtype=torch.float64)
            sigma = levels.repeat_interleave(len(clean) * self.repeats)
        clean = clean.cpu().repeat(len(sigma) // len(clean), *[1] * (clean.ndim - 1))
        noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        noised = clean + _times(sigma, noise)
        weight = torch.ones_like(sigma) if self.weight is None else self.weight(sigma)
        checks.non_negative("weight", weight.numpy())
        return _Draws(*(part.to(like) for part in (clean, noised, sigma, weight)))

    def _solved(self, model: Linearised, draws: _Draws) -> tuple[Tensor, tuple[float, float]]:
        """``delta (p,)`` and the loss without and with it."""
        right, start_loss = self._right(model, draws)

        def product(vector: Tensor) -> Tensor:
            total = torch.zeros_like(vector)
            for part in self._batches(draws):
                _, pushed = model.push(part.noised, part.sigma, vector)
                total += model.pull(part.noised, part.sigma, _times(part.weight, pushed))
            return total / len(draws.sigma)

        delta = filtered_product(self.solver, product, right, self.tolerance, self.n_most)
        change = delta @ product(delta) - 2 * right @ delta
        return delta, (start_loss, start_loss + float(change))

    def _right(self, model: Linearised, draws: _Draws) -> tuple[Tensor, float]:
        """``b (p,)`` and the loss at the start."""
        right, loss = draws.sigma.new_zeros(model.n_parameters), 0.0
        for part in self._batches(draws):
            missing = part.clean - model.value(part.noised, part.sigma)
            weighted = _times(part.weight, missing)
            right += model.pull(part.noised, part.sigma, weighted)
            loss += float((weighted * missing).sum())
        return right / len(draws.sigma), loss / len(draws.sigma)

    def _batches(self, draws: _Draws) -> Iterator[_Draws]:
        for parts in zip(*(part.split(self.batch_size) for part in draws), strict=True):
            yield _Draws(*parts)


def _times(weight: Tensor, events: Tensor) -> Tensor:
    return weight.view(-1, *[1] * (events.ndim - 1)) * events


def _numbers(network: torch.nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer of a network by name."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _refuse_unless_learning(network: torch.nn.Module) -> None:
    learning = [value for value in network.parameters() if value.requires_grad]
    if not learning:
        raise ValueError("network has no parameter with requires_grad; there is nothing to fit")
    dtypes = {value.dtype for value in learning}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        raise ValueError(
            f"network must hold float32 or float64 parameters, of one kind, got {sorted(map(str, dtypes))}; "
            "convert it with network.float()"
        )
