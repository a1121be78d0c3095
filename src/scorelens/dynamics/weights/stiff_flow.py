"""An autonomous stiff ODE over many orders of magnitude of time, to nearly all digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_N_STAGES = 7
_TOLERANCE = 1e-9
_NEWTON_STEPS = 9
_CONVERGED, _STANDSTILL = 1e-12, 1e-9
_DAMPING = 0.1
_MOST_STEPS = 4000


class StiffProblem(NamedTuple):
    """``rate(y)`` and ``jacobian(y)`` for stacked states ``(stage, n)``, giving ``(stage, n)`` and ``(stage,
    n, n)``; ``scale(y)``, ``(n,)`` for one state, is the size that an error counts against; ``fastest``
    bounds the rate of change at the start."""

    rate: Callable[[np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray], np.ndarray]
    scale: Callable[[np.ndarray], np.ndarray]
    fastest: float


def stiff_flow(problem: StiffProblem, start: np.ndarray, time: float) -> np.ndarray:
    """State ``(n,)`` after ``time`` from ``start (n,)``, by Radau IIA collocation of order 13.

    The step follows from how far the collocation polynomial misses the equation at the start of the step,
    kept below 1e-9 of the scale; the end of the step is then good to rounding. Raises ``ValueError`` if it
    would take thousands of steps.

    >>> decay = StiffProblem(lambda y: -y, lambda y: -np.ones((len(y), 1, 1)), np.abs, 1.0)
    >>> float(stiff_flow(decay, np.ones(1), 2.0)[0] / np.exp(-2.0)) - 1.0 < 1e-14
    True
    """
    state, done, step = start, 0.0, min(time, 0.1 / max(problem.fastest, 1e-300))
    for _ in range(_MOST_STEPS):
        if not done < time:
            return state
        step = min(step, time - done)
        following, error = _step(problem, state, step)
        if error <= 1.0:
            state, done = following, time if step == time - done else done + step
        step *= float(np.clip(0.8 * max(error, 1e-12) ** (-1.0 / _N_STAGES), 0.1, 8.0))
    raise ValueError(f"the flow needs more than {_MOST_STEPS} steps to reach time {time:g}")


def _step(problem: StiffProblem, state: np.ndarray, step: float) -> tuple[np.ndarray, float]:
    """State after one step and its error over the tolerance; a large error where Newton does not converge."""
    scale, stages = problem.scale(state), np.tile(state, (_N_STAGES, 1))
    identity = np.eye(stages.size)
    before = np.inf
    for _ in range(_NEWTON_STEPS):
        residual = state + step * (_MATRIX @ problem.rate(stages)) - stages
        blocks = np.einsum("ij,jxy->ixjy", step * _MATRIX, problem.jacobian(stages))
        change = np.linalg.solve(identity - blocks.reshape(identity.shape), residual.ravel())
        stages = stages + change.reshape(stages.shape)
        largest = float((np.abs(change.reshape(stages.shape)) / scale).max())
        stands = largest >= 0.5 * before and largest < _STANDSTILL
        if largest < _CONVERGED or stands:
            return stages[-1], _missed(problem, state, stages, step) / _TOLERANCE
        if not largest < 1e6 or largest > 2.0 * before:
            break
        before = largest
    return state, 1e12


def _missed(problem: StiffProblem, state: np.ndarray, stages: np.ndarray, step: float) -> float:
    """How far the collocation polynomial misses the equation at the start of the step, over the scale."""
    missed = _START_SLOPE @ (stages - state) - step * problem.rate(state[None])[0]
    # What decays within the step forgets the miss: without this, rounding of fast modes would bound the step.
    damping = np.eye(len(state)) - _DAMPING * step * problem.jacobian(state[None])[0]
    size = np.maximum(problem.scale(state), problem.scale(stages[-1]))
    return float((np.abs(np.linalg.solve(damping, missed)) / size).max())


def _radau_tableau() -> tuple[np.ndarray, np.ndarray]:
    """Integrals to each node of the Lagrange polynomials on the right Radau nodes of the unit interval, and
    the slope at 0 of the polynomial through 0 at the start and given values at the nodes."""
    legendre = np.polynomial.legendre
    last_two = np.zeros(_N_STAGES + 1)
    last_two[-2:] = -1.0, 1.0
    nodes = 0.5 * (1.0 + np.sort(legendre.legroots(last_two).real))
    nodes[-1] = 1.0
    powers = np.arange(_N_STAGES)
    vander = legendre.legvander(2.0 * nodes - 1.0, _N_STAGES - 1)
    polynomials = [legendre.legint(e, lbnd=-1) for e in np.eye(_N_STAGES)]
    integrals = np.stack([0.5 * legendre.legval(2.0 * nodes - 1.0, p) for p in polynomials])
    matrix = np.linalg.solve(vander.T, integrals).T
    slope = np.linalg.solve((nodes[:, None] ** (powers + 1)).T, np.eye(_N_STAGES)[0])
    return matrix, slope


_MATRIX, _START_SLOPE = _radau_tableau()
