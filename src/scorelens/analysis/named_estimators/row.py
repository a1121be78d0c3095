"""One row of the table of estimators: how it is written, what it needs of the data, how it is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from scorelens.analysis.spec import Grammar, Option
from scorelens.estimators import Estimator

NOUN = "estimator"
#: Noise levels of estimators that are fitted level by level, relative to the data's scale.
LOWEST_LEVEL, HIGHEST_LEVEL = 0.05, 1.0


@final
@dataclass(frozen=True)
class About:
    """What an estimator may know of the data before it is fitted to them.

    ``n_samples`` it is fitted to, each of ``event_shape``; ``scale``: root mean standard deviation of a
    coordinate, in data units; ``seed`` of everything random.
    """

    event_shape: tuple[int, ...]
    n_samples: int
    scale: float = 1.0
    seed: int = 0

    @property
    def dim(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.event_shape)

    def levels(self, count: int) -> tuple[float, ...]:
        """``count`` noise levels for a fit, ascending, up to the scale of the data, in data units."""
        return tuple((self.scale * np.geomspace(LOWEST_LEVEL, HIGHEST_LEVEL, count)).tolist())


Values = Mapping[str, Any]


def _nothing(values: Values, about: About) -> None:
    """Any data will do."""


@final
@dataclass(frozen=True)
class NamedEstimator:
    """One row of the table: a ``grammar``, what the estimator ``means``, and how to ``build`` it.

    ``build`` takes the values of the options and what is known of the data. ``least`` is the number of
    samples that it needs; ``check`` raises ``ValueError`` for other data that it cannot take.
    """

    grammar: Grammar
    means: str
    build: Callable[[Values, About], Estimator]
    least: Callable[[Values], int] = lambda values: 2
    check: Callable[[Values, About], None] = _nothing

    @property
    def name(self) -> str:
        """Name of the estimator, as it is written."""
        return self.grammar.name


def grammar(
    name: str, usage: str, options: Mapping[str, Option] | None = None, value: str | None = None
) -> Grammar:
    """The grammar of an estimator."""
    return Grammar(name, usage, options or {}, value, NOUN)


def at_most_the_dimension(option: str) -> Callable[[Values, About], None]:
    """A check that an option, where it is given, is at most the dimension of the data."""

    def check(values: Values, about: About) -> None:
        if (values[option] or 0) > about.dim:
            raise ValueError(
                f"{option} must be at most the dimension of the data, {about.dim}, got {values[option]}"
            )

    return check
