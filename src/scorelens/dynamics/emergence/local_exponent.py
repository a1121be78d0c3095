"""The exponent of the emergence law at one eigenvalue, exact: d log(emergence time) / d log(eigenvalue)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.emergence.criterion import criterion_named
from scorelens.dynamics.emergence.times import Emergence, emergence_time, log_distance
from scorelens.dynamics.generation.sampler import ExactSampler
from scorelens.dynamics.laws.relaxation import RelaxationLaw
from scorelens.dynamics.numerics.quadrature import steep_rule
from scorelens.dynamics.values import Values


@dataclass(frozen=True, eq=False)
class LocalExponent:
    """``exponent`` per mode, and the `Emergence` it belongs to: NaN where the status there is not
    ``emerged``.

    A negative exponent means that larger modes emerge first.
    """

    exponent: np.ndarray
    emergence: Emergence


def local_exponent(
    law: RelaxationLaw,
    eigenvalue: Values,
    *,
    criterion: str = "harmonic",
    target: str = "data",
    band: float = 1.25,
    sampler: ExactSampler | None = None,
) -> LocalExponent:
    """Slope of the emergence law at each eigenvalue by implicit differentiation, no fit ([E12]).

    Arguments as for `emergence_time`; the sampler must be exact. There is no power law under a log-normal
    noise density: the local exponent drifts with the eigenvalue.

    >>> from scorelens.dynamics import PreconditionedOneLayer
    >>> found = local_exponent(PreconditionedOneLayer.edm(), 10.0, criterion="geometric")
    >>> float(found.exponent.round(6))
    -0.302174
    """
    if not isinstance(law, RelaxationLaw):
        raise TypeError(
            f"the exact exponent is known for one-layer laws, got {law!r}; "
            "fit_power_law takes the times of any law"
        )
    sampler = sampler or ExactSampler()
    emergence = emergence_time(
        law, eigenvalue, criterion=criterion, target=target, band=band, sampler=sampler
    )
    modes = np.broadcast_to(gain_law.non_negative("eigenvalue", eigenvalue), emergence.flow_time.shape)
    usable = emergence.emerged & (modes > 0.0)
    time = np.where(usable, emergence.flow_time, 1.0)
    by_eigenvalue, by_log_time = _growth_derivatives(law, modes, time, sampler)
    rule, distance = criterion_named(criterion, band), log_distance(law, modes, target, sampler)
    reached = rule.slope(np.where(np.isfinite(distance), distance, 0.0)) * _target_slope(
        modes, target, sampler
    )
    exponent = -(by_eigenvalue - reached) / np.where(usable, by_log_time, 1.0)
    return LocalExponent(np.where(usable, exponent, np.nan), emergence)


def _growth_derivatives(
    law: RelaxationLaw, modes: np.ndarray, time: np.ndarray, sampler: ExactSampler
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the log growth by log eigenvalue and by log time."""
    rule = steep_rule(np.log(sampler.sigma_min), np.log(sampler.sigma_max), law.steepness, law.breaks)
    shape = (-1,) + (1,) * modes.ndim
    noise, weight = rule.noise_variance.reshape(shape), rule.weight.reshape(shape)
    offset, exponent = law.offset(modes, noise), time * law.speed(modes, noise)
    # The optimum moves by lambda sigma^2 / (lambda + sigma^2)^2, the speed in proportion to lambda + sigma^2.
    share = modes / (modes + noise)
    moved_optimum = -share * (noise / (modes + noise)) * np.expm1(-exponent)
    moved_speed = -offset * exponent * share * np.exp(-exponent)
    by_eigenvalue = 2.0 * (weight * (moved_optimum + moved_speed)).sum(axis=0)
    return by_eigenvalue, -2.0 * (weight * offset * exponent * np.exp(-exponent)).sum(axis=0)


def _target_slope(modes: np.ndarray, target: str, sampler: ExactSampler) -> np.ndarray:
    """Derivative of the log target by log eigenvalue."""
    if target == "data":
        return np.ones_like(modes)
    return modes / (modes + sampler.sigma_min**2) - modes / (modes + sampler.sigma_max**2)
