"""From dose to optimizer steps: calibration of a forecast on the modes that have emerged, and on those that
have not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import VarianceTrajectory
from scorelens.dynamics.values import Values

FITS = ("auto", "scale", "scale_exponent")
_ENOUGH_FOR_EXPONENT = 10
_SCATTER, _SCATTER_WIDTH = 0.15, 0.7
_LARGEST_CORRELATION = 0.95
_MOST_ITERATIONS = 200
_TOLERANCE = 1e-13
_NO_HAZARD = -35.0
_LEAST_FOR_CORRELATION = 4


@dataclass(frozen=True, eq=False)
class StepForecast:
    """Forecast emergence steps ``step`` per mode with an interval ``low`` to ``high``, arrays ``(mode,)``."""

    step: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Calibration:
    """``log(step) = log_scale + exponent * log(dose)`` with scatter ``scatter`` ([E28]).

    ``covariance (2, 2)`` is that of ``(log_scale, exponent)``, zero for an exponent that was not fitted;
    ``correlation`` the lag-1 correlation of the residuals of emerged modes in order of dose, which widens
    forecasts.
    """

    log_scale: float
    exponent: float
    covariance: np.ndarray
    scatter: float
    correlation: float
    n_emerged: int
    n_censored: int
    fit: str

    @property
    def log_scale_sd(self) -> float:
        """Standard deviation of ``log_scale``."""
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def exponent_sd(self) -> float:
        """Standard deviation of ``exponent``; 0 if it was not fitted."""
        return float(np.sqrt(self.covariance[1, 1]))

    def dose(self, step: Values) -> np.ndarray:
        """Dose that the law needs to look like the run after ``step`` optimizer steps."""
        step = gain_law.non_negative("step", step)
        started = step > 0.0
        log_dose = (np.log(np.where(started, step, 1.0)) - self.log_scale) / self.exponent
        return np.where(started, np.exp(log_dose), 0.0)

    def forecast(self, dose: np.ndarray, *, level: float = 0.9, after: Values | None = None) -> StepForecast:
        """Emergence steps of modes with these emergence ``dose (mode,)``, with intervals of the given level
        ([E30]).

        ``after`` is the last step seen of modes that have not emerged by then: their forecast is conditional
        on that. Intervals cover a little less than ``level`` where errors of neighbouring modes go together.
        """
        centre, width = self._centre_and_width(dose)
        tail = 0.5 * (1.0 - level)
        low, middle, high = (_quantile(centre, width, q, after) for q in (tail, 0.5, 1.0 - tail))
        return StepForecast(np.exp(middle), np.exp(low), np.exp(high))

    def draws(self, dose: np.ndarray, n_draws: int, *, seed: int = 0) -> np.ndarray:
        """Simultaneous draws of the emergence steps of all modes, ``(n_draws, mode)``.

        For questions about several modes at once, such as the step by which all have emerged.
        """
        log_dose = np.log(gain_law.positive("dose", dose))
        generator = np.random.default_rng(seed)
        covariance = self._inflation * self.covariance
        line = generator.multivariate_normal([self.log_scale, self.exponent], covariance, n_draws)
        scatter = self.scatter * generator.standard_normal((n_draws, log_dose.size))
        return np.exp(line[:, :1] + line[:, 1:] * log_dose + scatter)

    @property
    def _inflation(self) -> float:
        return (1.0 + self.correlation) / (1.0 - self.correlation)

    def _centre_and_width(self, dose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_dose = np.log(gain_law.positive("dose", dose))
        design = np.stack([np.ones_like(log_dose), log_dose], axis=-1)
        line = np.einsum("...i,ij,...j->...", design, self._inflation * self.covariance, design)
        return self.log_scale + self.exponent * log_dose, np.sqrt(line + self.scatter**2)


def calibrate(
    dose: np.ndarray,
    step: np.ndarray,
    censored: np.ndarray | Sequence[bool],
    *,
    sd: Values | None = None,
    fit: str = "auto",
    exponent_prior_sd: float | None = 0.25,
) -> Calibration:
    """Fit the time scale of a run by maximum likelihood, censored modes included ([E28], [E29]).

    ``dose (mode,)`` is each mode's emergence time by the law (same criterion, target and sampler as
    measured), ``step (mode,)`` its measured emergence step, or the last step seen where ``censored``. Leave
    out gray modes and modes that are on target from the start. ``sd`` is the known scatter of ``log(step)``,
    scalar or per mode; None fits a common one with a weak prior around 0.15. ``fit`` is ``scale`` (the law's
    own exponent 1), ``scale_exponent``, or ``auto``: the scale alone while fewer than 10 modes have emerged.
    ``exponent_prior_sd`` is the width of a normal prior of the exponent around 1; None for none.

    Raises ``ValueError`` if no mode has emerged, for shapes that do not fit, and for values that are not
    positive.

    >>> dose, step, censored = np.array([1.0, 2.0, 5.0]), np.array([10.0, 20.0, 30.0]), [False, False, True]
    >>> found = calibrate(dose, step, censored, sd=0.2)
    >>> round(found.log_scale, 4), found.exponent
    (2.31, 1.0)
    """
    checks.choice("fit", fit, FITS)
    x, y = np.log(gain_law.positive("dose", dose)), np.log(gain_law.positive("step", step))
    late = np.asarray(censored, dtype=bool)
    if x.ndim != 1 or not x.shape == y.shape == late.shape:
        raise ValueError(
            f"dose, step and censored must be 1-D of one length, got {x.shape}, {y.shape}, {late.shape}"
        )
    n_emerged = int((~late).sum())
    checks.at_least(
        "number of emerged modes", n_emerged, 1, "train longer, or use a criterion that comes earlier"
    )
    with_exponent = fit == "scale_exponent" or (fit == "auto" and n_emerged >= _ENOUGH_FOR_EXPONENT)
    if with_exponent and exponent_prior_sd is None and np.ptp(x) == 0.0:
        raise ValueError("dose must vary between modes to fit an exponent; use fit='scale'")
    problem = _Likelihood(x, y, late, sd, with_exponent, exponent_prior_sd)
    estimate, hessian = problem.maximise()
    covariance = np.zeros((2, 2))
    n_line = 2 if with_exponent else 1
    covariance[:n_line, :n_line] = np.linalg.inv(hessian)[:n_line, :n_line]
    log_scale, exponent, scatter = problem.unpack(estimate)
    return Calibration(
        log_scale=float(log_scale),
        exponent=float(exponent),
        covariance=covariance,
        scatter=float(np.sqrt(np.mean(np.square(scatter)))),
        correlation=_lag_correlation((y - log_scale - exponent * x)[~late], x[~late]),
        n_emerged=n_emerged,
        n_censored=int(late.sum()),
        fit="scale_exponent" if with_exponent else "scale",
    )


def timing_sd(trajectory: VarianceTrajectory, dose: np.ndarray, n_samples: int) -> np.ndarray:
    """Scatter of ``log(emergence step)`` that measuring a variance on ``n_samples`` samples causes,
    ``(mode,)``.

    The sampling error ``sqrt(2 / n_samples)`` of the log variance over how fast it moves at emergence.
    """
    checks.at_least("n_samples", n_samples, 2)
    dose = gain_law.positive("dose", dose)
    speed = np.abs(dose * trajectory.growth_and_slope(dose)[1])
    return np.sqrt(2.0 / n_samples) / np.maximum(speed, np.finfo(float).tiny)


class _Likelihood:
    """Negative log-likelihood in ``(log_scale[, exponent][, log scatter])`` with its exact derivatives."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        late: np.ndarray,
        sd: Values | None,
        with_exponent: bool,
        prior_sd: float | None,
    ) -> None:
        self._late, self._with_exponent, self._with_scatter = late, with_exponent, sd is None
        self._design = np.stack([np.ones_like(x), x], axis=1) if with_exponent else np.ones((x.size, 1))
        self._x, self._y = x, y
        self._sd = np.broadcast_to(gain_law.positive("sd", _SCATTER if sd is None else sd), x.shape)
        self._prior_sd = prior_sd if with_exponent else None

    def unpack(self, parameters: np.ndarray) -> tuple[float, float, np.ndarray]:
        exponent = parameters[1] if self._with_exponent else 1.0
        scatter = np.full_like(self._sd, np.exp(parameters[-1])) if self._with_scatter else self._sd
        return parameters[0], exponent, scatter

    def maximise(self) -> tuple[np.ndarray, np.ndarray]:
        """Damped Newton from the mean offset; returns the estimate and the Hessian there."""
        start = [float(np.mean((self._y - self._x)[~self._late]))]
        start += [1.0] * self._with_exponent + [np.log(_SCATTER)] * self._with_scatter
        parameters, damping = np.array(start), 0.0
        value, gradient, hessian = self._evaluate(parameters)
        for _ in range(_MOST_ITERATIONS):
            move = -np.linalg.solve(hessian + damping * np.diag(np.abs(np.diag(hessian)) + 1.0), gradient)
            # A move too far has no finite value, and is refused for it.
            with np.errstate(over="ignore", invalid="ignore"):
                moved = self._evaluate(parameters + move)
            if not moved[0] <= value + 1e-12 * abs(value):
                damping = max(4.0 * damping, 1e-3)
                continue
            parameters, damping = parameters + move, 0.25 * damping if damping > 1e-9 else 0.0
            value, gradient, hessian = moved
            if np.abs(move).max() <= _TOLERANCE * (1.0 + np.abs(parameters).max()):
                break
        return parameters, hessian

    def _evaluate(self, parameters: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        log_scale, exponent, scatter = self.unpack(parameters)
        v = (self._y - log_scale - exponent * self._x) / scatter
        log_survival = special.log_ndtr(-v)
        # Scaled error function: density over survival keeps its digits far in the tail.
        hazard = np.sqrt(2.0 / np.pi) / special.erfcx(np.maximum(v, _NO_HAZARD) / np.sqrt(2.0))
        first = np.where(self._late, hazard, v)
        second = np.where(self._late, hazard * (hazard - v), 1.0)
        value = np.where(self._late, -log_survival, 0.5 * v**2 + np.log(scatter)).sum()  # [E29]
        slopes = -self._design / scatter[:, None]
        extra = np.zeros_like(self._design)
        if self._with_scatter:
            slopes = np.column_stack([slopes, -v])
            extra = self._design / scatter[:, None]
        gradient = slopes.T @ first
        hessian = (slopes * second[:, None]).T @ slopes
        if self._with_scatter:
            cross = (extra * first[:, None]).sum(axis=0)
            hessian[-1, :-1] += cross
            hessian[:-1, -1] += cross
            hessian[-1, -1] += (v * first).sum()
            gradient[-1] += (~self._late).sum()
        return self._with_priors(parameters, float(value), gradient, hessian)

    def _with_priors(
        self, parameters: np.ndarray, value: float, gradient: np.ndarray, hessian: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        if self._prior_sd is not None:
            z = (parameters[1] - 1.0) / self._prior_sd
            value, gradient[1], hessian[1, 1] = (
                value + 0.5 * z**2,
                gradient[1] + z / self._prior_sd,
                hessian[1, 1] + 1.0 / self._prior_sd**2,
            )
        if self._with_scatter:
            z = (parameters[-1] - np.log(_SCATTER)) / _SCATTER_WIDTH
            value, gradient[-1], hessian[-1, -1] = (
                value + 0.5 * z**2,
                gradient[-1] + z / _SCATTER_WIDTH,
                hessian[-1, -1] + 1.0 / _SCATTER_WIDTH**2,
            )
        return value, gradient, hessian


def _lag_correlation(residual: np.ndarray, order: np.ndarray) -> float:
    ordered = residual[np.argsort(order, kind="stable")]
    ordered = ordered - ordered.mean()
    power = float((ordered**2).sum())
    if ordered.size < _LEAST_FOR_CORRELATION or power == 0.0:
        return 0.0
    return float(np.clip((ordered[1:] * ordered[:-1]).sum() / power, 0.0, _LARGEST_CORRELATION))


def _quantile(centre: np.ndarray, width: np.ndarray, q: float, after: Values | None) -> np.ndarray:
    """Quantile of a normal, conditional on lying beyond ``log(after)``; in the log domain, for the far
    tail."""
    if after is None:
        return centre + width * special.ndtri(q)
    z = (np.log(gain_law.positive("after", after)) - centre) / width
    return centre - width * special.ndtri_exp(np.log1p(-q) + special.log_ndtr(-z))
