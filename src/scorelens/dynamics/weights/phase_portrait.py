"""How weight and bias of one mode move in their plane."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from scorelens.dynamics.weights.single_mode import ModePoint, SingleMode


class PhasePortrait(NamedTuple):
    """``field`` at every grid point, ``(bias, weight)``; ``paths`` ``(time, start)``; the fixed point; each
    nullcline as a curve: the weight over the grid's biases, the bias over the grid's weights."""

    field: ModePoint
    paths: ModePoint
    fixed_point: ModePoint
    weight_nullcline: np.ndarray
    bias_nullcline: np.ndarray


def phase_portrait(
    mode: SingleMode,
    sigma: float,
    weights: np.ndarray,
    biases: np.ndarray,
    starts: np.ndarray,
    flow_times: np.ndarray,
) -> PhasePortrait:
    """Phase portrait of one mode (scalar fields) at one noise level (learning dynamics, section 3.3).

    ``weights (n,)`` and ``biases (k,)`` span the grid of the field; ``starts (s, 2)`` holds weight and bias
    where each path begins, ``flow_times (time,)`` where it is marked. Raises ``ValueError`` for other shapes
    and times that do not ascend.

    >>> grid = np.linspace(0, 1, 3), np.linspace(-1, 1, 5)
    >>> portrait = phase_portrait(SingleMode(1.0, 1.0), 1.0, *grid, np.zeros((1, 2)), np.array([0.0, 9.0]))
    >>> portrait.field.weight.shape, portrait.paths.bias.shape
    ((5, 3), (2, 1))
    """
    begin, times = np.asarray(starts, dtype=float), np.asarray(flow_times, dtype=float)
    if begin.ndim != 2 or begin.shape[1] != 2 or times.ndim != 1:
        raise ValueError(
            f"starts must have shape (s, 2) and flow_times (time,), got {begin.shape} and {times.shape}"
        )
    if np.any(np.diff(times) <= 0.0):
        raise ValueError("flow_times of a path must ascend; sort them")
    moving = replace(mode, initial_weight=begin[:, 0], initial_bias=begin[:, 1])
    return PhasePortrait(
        mode.rate(np.asarray(weights)[None, :], np.asarray(biases)[:, None], sigma),
        moving.point(sigma, times[:, None]),
        mode.optimum(sigma),
        mode.weight_nullcline(biases, sigma),
        mode.bias_nullcline(weights),
    )
