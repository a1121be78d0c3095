"""Ticks of logarithmic axes, all of one size and few enough for a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MOST = 6
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def log_ticks(low: float, high: float) -> list[float]:
    """Decades between ``low`` and ``high`` (both > 0), at most six; finer ticks if they are fewer than three.

    >>> log_ticks(0.9, 1100)
    [1.0, 10.0, 100.0, 1000.0]
    >>> log_ticks(1.5, 12)
    [2.0, 5.0, 10.0]
    >>> log_ticks(1.2, 6), log_ticks(92, 124)
    ([2.0, 3.0, 4.0, 5.0, 6.0], [100.0, 110.0, 120.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = _between([10.0**p for p in powers], low, high)
    if len(decades) >= 3:
        every = -(-len(decades) // MOST)
        return [10.0**p for p in powers if p % every == 0 and 10.0**p in decades]
    for leading in ((1, 2, 5), range(1, 10)):
        finer = _between([float(f"{m * 10.0**p:.6g}") for p in powers for m in leading], low, high)
        if len(finer) >= 3:
            return finer
    return _even_ticks(low, high)


def _even_ticks(low: float, high: float) -> list[float]:
    """Round numbers at even distances, for a span so short that its logarithm is nearly straight."""
    rough = (high - low) / MOST
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    ticks = step * np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    return [float(f"{tick:.6g}") for tick in ticks] or [low]


def tick_text(value: float) -> str:
    """A tick as text: plain between 0.001 and a million, otherwise a power of ten.

    >>> tick_text(0.01), tick_text(2000.0), tick_text(1e-5)
    ('0.01', '2,000', '10⁻⁵')
    """
    if 1e-3 <= value < 1e6:
        return f"{value:,.6g}"
    power = math.floor(math.log10(value) + 1e-9)
    leading = value / 10.0**power
    factor = "" if math.isclose(leading, 1, rel_tol=1e-6) else f"{leading:.3g}·"
    return f"{factor}10{str(power).translate(_SUPERSCRIPT)}"


def log_range(values: Sequence[float] | np.ndarray, margin: float = 0.04) -> tuple[float, float]:
    """Decades (log10) that the positive ones of ``values`` span, with a margin on both sides.

    >>> log_range(np.array([0.0, 1.0, 100.0]), margin=0.1)
    (-0.2, 2.2)
    """
    array = np.asarray(values, dtype=float)
    kept = array[np.isfinite(array) & (array > 0)]
    low, high = (math.log10(kept.min()), math.log10(kept.max())) if kept.size else (0.0, 1.0)
    room = margin * max(high - low, 0.5)
    return low - room, high + room


def _between(ticks: list[float], low: float, high: float) -> list[float]:
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
