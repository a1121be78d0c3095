"""Generated variance of all modes at all times, of a law without a unit of its own, from one table of gains.

Such a law multiplies a mode by a function of ``noise_variance / eigenvalue`` and ``flow_time * eigenvalue``
alone. One table of that function serves every mode and time: each mode is an interval of its first argument.
"""

from __future__ import annotations

import math

import numpy as np

from scorelens.dynamics.gain_law import GainLaw
from scorelens.dynamics.numerics.interpolation import barycentric, chebyshev
from scorelens.dynamics.numerics.quadrature import ORDER, panel_integrals, panel_rule

_PANEL = 0.4
_POINTS, _ANGLE = chebyshev(12)
_WIDEST, _NARROWEST = 1.0, 1e-3
#: From values at the points to the two highest Chebyshev coefficients.
_LAST = np.cos(np.outer(np.arange(10, 12), _ANGLE)) * (2.0 / 12)


def scaled_growth(
    law: GainLaw,
    modes: np.ndarray,
    times: np.ndarray,
    sigma_min: float,
    sigma_max: float,
    tolerance: float,
) -> np.ndarray:
    """``log(generated / start variance)``, ``(time, mode)``, for modes and times that are all > 0.

    Interpolated in ``log(flow_time * eigenvalue)`` on panels that are halved until their highest Chebyshev
    coefficients are below ``tolerance``. Memory is that of the result.
    """
    intervals = _Intervals(np.log(modes), math.log(sigma_min), math.log(sigma_max))
    clock = (np.log(times)[:, None] + np.log(modes)).ravel()
    order = np.argsort(clock)
    growth = np.empty(clock.size)
    done, end = 0, float(clock[order[-1]])
    low, width = float(clock[order[0]]), _WIDEST
    while done < clock.size:
        ages = np.exp(low + 0.5 * width * (1.0 + _POINTS))
        at_points = intervals.integrals(law.change(1.0, intervals.noise_variance, ages[:, None]))
        if np.abs(_LAST @ at_points).max() > tolerance and width > _NARROWEST:
            width *= 0.5
            continue
        last = clock.size if low + width >= end else np.searchsorted(clock, low + width, sorter=order)
        entries = order[done:last]
        matrix = barycentric(2.0 * (clock[entries] - low) / width - 1.0, _POINTS, _ANGLE)
        growth[entries] = 2.0 * np.einsum("ep,pe->e", matrix, at_points[:, entries % modes.size])
        done, low, width = int(last), low + width, min(2.0 * width, _WIDEST)
    return growth.reshape(times.size, modes.size)


class _Intervals:
    """Integrals over ``log(sigma / sqrt(eigenvalue))`` from ``sigma_min`` to ``sigma_max``, of every mode."""

    def __init__(self, log_modes: np.ndarray, low: float, high: float) -> None:
        first, last = low - 0.5 * log_modes.max(), high - 0.5 * log_modes.min()
        n_panels = max(1, math.ceil((last - first) / _PANEL))
        edges = np.linspace(first, last, n_panels + 1)
        rule = panel_rule(edges)
        self.noise_variance, self._weight = rule.noise_variance, rule.weight
        self._from = _Position(low - 0.5 * log_modes, edges)
        self._to = _Position(high - 0.5 * log_modes, edges)

    def integrals(self, values: np.ndarray) -> np.ndarray:
        """Of ``values (..., node)``, shape ``(..., mode)``."""
        panels = (values * self._weight).reshape(*values.shape[:-1], -1, ORDER).sum(axis=-1)
        whole = np.concatenate([np.zeros((*panels.shape[:-1], 1)), np.cumsum(panels, axis=-1)], axis=-1)
        parts = values.reshape(*values.shape[:-1], -1, ORDER)
        return self._to.integral(whole, parts) - self._from.integral(whole, parts)


class _Position:
    """Where in which panel an interval ends."""

    def __init__(self, at: np.ndarray, edges: np.ndarray) -> None:
        self._panel = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(edges) - 2)
        half = 0.5 * (edges[1] - edges[0])
        local = (at - edges[self._panel]) / half - 1.0
        self._weights = half * panel_integrals(np.clip(local, -1.0, 1.0))

    def integral(self, whole: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """From the first edge to here."""
        inside = np.einsum("...mn,mn->...m", parts[..., self._panel, :], self._weights)
        return whole[..., self._panel] + inside
