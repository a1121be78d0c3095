"""Generated variance of all modes at all training times: exact where that is quick, interpolated where it is
not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.generation.sampler import ExactSampler, Sampler
from scorelens.dynamics.generation.scaled_table import scaled_growth
from scorelens.dynamics.numerics.interpolation import barycentric, chebyshev

_EXACT_UP_TO = 1 << 16
_ROW_BLOCK = 1 << 16
_STRIP = 0.5 * math.pi
_N_CHECKS, _N_ROWS_CHECKED = 24, 5
#: How much narrower than the widest the strip may be in which the logarithm of the variance is analytic.
_NARROWINGS = (1.0, 3.0, 12.0)


def log_variance_table(
    law: GainLaw,
    eigenvalue: np.ndarray,
    flow_time: np.ndarray,
    *,
    sampler: Sampler | None = None,
    tolerance: float = 1e-9,
) -> np.ndarray:
    """Logarithm of the generated variance, shape ``(time, mode)``, for ``eigenvalue (mode,)``, ``flow_time
    (time,)``.

    Small tables are evaluated exactly. A large one of a law without a unit of its own (``scale_free``, the
    exact ODE) is read off one table of gains over ``flow_time * eigenvalue``. Others are interpolated at
    Chebyshev points in ``log(flow_time)`` and, for a law whose parameters are shared by all modes, in
    ``log(eigenvalue)``: the logarithm of the variance is analytic in both within a strip, so that the error
    falls geometrically. The error is measured against exact values on a subgrid of 24 times and modes (5
    times and all modes for a law with a parameter per mode) and is at most ``tolerance`` there, else the
    table is exact. ``sampler`` defaults to the exact ODE from 80 to 0.002.

    Modes and times may come in any order.

    >>> from scorelens.dynamics import OneLayer
    >>> log_variance_table(OneLayer(0.1), np.array([2.0, 1.0]), np.array([0.0, 1.0])).round(4)
    array([[-10.3099, -10.3099],
           [ -0.7019,  -3.7049]])
    """
    modes, times = (
        gain_law.non_negative("eigenvalue", eigenvalue),
        gain_law.non_negative("flow_time", flow_time),
    )
    if modes.ndim != 1 or times.ndim != 1:
        raise ValueError(f"eigenvalue and flow_time must be 1-D, got shapes {modes.shape} and {times.shape}")
    checks.positive("tolerance", tolerance)
    sampler = sampler or ExactSampler()
    return sampler.log_start(law, modes) + _growth(law, modes, times, sampler, tolerance)


def _growth(
    law: GainLaw, modes: np.ndarray, times: np.ndarray, sampler: Sampler, tolerance: float
) -> np.ndarray:
    if modes.size * times.size > _EXACT_UP_TO:
        rows, columns, exact = _checked_entries(law, modes, times, sampler)
        for table in _candidates(law, modes, times, sampler, tolerance):
            if np.abs(table[np.ix_(rows, columns)] - exact).max() <= tolerance:
                return table
    return _by_rows(sampler.trajectory(law, modes), times, modes.size)


def _candidates(
    law: GainLaw, modes: np.ndarray, times: np.ndarray, sampler: Sampler, tolerance: float
) -> Iterator[np.ndarray]:
    """Interpolated tables, the quickest first."""
    if law.scale_free and law.shared_by_modes and isinstance(sampler, ExactSampler):
        yield _scaled(law, modes, times, sampler, tolerance)
    for narrowing in _NARROWINGS:
        table = _interpolated(law, modes, times, sampler, tolerance, narrowing)
        if table is None:
            return
        yield table


def _scaled(
    law: GainLaw, modes: np.ndarray, times: np.ndarray, sampler: ExactSampler, tolerance: float
) -> np.ndarray:
    table, known, begun = np.zeros((times.size, modes.size)), modes > 0.0, times > 0.0
    if known.any() and begun.any():
        table[np.ix_(begun, known)] = scaled_growth(law, modes[known], times[begun], *sampler.ends, tolerance)
    if not known.all():
        table[:, ~known] = sampler.trajectory(law, np.zeros(1)).growth(times[:, None])
    return table


def _checked_entries(
    law: GainLaw, modes: np.ndarray, times: np.ndarray, sampler: Sampler
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns at which the table is checked, and exact values there."""
    if law.shared_by_modes:
        rows, columns = _spread(times.size, _N_CHECKS), _spread(modes.size, _N_CHECKS)
        return rows, columns, _by_rows(sampler.trajectory(law, modes[columns]), times[rows], columns.size)
    # A law with a parameter per mode takes all modes at once.
    rows, columns = _spread(times.size, _N_ROWS_CHECKED), np.arange(modes.size)
    return rows, columns, _by_rows(sampler.trajectory(law, modes), times[rows], modes.size)


def _spread(size: int, n: int) -> np.ndarray:
    # Not in step with the Chebyshev points, and with both ends.
    return np.unique(np.round((size - 1) * np.linspace(0.0, 1.0, n) ** 1.1).astype(int))


class _Grid(NamedTuple):
    """Chebyshev points of a variable and the matrix ``(entry, point)`` that interpolates from them."""

    points: np.ndarray
    matrix: np.ndarray


def _interpolated(
    law: GainLaw,
    modes: np.ndarray,
    times: np.ndarray,
    sampler: Sampler,
    tolerance: float,
    narrowing: float,
) -> np.ndarray | None:
    in_time = _grid(times, tolerance, narrowing)
    in_mode = _grid(modes, tolerance, narrowing) if law.shared_by_modes else None
    if in_time is None and in_mode is None:
        return None
    nodes = modes if in_mode is None else in_mode.points
    table = _by_rows(sampler.trajectory(law, nodes), times if in_time is None else in_time.points, nodes.size)
    if in_time is not None:
        table = in_time.matrix @ table
    return table if in_mode is None else table @ in_mode.matrix.T


def _by_rows(trajectory: VarianceTrajectory, times: np.ndarray, n_modes: int) -> np.ndarray:
    n_rows = max(1, _ROW_BLOCK // max(1, n_modes))
    blocks = [trajectory.growth(times[i : i + n_rows, None]) for i in range(0, times.size, n_rows)]
    return np.concatenate([np.broadcast_to(block, (block.shape[0], n_modes)) for block in blocks])


def _grid(values: np.ndarray, tolerance: float, narrowing: float) -> _Grid | None:
    """Points for the positive values, and 0 as a point of its own; None where the values are fewer than the
    points."""
    is_zero = values == 0.0
    logs = np.log(np.where(is_zero, 1.0, values))
    low, high = logs[~is_zero].min(initial=np.inf), logs[~is_zero].max(initial=-np.inf)
    if not high > low:
        return None
    # Half the width of the strip over half the interval is the minor axis of the Bernstein ellipse.
    axis = _STRIP / narrowing / (0.5 * (high - low))
    n_points = 8 + math.ceil(math.log(1.0 / tolerance) / math.asinh(axis))
    if n_points >= values.size:
        return None
    x, angle = chebyshev(n_points)
    points = np.exp(0.5 * (low + high) + 0.5 * (high - low) * x)
    matrix = np.zeros((values.size, n_points + int(is_zero.any())))
    matrix[~is_zero, :n_points] = barycentric((2.0 * logs[~is_zero] - low - high) / (high - low), x, angle)
    if is_zero.any():
        points = np.append(points, 0.0)
        matrix[is_zero, -1] = 1.0
    return _Grid(points, matrix)
