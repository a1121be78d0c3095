"""Which dose a run has received at each step: fit of whole measured trajectories to a law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import least_squares

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.generation.sampler import ExactSampler, Sampler
from scorelens.dynamics.values import Values

_LOG_DOSES = np.arange(-16.0, 28.01, 0.2)
_STARTS = np.arange(-14.0, 14.1, 1.0)
_ROW_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class DoseFit:
    """``dose = exp(log_scale) * step ** exponent`` ([E31]).

    ``covariance (2, 2)`` of ``(log_scale, exponent)`` takes modes, not time points, as independent;
    ``residual_sd`` is the standard deviation of the log variance around the law.
    """

    log_scale: float
    exponent: float
    covariance: np.ndarray
    residual_sd: float
    n_modes: int

    def dose(self, step: Values) -> np.ndarray:
        """Dose after ``step`` optimizer steps, same shape; 0 at step 0."""
        step = gain_law.non_negative("step", step)
        started = step > 0.0
        log_dose = self.log_scale + self.exponent * np.log(np.where(started, step, 1.0))
        return np.where(started, np.exp(log_dose), 0.0)

    def step(self, dose: Values) -> np.ndarray:
        """Optimizer step at which ``dose`` is reached, same shape; infinite for an infinite dose."""
        dose = np.asarray(dose, dtype=float)
        started = dose > 0.0
        log_dose = np.log(np.where(started, dose, 1.0))
        return np.where(started, np.exp((log_dose - self.log_scale) / self.exponent), 0.0)


def fit_dose(
    steps: np.ndarray,
    trajectory: np.ndarray,
    law: GainLaw,
    eigenvalue: np.ndarray,
    *,
    sampler: Sampler | None = None,
    fit_exponent: bool = True,
) -> DoseFit:
    """Map optimizer steps to dose by least squares on the log variances of all modes at all steps.

    ``steps (n,)``, ``trajectory (n, mode)`` measured variances > 0, ``eigenvalue (mode,)``; the law and the
    ``sampler`` (default: the exact ODE) are those of the forecast. Modes that are still moving are used. The
    exponent absorbs the optimizer (Adam, warm-up); ``fit_exponent=False`` keeps it at 1. Pass accumulated
    learning rate as ``steps`` if there is a schedule. Steps 0 carry no information and are left out.

    Raises ``ValueError`` for shapes that do not fit, fewer than two positive steps, or a law that does not
    move.
    """
    steps, values = gain_law.non_negative("steps", steps), gain_law.positive("trajectory", trajectory)
    modes = gain_law.non_negative("eigenvalue", eigenvalue)
    if values.shape != (steps.size, modes.size):
        raise ValueError(f"trajectory must have shape {(steps.size, modes.size)}, got {values.shape}")
    used = steps > 0.0
    checks.at_least("number of steps after step 0", int(used.sum()), 2, "measure more often")
    sampler = sampler or ExactSampler()
    target = np.log(values[used]) - np.broadcast_to(sampler.log_start(law, modes), modes.shape)
    curve = _spline(sampler.trajectory(law, modes), modes.size)
    return _fitted(np.log(steps[used]), target, curve, fit_exponent)


def _fitted(
    log_steps: np.ndarray, target: np.ndarray, curve: CubicHermiteSpline, fit_exponent: bool
) -> DoseFit:
    # Around the middle step scale and exponent are nearly independent.
    middle = log_steps.mean()
    slope = curve.derivative()

    def log_dose(parameters: np.ndarray) -> np.ndarray:
        exponent = parameters[1] if fit_exponent else 1.0
        return np.clip(parameters[0] + exponent * (log_steps - middle), _LOG_DOSES[0], _LOG_DOSES[-1])

    def residual(parameters: np.ndarray) -> np.ndarray:
        return (curve(log_dose(parameters)) - target).ravel()

    def jacobian(parameters: np.ndarray) -> np.ndarray:
        moved = slope(log_dose(parameters))
        columns = [moved, moved * (log_steps - middle)[:, None]] if fit_exponent else [moved]
        return np.stack([column.ravel() for column in columns], axis=1)

    starts = [np.array([start, 1.0][: 1 + fit_exponent]) for start in _STARTS]
    best = min(starts, key=lambda p: float((residual(p) ** 2).sum()))
    if not np.any(jacobian(best)):
        raise ValueError(
            "the law does not move for these modes, so no dose can be read off; every mode starts on target"
        )
    options = {"jac": jacobian, "xtol": 1e-12, "ftol": 1e-12, "gtol": 1e-12}
    found = least_squares(residual, best, **options).x
    covariance = np.zeros((2, 2))
    n_free = 1 + fit_exponent
    covariance[:n_free, :n_free] = _clustered(jacobian(found), residual(found), target.shape)
    shift = np.array([[1.0, -middle], [0.0, 1.0]])
    exponent = float(found[1]) if fit_exponent else 1.0
    return DoseFit(
        log_scale=float(found[0] - exponent * middle),
        exponent=exponent,
        covariance=shift @ covariance @ shift.T,
        residual_sd=float(np.sqrt(np.mean(residual(found) ** 2))),
        n_modes=target.shape[1],
    )


def _clustered(jacobian: np.ndarray, residual: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sandwich covariance with modes as clusters: what resampling modes would give."""
    n_modes = shape[1]
    bread = np.linalg.pinv(jacobian.T @ jacobian)
    scores = (jacobian * residual[:, None]).reshape(*shape, -1).sum(axis=0)
    return bread @ (scores.T @ scores) @ bread * n_modes / max(n_modes - 1, 1)


def _spline(trajectory: VarianceTrajectory, n_modes: int) -> CubicHermiteSpline:
    n_rows = max(1, _ROW_BLOCK // max(1, n_modes))
    growth, slope = [], []
    for first in range(0, _LOG_DOSES.size, n_rows):
        dose = np.exp(_LOG_DOSES[first : first + n_rows, None])
        block = trajectory.growth_and_slope(dose)
        growth.append(np.broadcast_to(block[0], (dose.size, n_modes)))
        slope.append(np.broadcast_to(dose * block[1], (dose.size, n_modes)))
    return CubicHermiteSpline(_LOG_DOSES, np.concatenate(growth), np.concatenate(slope))
