"""The learning laws that people can name: how each is written, what it assumes, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from scorelens.analysis import spec as written
from scorelens.analysis.spec import Grammar
from scorelens.core import checks
from scorelens.dynamics.gain_law import GainLaw
from scorelens.dynamics.laws.asymmetric_two_layer import AsymmetricTwoLayer
from scorelens.dynamics.laws.deep import DeepLinear
from scorelens.dynamics.laws.deep_residual import DeepResidual
from scorelens.dynamics.laws.flow_one_layer import FlowOneLayer
from scorelens.dynamics.laws.flow_two_layer import FlowTwoLayer
from scorelens.dynamics.laws.full_convolution import FullConvolution
from scorelens.dynamics.laws.infinite_depth import InfiniteDepth
from scorelens.dynamics.laws.one_layer import OneLayer
from scorelens.dynamics.laws.residual import ResidualOneLayer
from scorelens.dynamics.laws.two_layer import SymmetricTwoLayer

Kind = Literal["configured", "modes", "frequencies", "patch"]
CONFIGURED = "preconditioned"
DOSE = "2 x learning rate x training time"
MOST_LAYERS = 1000


@final
@dataclass(frozen=True)
class NamedLaw:
    """One row of the table: a ``grammar``, what it ``means`` and ``assumes``, and how to ``build`` its law.

    ``kind`` says what its modes are: eigenmodes of the covariance, spatial ``frequencies`` of images, or
    frequencies seen through a ``patch``; the law of a ``configured`` network is built from the configuration.
    ``clock`` says what its flow time counts, ``stuck`` why a mode may never learn. ``build`` takes the values
    of the options, and ``n_pixels`` of an image where the modes are spatial frequencies.
    """

    grammar: Grammar
    means: str
    assumes: str
    kind: Kind = "modes"
    build: Callable[..., GainLaw] | None = None
    clock: str = DOSE
    stuck: str = ""

    @property
    def name(self) -> str:
        """Name of the law, as it is written."""
        return self.grammar.name

    @property
    def of_images(self) -> bool:
        """Whether the law needs images: its modes are spatial frequencies."""
        return self.kind in ("frequencies", "patch")


@final
@dataclass(frozen=True)
class ChosenLaw:
    """A law with the values of its options; ``spec`` is how it was written."""

    spec: str
    named: NamedLaw
    values: Mapping[str, Any]

    @property
    def is_configured(self) -> bool:
        """Whether it is the law of the network and loss that the configuration describes."""
        return self.named.kind == "configured"

    def gain_law(self, n_pixels: int | None = None) -> GainLaw:
        """The law, built; ``n_pixels`` of an image where its modes are spatial frequencies."""
        if self.named.build is None:
            raise ValueError(f"law {self.spec} has no gain law of its own")
        size = {} if n_pixels is None else {"n_pixels": n_pixels}
        return self.named.build(**self.values, **size)

    def check_options(self) -> None:
        """Raise ``ValueError`` unless the options go together."""
        if self.named.build is None:
            return
        try:
            self.gain_law(1 if self.named.of_images else None)
        except ValueError as error:
            raise ValueError(f"law {self.spec}: {error}") from None

    def check_data(self, event_shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless the law can be that of data of this shape."""
        if not self.named.of_images:
            return
        if len(event_shape) != 3:
            raise ValueError(
                f"law {self.spec} is one of images, the data are vectors of shape {tuple(event_shape)}; "
                "give images, or a law of eigenmodes such as one-layer"
            )
        self._check_filter(tuple(event_shape[1:]))

    def _check_filter(self, image: tuple[int, ...]) -> None:
        for size, room in zip(self.values.get("shape", ()), image, strict=False):
            if size > room:
                shape, whole = "x".join(map(str, self.values["shape"])), "x".join(map(str, image))
                raise ValueError(
                    f"law {self.spec}: a filter of {shape} is larger than the images, {whole}; "
                    "give a smaller one, or conv for the full width"
                )


def _convolution(n_pixels: int, initial_gain: float, layers: int) -> GainLaw:
    return FullConvolution(n_pixels, (OneLayer if layers == 1 else SymmetricTwoLayer)(initial_gain))


def _deep(depth: int, initial_gain: float, tied: bool) -> GainLaw:
    return DeepLinear(depth, initial_gain, tied=tied)


def _deep_residual(depth: int, initial_layer: float, tied: bool) -> GainLaw:
    return DeepResidual(depth, initial_layer, tied=tied)


#: All laws start at the same gain unless told otherwise, so that they can be compared.
_START = 0.1
_GAIN = {"initial_gain": written.number(_START)}
_GAIN_OF_SQUARE = {"initial_gain": written.non_negative(_START, "a network times its transpose")}
_DEPTH = {"depth": written.whole(written.REQUIRED, 1, MOST_LAYERS)}
_TIED = {"tied": written.flag()}
_SHAPE = {"shape": written.odd_shape()}
_LINEAR = "infinite centred data, gradient flow, a linear network of its own at each noise level"
_VELOCITY = "infinite centred data, gradient flow, a linear velocity of its own at each time of the flow"
_ZERO = "from a start of exactly 0 a product of layers never learns"
_ZERO_OR_LESS = "from a start of 0 or below a product of layers never learns"

