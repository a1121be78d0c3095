"""Quadrature along a segment of the path for velocity gains that training sharpens at the turning time.

The corner there shrinks like one over the flow time; panels follow it, and shrink geometrically where the
path itself bends.
"""

from __future__ import annotations

import numpy as np

from scorelens.dynamics.laws.flow_time_axis import PathSegment
from scorelens.dynamics.laws.tied_velocity import PACE, TiedVelocity

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_PANEL = 2.5
_TAIL = 42.0
_RATIO = 3.0
_MOST_LEVELS = 40
_LEAST = 1e-290

Panels = tuple[TiedVelocity, np.ndarray, np.ndarray]
"""Velocity gains at the nodes, weights, and distances from the end of the segment nearer to the turn; shape
``(node, mode)``."""


def learning_panels(segment: PathSegment, gain: np.ndarray, flow_time: np.ndarray) -> Panels:
    """Side behind the turning time, where the optimal velocity gain is positive.

    Shapes ``(mode,)``, ``gain > 0``. Where the segment has no such side the weights are 0.
    """
    near, far = np.maximum(segment.start, 0.0), np.maximum(segment.end, 0.0)
    bend = np.sqrt(segment.modes) / segment.stretch
    # How long a small start takes to reach the largest optimum.
    reach = np.logaddexp(0.0, -np.log(2.0 * np.where(bend > 0.0, bend, 1.0)) - np.log(gain)) + _TAIL
    return _panels(segment, gain, flow_time, 1.0, near, _edges(segment, flow_time, near, far, bend, reach))


def stuck_panels(segment: PathSegment, gain: np.ndarray, flow_time: np.ndarray) -> Panels:
    """Side before the turning time, where the optimal velocity gain is negative; see `learning_panels`."""
    near, far = np.maximum(-segment.end, 0.0), np.maximum(-segment.start, 0.0)
    slow = 1.0 / np.maximum(PACE * flow_time * gain, _LEAST)
    bend, reach = np.sqrt((segment.turn + slow) / segment.stretch), np.full(near.shape, _TAIL)
    return _panels(segment, gain, flow_time, -1.0, near, _edges(segment, flow_time, near, far, bend, reach))


def _panels(
    segment: PathSegment,
    gain: np.ndarray,
    flow_time: np.ndarray,
    sign: float,
    near: np.ndarray,
    edges: np.ndarray,
) -> Panels:
    half, middle = 0.5 * np.diff(edges, axis=0), 0.5 * (edges[1:] + edges[:-1])
    way = (middle[:, None] + half[:, None] * _NODES[:, None]).reshape(-1, near.size)
    weight = (half[:, None] * _WEIGHTS[:, None]).reshape(-1, near.size)
    offset = sign * (near + way)
    pull, variance = segment.stretch * offset, segment.turn + segment.stretch * offset**2
    return TiedVelocity(gain, pull, variance, pull - gain * variance, flow_time), weight, way


def _edges(
    segment: PathSegment,
    flow_time: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    bend: np.ndarray,
    reach: np.ndarray,
) -> np.ndarray:
    """Panel edges as distances from ``near``, sorted, shape ``(edge, mode)``; as many for all modes.

    Panels of 2.5 in the exponent as far as ``reach``, and of the ratio 3 in distance down to ``bend``.
    """
    length = far - near
    sharpness = np.maximum(PACE * flow_time * segment.stretch, _LEAST)
    n_fine = int(np.ceil(np.minimum(reach, sharpness * length).max(initial=0.0) / _PANEL))
    fine = np.minimum(np.arange(1, n_fine + 1)[:, None] * (_PANEL / sharpness), length)
    depth = np.where(length > 0.0, far / np.maximum(bend, _LEAST), 1.0).max(initial=1.0)
    n_levels = min(_MOST_LEVELS, int(np.ceil(np.log(depth) / np.log(_RATIO))))
    levels = far * _RATIO ** -np.arange(1.0, n_levels + 1)[:, None] - near
    ends = [np.zeros((1, near.size)), length[None]]
    return np.sort(np.concatenate([*ends, fine, np.clip(levels, 0.0, length)]), axis=0)
