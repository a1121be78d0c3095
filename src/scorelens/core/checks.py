"""Checks at the border: every refusal says what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


def choice(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``allowed``; otherwise raise ``ValueError`` naming the nearest one.

    >>> choice("law", "edm", ["edm", "flow"])
    'edm'
    """
    options = list(allowed)
    if value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {name} {value!r}; choose from {', '.join(options)}{hint}")


def positive(name: str, value: Any, remedy: str = "") -> None:
    """Raise ``ValueError`` unless every entry of ``value`` (scalar or array) is finite and > 0."""
    _bounded(name, value, "> 0", lambda v: v > 0, remedy)


def non_negative(name: str, value: Any, remedy: str = "") -> None:
    """Raise ``ValueError`` unless every entry of ``value`` (scalar or array) is finite and >= 0."""
    _bounded(name, value, ">= 0", lambda v: v >= 0, remedy)


def at_least(name: str, value: int, least: int, remedy: str = "") -> None:
    """Raise ``ValueError`` unless the number ``value`` is at least ``least``."""
    if not value >= least:
        raise ValueError(_sentence(f"{name} must be at least {least}, got {value}", remedy))


def whole(name: str, value: Any, least: int, remedy: str = "") -> None:
    """Raise ``TypeError`` unless ``value`` is a whole number, ``ValueError`` unless at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(_sentence(f"{name} must be a whole number, got {value!r}", remedy))
    at_least(name, int(value), least, remedy)


def events(name: str, shape: Iterable[int], event_shape: Iterable[int], rows: str = "batch") -> None:
    """Raise ``ValueError`` unless ``shape`` is that of events: any number of ``rows``, then ``event_shape``.

    >>> events("x", (7, 2), (2,))
    >>> events("x", (7, 3), (1, 3))
    Traceback (most recent call last):
    ValueError: x must have shape (batch, 1, 3), got (7, 3)
    """
    found, event = tuple(shape), tuple(event_shape)
    if not found or found[1:] != event:
        raise ValueError(f"{name} must have shape {shape_of_events(event, rows)}, got {found}")


def shape_of_events(event_shape: Iterable[int], rows: str = "batch") -> str:
    """How an error writes the shape of ``rows`` events.

    >>> shape_of_events((1, 3), "n")
    '(n, 1, 3)'
    """
    return f"({', '.join(map(str, (rows, *event_shape)))})"


def finite(name: str, array: Any, remedy: str = "") -> None:
    """Raise ``ValueError`` with the first offending index if ``array`` holds a NaN or an infinity."""
    values = np.asarray(array)
    bad = ~np.isfinite(values)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f" at index {first}" if first else ""
        found = f"{name} holds {int(bad.sum())} non-finite value(s), the first ({values[first]}){where}"
        raise ValueError(_sentence(found, remedy))


def _bounded(name: str, value: Any, bound: str, holds: Any, remedy: str) -> None:
    values = np.asarray(value, dtype=float)
    bad = ~(np.isfinite(values) & holds(values))
    if bad.any():
        first = float(values[bad][0]) if values.ndim else float(values)
        raise ValueError(_sentence(f"{name} must be finite and {bound}, got {first:g}", remedy))


def _sentence(found: str, remedy: str) -> str:
    return f"{found}; {remedy}" if remedy else found
