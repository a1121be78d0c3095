"""Conversions at the border: what networks predict, to and from the clean data and a Denoiser.

A network may predict the clean data, the noise, v, the score or the flow velocity of
``x_t = alpha x_0 + std n``. Each is a linear map of the others at given ``x_t``; all conversions here go
through the clean data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.arrays import against, namespace
from scorelens.core.denoiser import Denoiser, per_sample
from scorelens.core.processes import Coefficients, NoiseProcess

_REMEDY = {
    "alpha": "nothing of the data is left there: stop before the end of the process",
    "std": "there is no noise there: use a time > 0",
    "diffusion": "no noise is added there: use a time > 0",
}


class Parametrization(ABC):
    """One thing that a network may predict at ``x_t``; NumPy arrays and torch tensors alike.

    ``x`` and predictions have shape ``(batch, *event)``, the entries of ``at`` are scalars or have shape
    ``(batch,)``. A conversion that divides by a coefficient raises ``ValueError`` where it is zero.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    divides_to_x0: ClassVar[tuple[str, ...]]
    """Coefficients by which the way to the clean data divides."""
    divides_from_x0: ClassVar[tuple[str, ...]]
    """Coefficients by which the way from the clean data divides."""

    def to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any:
        """The clean data that ``prediction`` at ``x`` stands for, same shape."""
        _refuse_zero(at, self.divides_to_x0, f"clean data from {self.name}")
        return self._to_x0(prediction, x, _aligned(at, x))

    def from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any:
        """The prediction at ``x`` that stands for the clean data ``x0``, same shape."""
        _refuse_zero(at, self.divides_from_x0, f"{self.name} from clean data")
        return self._from_x0(x0, x, _aligned(at, x))

    @abstractmethod
    def _to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any: ...

    @abstractmethod
    def _from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any: ...


@final
@dataclass(frozen=True)
class CleanData(Parametrization):
    """``x_0`` itself."""

    name: ClassVar[str] = "x0"
    reference: ClassVar[str] = "geometry, section 0"
    divides_to_x0: ClassVar[tuple[str, ...]] = ()
    divides_from_x0: ClassVar[tuple[str, ...]] = ()

    def _to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any:
        return prediction

    def _from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any:
        return x0


@final
@dataclass(frozen=True)
class Noise(Parametrization):
    """The standard normal noise ``n = (x_t - alpha x_0) / std``, often called epsilon."""

    name: ClassVar[str] = "noise"
    reference: ClassVar[str] = "ho2020, Eq. 11"
    divides_to_x0: ClassVar[tuple[str, ...]] = ("alpha",)
    divides_from_x0: ClassVar[tuple[str, ...]] = ("std",)

    def _to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any:
        return (x - at.std * prediction) / at.alpha

    def _from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any:
        return (x - at.alpha * x0) / at.std


@final
@dataclass(frozen=True)
class V(Parametrization):
    """``v = alpha n - std x_0``, also where ``alpha^2 + std^2`` is not 1; to ``x_0`` nowhere singular."""

    name: ClassVar[str] = "v"
    reference: ClassVar[str] = "salimans2022, Appendix D"
    divides_to_x0: ClassVar[tuple[str, ...]] = ()
    divides_from_x0: ClassVar[tuple[str, ...]] = ("std",)

    def _to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any:
        return (at.alpha * x - at.std * prediction) / (at.alpha**2 + at.std**2)

    def _from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any:
        return (at.alpha * x - (at.alpha**2 + at.std**2) * x0) / at.std


@final
@dataclass(frozen=True)
class Score(Parametrization):
    """``grad log p_t(x_t) = (alpha x_0 - x_t) / std^2``, Tweedie's formula."""

    name: ClassVar[str] = "score"
    reference: ClassVar[str] = "geometry, [P2]"
    divides_to_x0: ClassVar[tuple[str, ...]] = ("alpha",)
    divides_from_x0: ClassVar[tuple[str, ...]] = ("std",)

    def _to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any:
        return (x + at.std**2 * prediction) / at.alpha

    def _from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any:
        return (at.alpha * x0 - x) / at.std**2


@final
@dataclass(frozen=True)
class Velocity(Parametrization):
    """``dx_t/dt = f x - g^2/2 score``: the probability-flow velocity in process time, from data to noise.

    Flow matching: ``n - x_0``, the negative of what papers predict whose time runs from noise to data.
    """

    name: ClassVar[str] = "velocity"
    reference: ClassVar[str] = "song2021, Eq. 13; lipman2023, Eq. 23"
    divides_to_x0: ClassVar[tuple[str, ...]] = ("alpha", "diffusion")
    divides_from_x0: ClassVar[tuple[str, ...]] = ("std",)

    def _to_x0(self, prediction: Any, x: Any, at: Coefficients) -> Any:
        return (x + 2 * (at.std / at.diffusion) ** 2 * (at.drift * x - prediction)) / at.alpha

    def _from_x0(self, x0: Any, x: Any, at: Coefficients) -> Any:
        return at.drift * x - 0.5 * (at.diffusion / at.std) ** 2 * (at.alpha * x0 - x)


