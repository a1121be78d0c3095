"""Integrals of ``exp(-a r(t))`` along a segment of the path, in forms that neither cancel nor underflow.

``r`` is the variance of ``x_t``, a parabola in time with its minimum at the turning time (learning dynamics,
section 11.2); ``a`` is the flow time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from scorelens.dynamics.laws.flow_time_axis import PathSegment

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_GENTLE = 1.0


def least_variance(segment: PathSegment) -> np.ndarray:
    """Smallest ``r`` on the segment."""
    return np.where(segment.straddles, segment.turn, np.minimum(segment.first, segment.last))


def scaled_decay(flow_time: np.ndarray, segment: PathSegment) -> np.ndarray:
    """Twice the integral of ``exp(-a (r - least r))``: (11.2) and (11.3) without their underflow."""
    gentle, panel = _gentle(flow_time, segment), _panel(lambda s: np.exp(-flow_time * s), segment)
    known = np.where(gentle, 1.0, flow_time)
    width = np.sqrt(known * segment.stretch)
    both = special.erf(width * np.maximum(segment.end, 0.0)) - special.erf(
        width * np.minimum(segment.start, 0.0)
    )
    # Differences of the error function on one side of the turn, as complements.
    near, far = segment.nearest, segment.nearest + segment.length
    faded = np.exp(-known * np.where(segment.straddles, 0.0, np.abs(segment.rise)))
    one_side = special.erfcx(width * near) - faded * special.erfcx(width * far)
    direct = np.sqrt(np.pi) / width * np.where(segment.straddles, both, one_side)
    return np.where(gentle, panel, direct)


def decay(flow_time: np.ndarray, segment: PathSegment) -> np.ndarray:
    """Twice the integral of ``exp(-a r)``: ``K`` of (11.2) on the segment."""
    return np.exp(-flow_time * least_variance(segment)) * scaled_decay(flow_time, segment)


def decay_less_start(flow_time: np.ndarray, segment: PathSegment) -> np.ndarray:
    """Twice the integral of ``exp(-a r) - 1``, with its digits early in training."""
    early = flow_time * np.maximum(segment.first, segment.last) <= _GENTLE
    short = np.where(early, flow_time, 0.0)
    least = least_variance(segment)
    panel = _panel(lambda above: np.expm1(-short * (least + above)), segment)
    return np.where(early, panel, decay(flow_time, segment) - 2.0 * segment.length)


def decay_slope(flow_time: np.ndarray, segment: PathSegment) -> np.ndarray:
    """Twice the integral of ``r exp(-a r)``: minus the derivative of `decay` by flow time."""
    gentle, least = _gentle(flow_time, segment), least_variance(segment)
    panel = _panel(lambda above: (least + above) * np.exp(-flow_time * above), segment)
    known = np.where(gentle, 1.0, flow_time)
    scaled, first, last = scaled_decay(flow_time, segment), segment.first - least, segment.last - least
    ends = segment.end * np.exp(-known * last) - segment.start * np.exp(-known * first)
    by_parts = segment.turn * scaled + (0.5 * scaled - ends) / known
    return np.exp(-flow_time * least) * np.where(gentle, panel, by_parts)


def _gentle(flow_time: np.ndarray, segment: PathSegment) -> np.ndarray:
    most = np.maximum(segment.first, segment.last)
    return flow_time * (most - least_variance(segment)) <= _GENTLE


def _panel(integrand: Callable[[np.ndarray], np.ndarray], segment: PathSegment) -> np.ndarray:
    """Twice the integral of a smooth function of ``r - least r``."""
    total = np.zeros(())
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        along = 0.5 * (1.0 + node) * segment.length
        # Counted from the end nearer to the turn, so that the difference of squares does not cancel.
        one_side = along * (2.0 * segment.nearest + along)
        above = segment.stretch * np.where(segment.straddles, (segment.start + along) ** 2, one_side)
        total = total + weight * segment.length * integrand(above)
    return total