_ROWS: tuple[NamedLaw, ...] = (
    NamedLaw(
        Grammar(CONFIGURED, CONFIGURED),
        "one linear layer behind the configured preconditioner, trained with its loss and noise levels",
        "infinite centred data, one linear layer of its own at each noise level",
        "configured",
    ),
    NamedLaw(
        Grammar("one-layer", "one-layer:initial_gain=0.1", _GAIN),
        "one linear layer",
        _LINEAR,
        build=OneLayer,
    ),
    NamedLaw(
        Grammar(
            "residual",
            "residual:skip=0.9,output=0.5",
            {
                "skip": written.number(1.0),
                "output": written.not_zero(1.0, "an output of 0 never learns"),
                "initial_weight": written.number(0.0),
            },
        ),
        "one linear layer beside a skip connection",
        _LINEAR,
        build=ResidualOneLayer,
    ),
    NamedLaw(
        Grammar("two-layer", "two-layer:initial_gain=0.05", _GAIN_OF_SQUARE),
        "two tied linear layers, P times its transpose",
        _LINEAR,
        build=SymmetricTwoLayer,
        stuck=_ZERO,
    ),
    NamedLaw(
        Grammar(
            "two-layer-untied",
            "two-layer-untied:first=0.5,second=0.2",
            {"first": written.number(0.5), "second": written.number(_START / 0.5)},
        ),
        "two independent linear layers",
        _LINEAR,
        build=AsymmetricTwoLayer,
        stuck="two layers that start as opposites only unlearn",
    ),
    NamedLaw(
        Grammar("deep", "deep:3 or deep:4,tied,initial_gain=0.01", {**_DEPTH, **_GAIN, **_TIED}, "depth"),
        "a product of that many linear layers, all starting alike",
        _LINEAR,
        build=_deep,
        stuck=_ZERO_OR_LESS,
    ),
    NamedLaw(
        Grammar(
            "deep-residual",
            "deep-residual:3 or deep-residual:4,tied,initial_layer=-0.1",
            {**_DEPTH, "initial_layer": written.number(0.0), **_TIED},
            "depth",
        ),
        "a product of that many linear layers, each beside a skip connection",
        _LINEAR,
        build=_deep_residual,
        stuck=_ZERO_OR_LESS,
    ),
    NamedLaw(
        Grammar("infinite-depth", "infinite-depth:initial_gain=0.1", _GAIN),
        "linear layers without number, all starting alike",
        f"{_LINEAR}; a learning rate that falls as the depth grows",
        build=InfiniteDepth,
        clock="kappa x training time, where kappa is 2 x learning rate x depth (its square if tied)",
        stuck=_ZERO_OR_LESS,
    ),
    NamedLaw(
        Grammar(
            "conv",
            "conv or conv:layers=2,initial_gain=0.1",
            {**_GAIN, "layers": written.whole(1, 1, 2)},
        ),
        "a convolution with a filter as wide as the image (with layers=2, the product of two tied ones)",
        f"{_LINEAR}; images without borders, a filter of its own for each channel, a loss summed over pixels",
        "frequencies",
        build=_convolution,
        stuck=_ZERO,
    ),
    NamedLaw(
        Grammar("patch", "patch:5x5 or patch:5x5,initial_gain=0.1", {**_SHAPE, **_GAIN}, "shape"),
        "a convolution with a filter of this size",
        f"{_LINEAR}; images without borders, a filter of its own for each channel, a loss summed over pixels",
        "patch",
    ),
    NamedLaw(
        Grammar("flow", "flow:initial_gain=0.1", _GAIN),
        "flow matching by one linear layer",
        _VELOCITY,
        build=FlowOneLayer,
    ),
    NamedLaw(
        Grammar("flow-two-layer", "flow-two-layer:initial_gain=0.1", _GAIN_OF_SQUARE),
        "flow matching by two tied linear layers",
        _VELOCITY,
        build=FlowTwoLayer,
        stuck="two tied layers hold no negative velocity, so noise is never contracted",
    ),
)
LAWS: dict[str, NamedLaw] = {row.name: row for row in _ROWS}
"""Every law that can be named: a row here is an option of the command line and an entry of its help."""


def law_named(spec: str) -> ChosenLaw:
    """The law that ``spec`` names, with its options: ``two-layer:initial_gain=0.05``, ``deep:3,tied``.

    Raises ``ValueError`` for an unknown name (naming the nearest), and for an option that is unknown or not
    allowed (saying what is).

    >>> law_named("one-layer:initial_gain=0.1").values
    {'initial_gain': 0.1}
    """
    name, items = written.split(spec)
    named = LAWS[checks.choice("law", name, LAWS)]
    chosen = ChosenLaw(spec.strip(), named, named.grammar.parse(items))
    chosen.check_options()
    return chosen


def split_list(specs: str) -> list[str]:
    """The laws of a list separated by commas, each with its own options.

    What holds an equals sign, or is a flag of the law before it, is an option of that law; all else is a law.

    >>> split_list("one-layer,residual:skip=0.5,output=2,preconditioned")
    ['one-layer', 'residual:skip=0.5,output=2', 'preconditioned']
    """
    return written.split_list(specs, {name: named.grammar for name, named in LAWS.items()})
