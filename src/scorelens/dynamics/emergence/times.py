"""When each mode emerges according to a gain law: first crossing of a threshold by the generated variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.emergence.criterion import criterion_named
from scorelens.dynamics.emergence.first_crossing import UNREACHED, first_crossing
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.generation.sampler import ExactSampler, Sampler
from scorelens.dynamics.values import Values

EMERGED = "emerged"
AT_START = "at start"
UNREACHABLE = "unreachable"
UNDEFINED = "undefined"
STUCK = "stuck"
UNRESOLVED = "unresolved"
TARGETS = ("data", "asymptote")
#: A logarithm of a variance beyond this has less than six digits after its point.
_FARTHEST = 1e9


@dataclass(frozen=True, eq=False)
class Emergence:
    """Emergence times of modes, each with its status; both arrays have the shape of the modes.

    ``status`` is ``emerged``; ``at start`` (flow time 0: nothing to cross); ``unreachable`` (flow time
    infinite: the trajectory never meets the threshold); ``stuck`` (flow time infinite: from this start the
    network never learns the mode); or ``undefined`` (flow time NaN: the mean of a start and a target of
    opposite signs, which only a gain can have); or ``unresolved`` (flow time NaN: the start is so many orders
    of magnitude off that float64 has no digits for the threshold).
    """

    flow_time: np.ndarray
    status: np.ndarray
    criterion: str
    target: str

    @property
    def emerged(self) -> np.ndarray:
        """Mask of the modes with a positive finite emergence time."""
        return self.status == EMERGED


def emergence_time(
    law: GainLaw,
    eigenvalue: Values,
    *,
    criterion: str = "harmonic",
    target: str = "data",
    band: float = 1.25,
    sampler: Sampler | None = None,
) -> Emergence:
    """Flow time at which each mode's generated variance first crosses its threshold.

    ``criterion`` is ``harmonic``, ``geometric`` or ``arithmetic`` (mean of the start variance and the target)
    or ``band`` (within the factor ``band`` of the target). ``target`` is the ``data`` variance or the
    ``asymptote``, the variance which the sampler generates from the law's limit. ``sampler`` defaults to the
    exact ODE from 80 to 0.002.

    Non-monotone trajectories are scanned, so that the first crossing is found (learning dynamics, section
    13); times are returned however late they come. Raises ``ValueError`` for unknown names and bad
    eigenvalues.

    >>> from scorelens.dynamics import PreconditionedOneLayer
    >>> found = emergence_time(PreconditionedOneLayer.edm(), [2.0, 0.01], criterion="geometric")
    >>> found.flow_time.round(4)
    array([ 1.1085, 11.9954])
    """
    checks.choice("target", target, TARGETS)
    if not isinstance(law, GainLaw):
        raise TypeError(
            f"emergence times are those of gain laws, got {type(law).__name__}; for a local filter use "
            "patch_emergence_time, for any trajectory trajectory_emergence"
        )
    sampler = sampler or ExactSampler()
    modes = _over_modes(law, eigenvalue)
    return trajectory_emergence(
        sampler.trajectory(law, modes),
        log_distance(law, modes, target, sampler),
        criterion=criterion,
        target=target,
        band=band,
        monotone=sampler.keeps_monotone(law),
        stuck=sampler.stuck(law, modes),
    )


def trajectory_emergence(
    trajectory: VarianceTrajectory,
    distance: np.ndarray,
    *,
    criterion: str = "harmonic",
    target: str = "data",
    band: float = 1.25,
    monotone: bool = False,
    stuck: np.ndarray | bool = False,
) -> Emergence:
    """First crossing of the threshold by any trajectory of generated variance, mode by mode.

    ``distance`` is ``log(target / start variance)``, of the shape of the modes; ``-inf`` for a target 0.
    ``monotone`` spares the search for turning points. ``stuck`` marks modes that are called so if they never
    cross. Other arguments and the result as for `emergence_time`.
    """
    rule = criterion_named(criterion, band)
    unresolved = np.isfinite(distance) & (np.abs(distance) > _FARTHEST)
    threshold = np.where(unresolved, 0.0, rule.threshold(distance))
    log_time = first_crossing(trajectory, threshold, monotone=monotone)
    reached, at_start = log_time != UNREACHED, (threshold == 0.0) & ~unresolved
    time = np.where(reached, np.exp(np.where(reached, log_time, 0.0)), np.inf)
    status = np.where(reached, EMERGED, np.where(stuck, STUCK, UNREACHABLE))
    time = np.where(unresolved, np.nan, np.where(at_start, 0.0, time))
    status = np.where(unresolved, UNRESOLVED, np.where(at_start, AT_START, status))
    return Emergence(time, status, criterion, target)


def gain_emergence_time(
    law: GainLaw,
    eigenvalue: Values,
    noise_variance: Values,
    *,
    criterion: str = "harmonic",
) -> Emergence:
    """Flow time at which the gain at one noise level crosses the mean of its start and its optimum.

    In closed form (learning dynamics, section 12.1). ``criterion`` is ``harmonic``, ``geometric`` or
    ``arithmetic``. Harmonic and geometric means of a start and an optimum of opposite signs
    are ``undefined``; a start that never learns is ``stuck``.

    >>> from scorelens.dynamics import OneLayer
    >>> float(gain_emergence_time(OneLayer(0.05), 0.8, 0.49).flow_time.round(7))
    0.0601082
    """
    checks.choice("criterion", criterion, _PARTS)
    start, limit = np.broadcast_arrays(
        law.start_gain(eigenvalue, noise_variance), law.limit_gain(eigenvalue, noise_variance)
    )
    sign, log_gap = law.log_gap(eigenvalue, noise_variance, 0.0)
    distance = -sign * np.exp(log_gap)
    stuck = np.broadcast_to(law.stuck(eigenvalue, noise_variance), start.shape)
    defined = (start * limit >= 0.0) | (criterion == "arithmetic")
    way, left = (np.where(defined, distance * part, 0.0) for part in _parts(criterion, start, limit))
    # A start of 0 puts the harmonic and the geometric mean there; a limit of 0 is met at infinity only.
    at_start = defined & ~stuck & ((distance == 0.0) | ((criterion != "arithmetic") & (start == 0.0)))
    time = law.travel_time(start, way, left, eigenvalue, noise_variance)
    time = np.where(at_start, 0.0, np.where(stuck | (left == 0.0), np.inf, time))
    time = np.where(defined, time, np.nan)
    status = np.where(np.isfinite(time), EMERGED, np.where(stuck, STUCK, UNREACHABLE))
    status = np.where(at_start, AT_START, np.where(defined | stuck, status, UNDEFINED))
    return Emergence(time, status, criterion, "asymptote")


def log_distance(law: GainLaw, eigenvalue: np.ndarray, target: str, sampler: Sampler) -> np.ndarray:
    """``log(target / start variance)`` per mode; ``-inf`` for an eigenvalue 0 with the target ``data``."""
    if target == "asymptote":
        return sampler.log_way(law, eigenvalue)
    return gain_law.log_abs(np.asarray(eigenvalue)) - sampler.log_start(law, eigenvalue)


def gray_zone(start_variance: Values, data_variance: Values, factor: float = 2.0) -> np.ndarray:
    """Mask of the modes that start within ``factor`` of their target ([E7]): too little happens to be timed.

    >>> gray_zone(0.25, np.array([1.0, 0.3, 0.1]))
    array([False,  True, False])
    """
    if not factor > 1.0:
        raise ValueError(f"factor must exceed 1, got {factor:g}; 2 means half to twice the start")
    start = gain_law.positive("start_variance", start_variance)
    data = gain_law.non_negative("data_variance", data_variance)
    return (data >= start / factor) & (data <= start * factor)


def _parts(criterion: str, start: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the distance from ``start`` to ``limit`` that lie before and behind their mean."""
    before, behind = (np.abs(_PARTS[criterion](value)) for value in (start, limit))
    total = before + behind
    known = np.where(total > 0.0, total, 1.0)
    return before / known, behind / known


# y_mean - y_start : y_limit - y_mean is y_start : y_limit for the harmonic mean, and so on.
_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "harmonic": lambda value: value,
    "geometric": lambda value: np.sqrt(np.abs(value)),
    "arithmetic": np.ones_like,
}


def _over_modes(law: GainLaw, eigenvalue: Values) -> np.ndarray:
    modes = gain_law.non_negative("eigenvalue", eigenvalue)
    return np.broadcast_to(modes, np.broadcast_shapes(modes.shape, law.start_gain(modes, 1.0).shape))
