"""Numbers in words: modes by name, steps, factors."""

from __future__ import annotations

import numpy as np

MOST_RUNS = 3
MILLION = 1e6
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def modes(chosen: np.ndarray) -> str:
    """The modes with indices ``chosen`` (ascending, not empty), counted from 1 as a reader does.

    >>> modes(np.array([0, 1, 2])), modes(np.array([6])), modes(np.array([0, 3, 4, 5]))
    ('modes 1-3', 'mode 7', 'modes 1 and 4-6')
    >>> modes(np.array([0, 2, 4, 6, 8]))
    '5 of the modes 1-9'
    """
    indices = np.asarray(chosen)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    if len(indices) == 1:
        return f"mode {indices[0] + 1}"
    if len(runs) > MOST_RUNS:
        return f"{len(indices)} of the modes {indices[0] + 1}-{indices[-1] + 1}"
    return f"modes {joined([_run(run) for run in runs])}"


def _run(run: np.ndarray) -> str:
    return f"{run[0] + 1}" if len(run) == 1 else f"{run[0] + 1}-{run[-1] + 1}"


def joined(parts: list[str]) -> str:
    """``a, b and c``.

    >>> joined(["1", "3", "5-7"])
    '1, 3 and 5-7'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def verb(chosen: np.ndarray, one: str, more: str) -> str:
    """``one`` for a single mode, else ``more``.

    >>> verb(np.array([3]), "is", "are")
    'is'
    """
    return one if len(chosen) == 1 else more


def step(value: float) -> str:
    """An optimizer step, without false digits.

    >>> step(3.04), step(258.8), step(12345.6)
    ('3', '259', '12,300')
    """
    rounded = float(f"{value:.3g}") if value >= 1000 else np.ceil(value - 0.5)
    return f"{max(rounded, 1):,.0f}" if value > 0 else "0"


def factor(value: float) -> str:
    """A ratio with two digits.

    >>> factor(1.6321), factor(0.05), factor(123.0), factor(123456.0), factor(1.2e8)
    ('1.6', '0.05', '120', '120,000', '1.2·10⁸')
    """
    rounded = float(f"{value:.2g}")
    if rounded < MILLION:
        return f"{rounded:,g}" if rounded < 1e4 else f"{rounded:,.0f}"
    mantissa, _, power = f"{rounded:.1e}".partition("e")
    leading = "" if mantissa == "1.0" else f"{mantissa.removesuffix('.0')}·"
    return f"{leading}10{str(int(power)).translate(SUPERSCRIPT)}"


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits.

    >>> number(0.031415)
    '0.0314'
    """
    return f"{value:.{digits}g}"
