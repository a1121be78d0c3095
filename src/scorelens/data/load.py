"""``load(spec)``: from what the user writes to ``Data``, refusing bad data before any work."""

from __future__ import annotations

import os

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.digits import Digits
from scorelens.data.gaussian import Gaussian
from scorelens.data.inspection import require_samples
from scorelens.data.source import NamedSource, Selection, Source

ALL: tuple[type[Source], ...] = (Digits, Gaussian)


def load(spec: str | os.PathLike[str], *, n_samples: int | None = None, seed: int = 0) -> Data:
    """The data that ``spec`` names, checked: at least two samples, all finite, not all features constant.

    ``n_samples`` keeps that many, drawn without replacement; everything random follows from ``seed``.
    Raises ``ValueError`` (or ``TypeError`` for a spec that is no string) saying what was found, what is
    allowed and what to do.

    >>> data = load("gaussian:dim=4,n=100", n_samples=10)
    >>> data.event_shape, len(data)
    ((4,), 10)
    """
    data = source(os.fspath(spec)).load(Selection(n_samples, seed))
    require_samples(data.name, len(data))
    _ = data.warnings  # inspects every value, and refuses NaN, infinities and data that never vary
    return data


def source(spec: str) -> Source:
    """The source that ``spec`` names."""
    name, _, options = spec.partition(":")
    named = {cls.name: cls for cls in ALL if issubclass(cls, NamedSource)}
    return named[checks.choice("data", name, named)].parse(options)
