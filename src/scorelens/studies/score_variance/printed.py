"""Formulas of the early text as printed and as they are, beside numbers that use neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp
from scipy.special import logsumexp, ndtr

from scorelens.estimators.features import Affine, Bins, Monomials
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import (
    BROWNIAN,
    PolynomialSchedule,
    Schedule,
    SubVariancePreservingSchedule,
)
from scorelens.generalization.statistics import OneTime, StateFeatures
from scorelens.generalization.vkernel import SmearedLaw, TimeBinned, as_printed
from scorelens.generalization.vkernel import gaussian_characteristic_function as closed_form
from scorelens.instruments.labels import PURE
from scorelens.studies.score_variance.rows import Row, mean_and_error, table_of, variance_and_error

LIBRARY, PRINTED = "library", "as printed"
VARIANCE_OF_NOISE, LAST_STEP, MANY, FEW = "Eq. (3)", "Eq. (20)", "Eq. (22), F ≠ D", "Eq. (22), F = D"
WAVES, BINS, SPREAD, SCORE = "Eq. (24)", "Eq. (25)", "Eq. (6), [G4]", "Eq. (10), [G5]"
SAMPLED = (LAST_STEP, MANY, FEW)
"""Families whose independent number is an average over draws."""

LINE = DataLaw.gaussian([0.4], [[0.7]])
MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
PLANE = DataLaw.mixture(
    [0.4, 0.6], [[-1.0, 0.3], [0.8, -0.2]], [[[0.3, 0.1], [0.1, 0.5]], [[0.6, -0.2], [-0.2, 0.4]]]
)
POINTS = DataLaw.points([[-1.0, 0.0], [0.9, 0.4], [0.1, -0.8]])
AT, LEVEL = np.array([0.2, 0.1]), (0.9, 0.5)
"""Where scores are looked at, and their multiplier of the data and noise."""
SCHEDULES: dict[str, Schedule] = {
    "sub-VP, β 1": SubVariancePreservingSchedule([1.0]),
    "β 1, g² 2t": PolynomialSchedule([1.0], [0.0, 2.0]),
}
STEP, DRAWS, KAPPA, EDGES = 0.01, 200, 0.1, (-0.5, 0.6)
_FIRST, _SECOND, _ROW = 1e-3, 5e-3, np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12


@final
@dataclass(frozen=True)
class Budget:
    """Fits for each last step, and draws for each smeared law."""

    fits: int = 20_000
    draws: int = 400_000


def printed_formulas(budget: Budget | None = None) -> xr.Dataset:
    """The independent number (``measured``), with a standard error where it is sampled, and both formulas.

    As `table_of` has it; a formula that is not printed otherwise than it is has NaN for `PRINTED`.
    """
    asked, rng = budget or Budget(), np.random.default_rng(0)
    rows = [
        *_variances(),
        *_last_steps(asked.fits, rng),
        *_smeared(asked.draws, rng),
        *_waves(),
        *_bins(),
        *_spread(),
        *_scores(),
    ]
    return table_of(rows, "number", PURE)


def _row(family: str, what: str, measured: tuple[float, float], library: float, printed: float) -> Row:
    number = family.partition(",")[0]
    return Row(family, f"{number} {what}", *measured, {LIBRARY: float(library), PRINTED: float(printed)})


def _exactly(value: float) -> tuple[float, float]:
    return float(value), 0.0


def _variances() -> list[Row]:
    """``d sigma^2 / dt = -2 beta sigma^2 + g^2`` integrated from 0."""
    return [
        _row(
            VARIANCE_OF_NOISE,
            f"{name}, t {t:g}",
            _exactly(_integrated(schedule, t)),
            schedule.variance(t).item(),
            as_printed.variance_eq_3(schedule, t).item(),
        )
        for name, schedule in SCHEDULES.items()
        for t in (0.5, 2.0)
    ]


def _integrated(schedule: Schedule, t: float) -> float:
    def rate(u: float, variance: np.ndarray) -> np.ndarray:
        return -2 * schedule.beta(u) * variance + schedule.diffusion_squared(u)

    return solve_ivp(rate, (0.0, t), [0.0], method="DOP853", rtol=1e-13, atol=1e-15).y[0, -1]


def _last_steps(fits: int, rng: np.random.Generator) -> list[Row]:
    """Variance of the last displacement over regressions, at a leverage of 2, in units of ``1e-6 x^2``."""
    spread = LINE.covariance.item() + STEP
    x, found = float(LINE.mean.item() + np.sqrt(spread)), []
    for last in (1.0, 4.0):
        z = last**2 / 2
        c = DRAWS * z / STEP
        times = np.linspace(0.0, last, round(last / STEP) + 1)
        binned = TimeBinned.of_total(StateFeatures(Affine(1)), LINE, BROWNIAN, times, c / STEP)
        measured = variance_and_error(STEP / 2 * _fitted_scores(fits, x, rng))
        library = binned.last_step([[x]], "exact").covariance.item()
        printed = as_printed.kernel_eq_20(2.0, z, c).item()
        scaled = (1e6 * measured[0], 1e6 * measured[1])
        found.append(_row(LAST_STEP, f"10⁶ variance, Z {z:g}, c {c:g}", scaled, 1e6 * library, 1e6 * printed))
    return found


def _fitted_scores(fits: int, x: float, rng: np.random.Generator) -> np.ndarray:
    """At ``x`` and ``t = STEP``, of straight lines through ``DRAWS`` draws each."""
    noise = rng.standard_normal((fits, DRAWS))
    data = LINE.mean.item() + np.sqrt(LINE.covariance.item()) * rng.standard_normal((fits, DRAWS))
    noised, target = data + np.sqrt(STEP) * noise, -noise / np.sqrt(STEP)
    centred = noised - noised.mean(axis=1, keepdims=True)
    slope = (centred * target).sum(axis=1) / (centred**2).sum(axis=1)
    return target.mean(axis=1) + slope * (x - noised.mean(axis=1))


def _smeared(draws: int, rng: np.random.Generator) -> list[Row]:
    """Variance of ``y + sqrt(kappa L(y)) z`` with the leverage of the draws' own moments."""
    found = []
    for family, power in ((FEW, 1), (MANY, 2), (MANY, 3)):
        features = StateFeatures(Monomials(np.arange(1, power + 1)[:, None]), intercept=True)
        y = _draws(MIXTURE, draws, rng)
        phi = np.vander(y, power + 1, increasing=True)
        leverage = (phi * np.linalg.solve(phi.T @ phi / draws, phi.T).T).sum(axis=1)
        x = y + np.sqrt(KAPPA * leverage) * rng.standard_normal(draws)
        library = SmearedLaw(MIXTURE, features, KAPPA).covariance.item()
        printed = as_printed.smeared_covariance_eq_22(MIXTURE.covariance, KAPPA).item()
        what = f"powers to {power}, variance"
        found.append(_row(family, what, mean_and_error((x - MIXTURE.mean.item()) ** 2), library, printed))
    return found