ALL: tuple[type[Parametrization], ...] = (CleanData, Noise, V, Score, Velocity)


def convert(
    prediction: Any, x: Any, at: Coefficients, source: Parametrization, target: Parametrization
) -> Any:
    """The ``target`` prediction at ``x`` that says the same as the ``source`` prediction, same shape.

    >>> from scorelens.core.processes import VariancePreserving
    >>> at = VariancePreserving().coefficients(0.3)
    >>> x, noise = torch.ones(2, 3), torch.zeros(2, 3)
    >>> convert(noise, x, at, Noise(), Score()).abs().max().item()
    0.0
    """
    return target.from_x0(source.to_x0(prediction, x, at), x, at)


def score(denoiser: Denoiser, x: Tensor, sigma: Tensor | float) -> Tensor:
    """Score of the data with noise ``sigma`` added, ``(D(x) - x) / sigma^2`` ([P2]); shape of ``x``.

    >>> score(lambda x, sigma: 0 * x, torch.ones(1, 2), 2.0)
    tensor([[-0.2500, -0.2500]])
    """
    checks.positive("sigma", torch.as_tensor(sigma).detach().cpu(), "the score is singular at zero noise")
    return (denoiser(x, sigma) - x) / against(per_sample(sigma, x), x) ** 2


def predict(
    denoiser: Denoiser, x: Tensor, process: NoiseProcess, time: Tensor | float, target: Parametrization
) -> Tensor:
    """The ``target`` prediction of ``denoiser`` for ``x`` at ``time`` of ``process``, same shape as ``x``.

    ``x / alpha`` is data plus noise of level ``sigma`` ([P5]), which is what a Denoiser takes.
    Raises ``ValueError`` outside the process's times and where the prediction is singular.

    >>> from scorelens.core.processes import FlowMatching
    >>> predict(lambda x, sigma: 0 * x, torch.ones(1, 2), FlowMatching(), 0.5, Velocity())
    tensor([[2., 2.]])
    """
    at = process.coefficients(_wide(time, x))
    x0 = denoiser(x / against(at.alpha.to(x.dtype), x), (at.std / at.alpha).to(x.dtype))
    return target.from_x0(x0, x, at)


@final
@dataclass(frozen=True)
class PredictionDenoiser:
    """A Denoiser made of ``model(x_t, time) -> prediction`` for ``x_t`` of ``process``.

    ``time`` reaches the model with shape ``(batch,)`` in the dtype of ``x``. Raises ``ValueError`` for a
    ``sigma`` that the process does not reach.

    >>> from scorelens.core.processes import VariancePreserving
    >>> denoiser = PredictionDenoiser(lambda x, time: x, VariancePreserving(), CleanData())
    >>> denoiser(torch.ones(1, 2), 1.0)
    tensor([[0.7071, 0.7071]])
    """

    model: Callable[[Tensor, Tensor], Tensor]
    process: NoiseProcess
    source: Parametrization

    def __call__(self, x: Tensor, sigma: Tensor | float, /) -> Tensor:
        time = self.process.time(_wide(sigma, x))
        at = self.process.coefficients(time)
        x_t = against(at.alpha.to(x.dtype), x) * x  # [P5]
        return self.source.to_x0(self.model(x_t, time.to(x.dtype)), x_t, at)


def _wide(level: Tensor | float, x: Tensor) -> Tensor:
    """``level`` of shape ``(batch,)``, in float64 if the device has it: schedules lose digits at the end."""
    per_sample(level, x)  # refuse a wrong shape
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    return torch.as_tensor(level, dtype=dtype, device=x.device).expand(x.shape[0])


def _aligned(at: Coefficients, x: Any) -> Coefficients:
    xp = namespace(x)
    place = {"device": x.device} if xp is torch else {}
    return Coefficients(*(against(xp.asarray(c, dtype=x.dtype, **place), x) for c in at))


def _refuse_zero(at: Coefficients, divisors: tuple[str, ...], conversion: str) -> None:
    for name in divisors:
        if not bool((getattr(at, name) > 0).all()):
            raise ValueError(f"{conversion} needs {name} > 0, got 0; {_REMEDY[name]}")
