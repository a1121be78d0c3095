"""The learning laws that figures of the theory put side by side: by name, each for any initial gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import (
    DeepLinear,
    ExactSampler,
    FlowOneLayer,
    FlowSampler,
    FlowTwoLayer,
    GainLaw,
    OneLayer,
    Sampler,
    SymmetricTwoLayer,
)


@final
@dataclass(frozen=True)
class TheoryLaw:
    """A law but for its initial gain, which ``make`` takes (one number or an array that broadcasts with the
    modes), and the sampler whose generated variance is meant."""

    name: str
    make: Callable[[np.ndarray | float], GainLaw]
    sampler: Sampler


LAWS: tuple[TheoryLaw, ...] = (
    TheoryLaw("one layer", OneLayer, ExactSampler()),
    TheoryLaw("two tied layers", SymmetricTwoLayer, ExactSampler()),
    TheoryLaw("three tied layers", lambda gain: DeepLinear(3, gain, tied=True), ExactSampler()),
    TheoryLaw("flow matching", FlowOneLayer, FlowSampler()),
    TheoryLaw("flow matching, two tied layers", FlowTwoLayer, FlowSampler()),
)
DIFFUSION = tuple(law.name for law in LAWS[:3])
FLOW = tuple(law.name for law in LAWS[3:])


def theory_law(name: str) -> TheoryLaw:
    """The member of `LAWS` of that name; ``ValueError`` (naming the nearest) if there is none.

    >>> theory_law("one layer").make(0.1).name
    'one-layer'
    """
    checks.choice("law", name, [law.name for law in LAWS])
    return next(law for law in LAWS if law.name == name)