def _draws(law: DataLaw, n: int, rng: np.random.Generator) -> np.ndarray:
    part = rng.choice(law.n_components, size=n, p=law.weights)
    return law.means[part, 0] + np.sqrt(law.covariances[part, 0, 0]) * rng.standard_normal(n)


def _waves() -> list[Row]:
    """``E exp(i u y - kappa u^2 L(y) / 2)`` by the trapezoidal rule, ``L = 1 + z^2``."""
    z = np.linspace(-12.0, 12.0, 4001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    mean, covariance, found = LINE.means[0], LINE.covariances[0], []
    for u in (0.5, 1.5):
        y = LINE.mean.item() + np.sqrt(LINE.covariance.item()) * z
        by_rule = (weight * np.exp(1j * u * y - KAPPA * u**2 * (1 + z**2) / 2)).sum()
        library = closed_form([[u]], mean, covariance, KAPPA).item()
        printed = as_printed.characteristic_function_eq_24([[u]], mean, covariance, KAPPA).item()
        for part, of in (("real", np.real), ("imaginary", np.imag)):
            values = float(of(library)), float(of(printed))
            found.append(_row(WAVES, f"u {u:g}, {part} part", _exactly(of(by_rule)), *values))
    return found


def _bins() -> list[Row]:
    """Leverage by the matrix of second moments, from error functions; without noise."""
    scale = np.sqrt(MIXTURE.covariances[:, 0, 0])
    below = [MIXTURE.weights @ ndtr((edge - MIXTURE.means[:, 0]) / scale) for edge in EDGES]
    p = np.diff([0.0, *below, 1.0])
    moments = np.diag(p)
    fit = OneTime(StateFeatures(Bins(np.array(EDGES))), MIXTURE, 1.0, 0.0)
    library = fit.leverage([[-1.0], [0.0], [1.0]])
    printed = as_printed.bin_leverage_eq_25(p)
    return [
        _row(BINS, f"leverage, p {p[b]:.2g}", _exactly(np.linalg.inv(moments)[b, b]), library[b], printed[b])
        for b in range(len(p))
    ]


def _spread() -> list[Row]:
    """``I / sigma^2`` plus second differences of the log density."""
    alpha, std = LEVEL
    library = PLANE.target_covariance([AT], alpha, std)[0]
    identity = np.eye(2) / std**2
    measured = identity + _second(lambda x: _log_density(PLANE, x))
    return [
        _row(SPREAD, f"C {'₁₂'[i]}{'₁₂'[j]}", _exactly(measured[i, j]), library[i, j], identity[i, j])
        for i, j in ((0, 0), (0, 1), (1, 1))
    ]


def _scores() -> list[Row]:
    """First differences of the log density of noised point masses."""
    library = POINTS.score([AT], *LEVEL)[0]
    apart = _FIRST * np.arange(-2, 3)
    found = []
    for i, unit in enumerate(np.eye(2)):
        measured = _ROW @ _log_density(POINTS, AT + apart[:, None] * unit) / _FIRST
        found.append(_row(SCORE, f"score {'₁₂'[i]}", _exactly(float(measured)), library[i], np.nan))
    return found


def _second(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Second derivatives at `AT`, as the first difference of the first, to fourth order of the spacing."""
    apart = _SECOND * np.arange(-2, 3)
    found = np.empty((2, 2))
    for i, one in enumerate(np.eye(2)):
        for j, other in enumerate(np.eye(2)):
            x = AT + apart[:, None, None] * one + apart[:, None] * other
            found[i, j] = _ROW @ function(x.reshape(-1, 2)).reshape(5, 5) @ _ROW / _SECOND**2
    return found


def _log_density(law: DataLaw, x: np.ndarray) -> np.ndarray:
    """Of the noised law at ``x (n, 2)``, from the definition."""
    alpha, std = LEVEL
    noised = alpha**2 * law.covariances + std**2 * np.eye(2)
    apart = x[:, None] - alpha * law.means
    squares = np.einsum("nki,kij,nkj->nk", apart, np.linalg.inv(noised), apart)
    size = np.log(2 * np.pi) + np.linalg.slogdet(noised)[1] / 2
    return np.asarray(logsumexp(np.log(law.weights) - squares / 2 - size, axis=1))
